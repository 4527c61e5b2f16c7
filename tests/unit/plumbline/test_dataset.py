"""Datasets: what is written is read again."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.dataset import (
    SplitSummary,
    Summary,
    read_split,
    read_summary,
    split_path,
    stored_rows,
    table_rows,
    write_summary,
)


def test_a_summary_comes_back(tmp_path: Path) -> None:
    """The summary lies beside the splits, with every field."""
    split = SplitSummary(rows=3, positives=1, start="2020-01-01T00:00:00", end="2020-01-02T00:00:00")
    summary = Summary(
        table="p.d.t", training_table="p.d.t_train", bytes_processed=7, source_changed="2020", splits={"train": split}
    )
    write_summary(tmp_path, summary)
    assert read_summary(tmp_path) == summary


def test_a_split_is_read_whole_or_by_columns(tmp_path: Path) -> None:
    """Columns that are not asked for are not read."""
    rows = pa.table({"x": [1, 2], "y": ["a", None]})
    pq.write_table(rows, split_path(tmp_path, "test"))
    assert read_split(tmp_path, "test").equals(rows)
    assert read_split(tmp_path, "test", ["y"]).column_names == ["y"]


def test_a_split_is_read_a_row_group_at_a_time(tmp_path: Path) -> None:
    """Only the columns that are asked for, in order; the schema is known without reading rows."""
    rows = pa.table({"x": range(10), "y": [str(i) for i in range(10)]})
    pq.write_table(rows, split_path(tmp_path, "train"), row_group_size=4)
    found = stored_rows(tmp_path, "train")
    assert found.schema == rows.schema
    assert [part.to_pydict() for part in found.parts(["x"])] == [
        {"x": [0, 1, 2, 3]},
        {"x": [4, 5, 6, 7]},
        {"x": [8, 9]},
    ]


def test_a_table_is_read_in_parts_as_well() -> None:
    """As many rows at once as are asked for; none of an empty one."""
    found = table_rows(pa.table({"x": range(5), "y": range(5)}), size=2)
    assert [part.column("x").to_pylist() for part in found.parts(["x"])] == [[0, 1], [2, 3], [4]]
    assert not list(table_rows(pa.table({"x": []})).parts(["x"]))
