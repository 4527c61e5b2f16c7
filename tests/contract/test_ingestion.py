"""Ingestion from BigQuery to files: what is written, that it is the same twice, and what stops it."""

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Generator
from pathlib import Path

import pyarrow as pa
import pytest
from google.cloud import bigquery

from plumbline.adapters import bigquery as bq
from plumbline.adapters.clients import Clients
from plumbline.adapters.ingestion import ingest
from plumbline.dataset import SPLITS, read_split, read_summary
from plumbline.environment import Place
from plumbline.errors import DataError
from plumbline.problem import Column, Data, Label, Split, Window
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.vertex import fresh

START = dt.datetime(2020, 1, 1)  # noqa: DTZ001 - a wall clock
HOURS = 96
"""Four days: two train, one validates, one tests. Of the rows, every fifth is positive."""
SQL = "SELECT id, sent_at, weight, CAST(MOD(id, 5) AS INT64) = 0 AS heavy FROM {parcels}"
DATA = Data(
    query="parcels.sql",
    tables=("parcels",),
    key=("id",),
    time="sent_at",
    label=Label(column="heavy", positive=True),
    split=Split(
        train=Window(start=dt.date(2020, 1, 1), end=dt.date(2020, 1, 3)),
        validation=Window(start=dt.date(2020, 1, 3), end=dt.date(2020, 1, 4)),
        test=Window(start=dt.date(2020, 1, 4), end=dt.date(2020, 1, 5)),
    ),
    features={"weight": Column(type="numeric")},
    maximum_bytes=10**9,
)


@pytest.fixture(scope="module")
def clients(emulator: Emulator) -> Clients:
    """Clients of a place with a table of parcels: one an hour, two of them at the same time."""
    place = Place(
        project=PROJECT,
        location=LOCATION,
        bucket="parcels",
        dataset=fresh("ingest").replace("-", "_"),
        bigquery_location=LOCATION,
    )
    made = Clients(place, emulator.environment)
    bq.ensure_dataset(made.bigquery(), place)
    load(made, "parcels")
    return made


def load(clients: Clients, table: str) -> None:
    """The rows, in no order; the times of the last two are the same."""
    ids = [(7 * i) % HOURS for i in range(HOURS)]
    hours = [min(i, HOURS - 2) for i in ids]
    rows = pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "sent_at": pa.array([START + dt.timedelta(hours=hour) for hour in hours], pa.timestamp("us")),
            "weight": pa.array([None if i % 10 == 1 else float(i) for i in ids], pa.float64()),
            "day": pa.array([START.date()] * HOURS),
        }
    )
    kinds = ("INT64", "DATETIME", "FLOAT64", "DATE")
    schema = [bigquery.SchemaField(name, kind) for name, kind in zip(rows.column_names, kinds, strict=True)]
    bq.load_table(clients.bigquery(), bq.full_name(clients.place, table), rows, schema)


def tables(clients: Clients) -> set[str]:
    """The names of the dataset's tables."""
    return {table.table_id for table in clients.bigquery().list_tables(clients.place.dataset)}


def digests(folder: Path) -> dict[str, str]:
    """A digest of each file."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_each_split_has_the_rows_of_its_window_in_order(clients: Clients, tmp_path: Path) -> None:
    """Half-open windows, by time and then by key; and only the columns that the config declares."""
    summary = ingest(clients, "parcels", DATA, SQL, dataset=tmp_path)
    found = {split: read_split(tmp_path, split) for split in SPLITS}
    assert {split: rows.column("id").to_pylist() for split, rows in found.items()} == {
        "train": list(range(48)),
        "validation": list(range(48, 72)),
        "test": list(range(72, 96)),
    }
    assert found["train"].column_names == ["id", "sent_at", "heavy", "weight"]
    assert found["train"].column("weight").to_pylist()[:12] == [0.0, None, *map(float, range(2, 11)), None]
    assert read_summary(tmp_path) == summary
    test = summary.splits["test"]
    assert (test.rows, test.positives) == (24, 5)  # 75, 80, 85, 90, 95
    assert (test.start, test.end) == ("2020-01-04T00:00:00", "2020-01-04T22:00:00")


def test_the_training_rows_are_a_table_of_their_own(clients: Clients, tmp_path: Path) -> None:
    """What monitoring compares with is what training saw."""
    summary = ingest(clients, "parcels", DATA, SQL, dataset=tmp_path)
    assert bq.row_count(clients.bigquery(), summary.table) == HOURS
    batches = bq.read_table(clients.bigquery_read(), summary.training_table, columns=["id"])
    assert sorted(value for batch in batches for value in batch.column(0).to_pylist()) == list(range(48))


def test_two_runs_write_the_same_bytes(clients: Clients, tmp_path: Path) -> None:
    """The same query over the same tables: the same files, the same names of tables."""
    for run in ("one", "other"):
        ingest(clients, "parcels", DATA, SQL, dataset=tmp_path / run)
    assert digests(tmp_path / "one") == digests(tmp_path / "other")


def test_a_changed_source_makes_another_table(clients: Clients, tmp_path: Path) -> None:
    """The table of an earlier run stays as that run left it."""
    load(clients, "changing")
    data, sql = dataclasses.replace(DATA, tables=("changing",)), SQL.replace("{parcels}", "{changing}")
    before = ingest(clients, "parcels", data, sql, dataset=tmp_path / "before")
    load(clients, "changing")
    after = ingest(clients, "parcels", data, sql, dataset=tmp_path / "after")
    assert after.table != before.table
    assert after.source_changed > before.source_changed
    assert bq.row_count(clients.bigquery(), before.table) == HOURS


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT * FROM {letters}", r"line 1 of the query reads \{letters\}"),
        ("SELECT id, sent_at, wait, TRUE AS heavy FROM {parcels}", r"parcels\.sql: BigQuery refuses the query: .*wait"),
        ("SELECT id, sent_at, weight TRUE heavy FROM {parcels}", "BigQuery refuses the query"),
        (
            f"{SQL.replace('heavy', 'heavy, day, id AS again')}",
            r"gives \['day', 'again'\], which the config does not declare",
        ),
        ("SELECT 1", r"lists \['parcels'\], which the query does not read"),
    ],
)
def test_a_wrong_query_makes_nothing(clients: Clients, tmp_path: Path, sql: str, message: str) -> None:
    """A table or a column that is not there, a slip of the pen: told before anything is made."""
    before = tables(clients)
    with pytest.raises(DataError, match=message):
        ingest(clients, "wrong", DATA, sql, dataset=tmp_path / "dataset")
    assert tables(clients) == before
    assert not (tmp_path / "dataset").exists()


def test_a_table_that_is_not_there_is_named(clients: Clients, tmp_path: Path) -> None:
    """Listed in the config, absent in the dataset."""
    data = dataclasses.replace(DATA, tables=("letters",))
    with pytest.raises(DataError, match=r"there is no table .*\.letters: load it"):
        ingest(clients, "wrong", data, "SELECT * FROM {letters}", dataset=tmp_path)


def test_a_query_without_a_feature_is_told(clients: Clients, tmp_path: Path) -> None:
    """The message names query and column; no split is written."""
    sql = "SELECT id, sent_at, TRUE AS heavy FROM {parcels}"
    with pytest.raises(DataError, match=r"parcels\.sql does not give \['weight'\]"):
        ingest(clients, "wrong", DATA, sql, dataset=tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()


def test_an_empty_split_is_told(clients: Clients, tmp_path: Path) -> None:
    """The window lies where there is no row."""
    late = Window(start=dt.date(2021, 1, 1), end=dt.date(2021, 2, 1))
    data = dataclasses.replace(DATA, split=dataclasses.replace(DATA.split, test=late))
    with pytest.raises(DataError, match="no row of the query lies in the test split, 2021-01-01 up to 2021-02-01"):
        ingest(clients, "parcels", data, SQL, dataset=tmp_path)


def test_rows_without_a_time_are_told(clients: Clients, tmp_path: Path) -> None:
    """They would be in no split; the message says how many, and which. Nothing is written."""
    sql = SQL.replace("sent_at", "IF(id IN (3, 50), NULL, sent_at) AS sent_at")
    with pytest.raises(DataError, match=r"2 rows of the query parcels\.sql have no sent_at, such as \{'id': (3|50)\}"):
        ingest(clients, "timeless", DATA, sql, dataset=tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()


def test_rows_of_the_future_are_told(clients: Clients, tmp_path: Path) -> None:
    """Two hundred years ahead nobody knows how heavy a parcel is."""
    future = Window(start=dt.date(2220, 1, 4), end=dt.date(2220, 1, 5))
    data = dataclasses.replace(DATA, split=dataclasses.replace(DATA.split, test=future))
    ahead = "IF(id < 72, sent_at, DATETIME_ADD(sent_at, INTERVAL 73048 DAY)) AS sent_at"
    with pytest.raises(DataError, match=r"the test split has a row of 2220-01-04T22:00:00 in sent_at, but the source"):
        ingest(clients, "ahead", data, SQL.replace("sent_at", ahead), dataset=tmp_path)


def test_a_table_of_several_streams_is_read_whole(clients: Clients) -> None:
    """BigQuery gives a large table in as many streams as are asked for, and each row comes once."""
    count = 100_000
    table = bq.full_name(clients.place, "large")
    rows = pa.table({"id": pa.array(range(count), pa.int64()), "weight": pa.array([0.5] * count)})
    schema = [bigquery.SchemaField("id", "INT64"), bigquery.SchemaField("weight", "FLOAT64")]
    bq.load_table(clients.bigquery(), table, rows, schema)
    batches = list(bq.read_table(clients.bigquery_read(), table, columns=["id"], where="weight < 1", streams=1))
    streams = list(bq.read_table(clients.bigquery_read(), table, columns=["id", "weight"], streams=4))
    assert (len(batches), len(streams)) == (2, 4)
    for found in (batches, streams):
        assert sorted(value for batch in found for value in batch.column(0).to_pylist()) == list(range(count))


def test_a_reader_that_is_closed_early_is_no_error(clients: Clients) -> None:
    """Whoever needs but the first rows may stop there."""
    rows = bq.read_table(clients.bigquery_read(), bq.full_name(clients.place, "parcels"), columns=["id"])
    assert isinstance(rows, Generator)
    assert next(rows).num_rows
    rows.close()
