"""Ingestion: what is written is what the windows ask for, in an order that is always the same."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plumbline.dataset import SplitName, SplitSummary
from plumbline.errors import DataError, ServiceError
from plumbline.ingestion import (
    check_columns,
    check_placed,
    check_times,
    is_positive,
    table_names,
    wanted_columns,
    within,
    write_split,
)
from plumbline.problem import Column, Data, Label, Split, Window

DATA = Data(
    query="q.sql",
    tables=("t",),
    key=("id",),
    time="at",
    label=Label(column="kind", positive=2),
    split=Split(
        train=Window(start=dt.date(2020, 1, 1), end=dt.date(2020, 1, 2)),
        validation=Window(start=dt.date(2020, 1, 2), end=dt.date(2020, 1, 3)),
        test=Window(start=dt.date(2020, 1, 3), end=dt.date(2020, 1, 4)),
    ),
    features={"x": Column(type="numeric", column="value")},
    attributes={"hour": Column(type="timestamp", column="at", part="hour")},
)


def batch(*rows: tuple[str, int, int]) -> pa.RecordBatch:
    """Rows of key, hour and label."""
    at = [dt.datetime(2020, 1, 1, hour) for _, hour, _ in rows]  # noqa: DTZ001 - a wall clock
    return pa.record_batch(
        {
            "id": [key for key, _, _ in rows],
            "at": pa.array(at, pa.timestamp("us")),
            "kind": [kind for _, _, kind in rows],
            "value": [1.0] * len(rows),
        }
    )


def test_every_declared_column_is_wanted_once() -> None:
    """Key, time, label, and the columns behind features and attributes."""
    assert wanted_columns(DATA) == ("id", "at", "kind", "value")


def test_a_query_without_a_column_is_refused() -> None:
    """The message names the column and the query."""
    with pytest.raises(DataError, match=r"q\.sql does not give \['value'\]"):
        check_columns(DATA, ["id", "at", "kind"])


def test_rows_are_written_in_the_order_of_time_and_key(tmp_path: Path) -> None:
    """BigQuery promises no order; the file has one."""
    batches = [batch(("b", 3, 1), ("z", 1, 2)), batch(("a", 3, 2))]
    summary = write_split(tmp_path, "train", iter(batches), DATA)
    assert pq.read_table(tmp_path / "train.parquet").column("id").to_pylist() == ["z", "a", "b"]
    assert summary == SplitSummary(rows=3, positives=2, start="2020-01-01T01:00:00", end="2020-01-01T03:00:00")


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    """More rows than are sorted at once, in batches of another order and size: the same file by row groups."""
    count = 300_000
    at = dt.datetime(2020, 1, 1)  # noqa: DTZ001 - a wall clock
    rows = pa.table(
        {
            # Keys are as long as they must be for several runs; some are there twice, with other values.
            "id": [f"{i % 299_990:0>60}" for i in range(count)],
            "at": pa.array([at + dt.timedelta(seconds=i % 50) for i in range(count)], pa.timestamp("us")),
            "kind": pa.array([i % 3 for i in range(count)], pa.int64()),
            "value": pa.array([None if i % 7 == 0 else float(i) for i in range(count)], pa.float64()),
        }
    )
    places = np.random.default_rng(1).permutation(count)
    shuffled = rows.take(places).select(["value", "kind", "at", "id"]).combine_chunks()
    for folder, table, size in (("one", rows, 65_536), ("other", shuffled, 10_000)):
        (tmp_path / folder).mkdir()
        write_split(tmp_path / folder, "train", iter(table.to_batches(max_chunksize=size)), DATA)
    one, other = (tmp_path / folder / "train.parquet" for folder in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()
    wanted = rows.sort_by([(name, "ascending") for name in ("at", "id", "kind", "value")])
    assert pq.read_table(one).equals(wanted)
    metadata = pq.read_metadata(one)
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [65_536] * 4 + [37_856]


def test_nothing_of_where_the_rows_came_from_is_written(tmp_path: Path) -> None:
    """Metadata of BigQuery, or of its emulator, is no part of the data."""
    rows = batch(("a", 1, 2))
    fields = [field.with_metadata({"from": "there"}) for field in rows.schema]
    rows = pa.RecordBatch.from_arrays(rows.columns, schema=pa.schema(fields, {"made": "today"}))
    write_split(tmp_path, "train", iter([rows]), DATA)
    schema = pq.read_schema(tmp_path / "train.parquet")
    assert not schema.metadata
    assert not any(field.metadata for field in schema)


def test_a_split_that_breaks_off_is_told(tmp_path: Path) -> None:
    """What the reader raises comes through the threads as it was."""

    def broken() -> Iterator[pa.RecordBatch]:
        yield batch(("a", 1, 2))
        raise ServiceError("the stream broke")

    with pytest.raises(ServiceError, match="the stream broke"):
        write_split(tmp_path, "train", broken(), DATA)
    assert not (tmp_path / "train.parquet").exists()


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    """The message names the split and its window."""
    with pytest.raises(DataError, match="no row of the query lies in the test split, 2020-01-03 up to 2020-01-04"):
        write_split(tmp_path, "test", iter([batch()]), DATA)


def test_a_label_of_another_type_is_refused() -> None:
    """A label that cannot be compared with the positive value is told."""
    table = pa.table({"kind": pa.array([dt.date(2020, 1, 1)])})
    with pytest.raises(DataError, match=r"kind is date32\[day\], label.positive is 2"):
        is_positive(table, DATA.label)


def test_a_window_is_half_open() -> None:
    """The end is not part of it."""
    assert within(DATA.split.train, "at") == "at >= '2020-01-01 00:00:00' AND at < '2020-01-02 00:00:00'"


def test_other_sources_make_another_table() -> None:
    """The name of the features table depends on what it was made from."""
    one, other = table_names("orders", "a" * 64), table_names("orders", "b" * 64)
    assert one.features == "orders_features_aaaaaaaaaaaa"
    assert one.training == "orders_features_aaaaaaaaaaaa_train"
    assert other != one


def parts(end: str) -> dict[SplitName, SplitSummary]:
    """One split that ends at a moment."""
    return {"test": SplitSummary(rows=1, positives=0, start="2020-01-03T00:00:00", end=end)}


@pytest.mark.parametrize("changed", ["2020-01-03T12:00:00+00:00", "2020-01-02T20:00:00.5+00:00"])
def test_rows_up_to_the_last_change_are_of_the_past(changed: str) -> None:
    """On a wall clock that may be ahead of the service's."""
    check_times(DATA, parts("2020-01-03T11:00:00"), changed)


@pytest.mark.parametrize("end", ["2020-01-05T00:00:00", "2020-01-05T00:00:00+00:00"])
def test_a_row_of_the_future_is_refused(end: str) -> None:
    """Two days after the source last changed nobody knew a label of then."""
    with pytest.raises(DataError, match=r"the test split has a row of 2020-01-05T.* in at, but .* 2020-01-03T12"):
        check_times(DATA, parts(end), "2020-01-03T12:00:00+00:00")


def test_rows_without_a_time_are_refused() -> None:
    """How many there are, and which is one of them."""
    keys = [pa.record_batch({"id": pa.array(ids, pa.string())}) for ids in ([], ["b", "c"], ["d"])]
    with pytest.raises(DataError, match=r"3 rows of the query q\.sql have no at, such as \{'id': 'b'\}"):
        check_placed(DATA, keys)
    check_placed(DATA, keys[:1])
