"""Ingestion: what is written is what the windows ask for, in an order that is always the same."""

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plumbline.dataset import SplitSummary
from plumbline.errors import DataError
from plumbline.ingestion import check_columns, is_positive, table_names, wanted_columns, within, write_split
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
