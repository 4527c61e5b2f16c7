"""Datasets: what is written is read again."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.dataset import SplitSummary, Summary, read_split, read_summary, split_path, write_summary


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
