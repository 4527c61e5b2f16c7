"""The calls that mean the same on BigQuery and on its emulator; what the emulator cannot say is in recorded answers."""

# ruff: noqa: S608 - what is put into the queries are the names of the tests' own tables

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import bigquery

from plumbline.adapters import bigquery as bq
from plumbline.adapters.sample_data import load_sample_data, read_sample
from plumbline.adapters.storage import ensure_bucket
from plumbline.adapters.table_files import load_file
from plumbline.environment import Place
from plumbline.errors import DataError, ServiceError
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.recorded_bigquery import recorded
from tests.contract.vertex import fresh

SCHEMA = (bigquery.SchemaField("number", "INT64"), bigquery.SchemaField("name", "STRING"))
ROWS = pa.table({"name": ["a", "b", None], "number": pa.array([1, 2, 3], pa.int64())})
LIMIT = 10**9


@pytest.fixture(scope="module")
def place(emulator: Emulator) -> Place:
    """A place with a dataset of this module's own."""
    made = Place(
        project=PROJECT,
        location=LOCATION,
        bucket=fresh("adapter"),
        dataset=fresh("adapter").replace("-", "_"),
        bigquery_location=LOCATION,
    )
    bq.ensure_dataset(emulator.bigquery(), made)
    return made


def loaded(emulator: Emulator, place: Place, name: str, rows: pa.Table = ROWS) -> str:
    """A table of these rows."""
    table = bq.full_name(place, name)
    bq.load_table(emulator.bigquery(), table, rows, SCHEMA)
    return table


def read(emulator: Emulator, table: str, columns: Sequence[str], where: str = "") -> list[tuple[object, ...]]:
    """The rows of a table, in order."""
    batches = bq.read_table(emulator.bigquery_read(), table, columns=columns, where=where)
    return sorted(tuple(row[name] for name in columns) for batch in batches for row in batch.to_pylist())


def test_making_a_dataset_again_is_no_error(emulator: Emulator, place: Place) -> None:
    """It is there, where the place says."""
    bq.ensure_dataset(emulator.bigquery(), place)
    assert emulator.bigquery().get_dataset(place.dataset).location == LOCATION


def test_making_a_bucket_again_is_no_error(emulator: Emulator, place: Place) -> None:
    """It is there, in the place's region."""
    client = emulator.storage()
    ensure_bucket(client, place)
    ensure_bucket(client, place)
    assert client.get_bucket(place.bucket).location == LOCATION.upper()


def test_columns_are_loaded_by_their_names(emulator: Emulator, place: Place) -> None:
    """The rows' columns stand in another order than the schema's, and still get where they belong."""
    table = loaded(emulator, place, "by_name")
    assert read(emulator, table, ["number"], "name IS NOT NULL") == [(1,), (2,)]
    assert bq.column_names(emulator.bigquery(), table) == ["number", "name"]
    assert bq.row_count(emulator.bigquery(), table) == 3


def test_a_load_replaces_rows_and_schema(emulator: Emulator, place: Place) -> None:
    """Nothing of what was there before is left."""
    table = loaded(emulator, place, "replaced")
    rows = pa.table({"price": [0.5]})
    bq.load_table(emulator.bigquery(), table, rows, [bigquery.SchemaField("price", "FLOAT64")])
    assert bq.column_names(emulator.bigquery(), table) == ["price"]
    assert read(emulator, table, ["price"]) == [(0.5,)]


def test_a_table_that_is_not_there_has_no_rows(emulator: Emulator, place: Place) -> None:
    """Counting is how one asks whether it is there."""
    assert bq.row_count(emulator.bigquery(), bq.full_name(place, "nowhere")) == 0


def test_a_query_becomes_a_table(emulator: Emulator, place: Place) -> None:
    """It replaces what an earlier query made under the name."""
    source, table = loaded(emulator, place, "source"), bq.full_name(place, "made")
    client = emulator.bigquery()
    bq.materialise(client, f"SELECT * FROM `{source}`", table, maximum_bytes=LIMIT, labels={})
    made = bq.materialise(client, f"SELECT number * 2 AS twice FROM `{source}`", table, maximum_bytes=LIMIT, labels={})
    assert made.table == table
    assert read(emulator, table, ["twice"]) == [(2,), (4,), (6,)]
    with pytest.raises(ServiceError, match="made"):
        read(emulator, table, ["number"])


@pytest.mark.parametrize(
    ("sql", "named"), [("SELECT 1 AS x FROM `{d}.absent`", "absent"), ("SELECT no_such FROM `{d}.asked`", "no_such")]
)
def test_a_query_that_cannot_run_makes_nothing(emulator: Emulator, place: Place, sql: str, named: str) -> None:
    """An absent table or column is named, both when asked about and when run, and the table before stays."""
    loaded(emulator, place, "asked")
    table, client = loaded(emulator, place, "kept"), emulator.bigquery()
    query = sql.format(d=f"{place.project}.{place.dataset}")
    with pytest.raises(DataError, match=f"BigQuery refuses the query: .*{named}"):
        bq.query_bytes(client, query)
    with pytest.raises(DataError, match=f"BigQuery refuses the query: .*{named}"):
        bq.materialise(client, query, table, maximum_bytes=LIMIT, labels={})
    assert bq.row_count(client, table) == 3


def test_reading_what_is_not_there_is_told(emulator: Emulator, place: Place) -> None:
    """The message names the table."""
    with pytest.raises(ServiceError, match=r"reading .*\.nowhere"):
        read(emulator, bq.full_name(place, "nowhere"), ["number"])


def test_the_source_s_version_moves_with_its_tables(emulator: Emulator, place: Place) -> None:
    """It stays as long as nothing changes, and moves when any of the tables does."""
    loaded(emulator, place, "one")
    loaded(emulator, place, "other")
    client = emulator.bigquery()
    before = bq.source_version(client, place, ["one", "other"])
    changed = bq.last_change(client, place, ["one", "other"])
    assert bq.source_version(client, place, ["one", "other"]) == before
    loaded(emulator, place, "other", ROWS.slice(0, 2))
    assert bq.source_version(client, place, ["one", "other"]) != before
    assert bq.last_change(client, place, ["one", "other"]) > changed
    assert dt.datetime.fromisoformat(changed).tzinfo is not None


def test_a_source_that_is_not_there_is_named(emulator: Emulator, place: Place) -> None:
    """The message says what to do."""
    with pytest.raises(DataError, match=r"there is no table .*\.nowhere: load it, or correct data.tables"):
        bq.source_version(emulator.bigquery(), place, ["nowhere"])


def test_a_view_is_no_source(emulator: Emulator, place: Place) -> None:
    """What it reads would change without a trace."""
    table, client = loaded(emulator, place, "viewed"), emulator.bigquery()
    client.query(f"CREATE VIEW `{bq.full_name(place, 'a_view')}` AS SELECT * FROM `{table}`").result(timeout=60)
    with pytest.raises(DataError, match=r"a_view is a VIEW: list the tables that it reads"):
        bq.source_version(client, place, ["a_view"])


def test_a_query_may_read_as_much_as_its_limit() -> None:
    """The limit itself is allowed, and is sent along, so that BigQuery keeps it too; job and table carry the labels."""
    labels = {"environment": "dev", "problem": "flights"}
    with recorded(estimate=5_000_000) as service:
        made = bq.materialise(service.client, "SELECT 1 AS x", "p.d.t", maximum_bytes=5_000_000, labels=labels)
    (job,) = service.jobs(dry=False)
    assert made.bytes_processed == 5_000_000
    assert job["query"]["maximumBytesBilled"] == "5000000"
    options = "OPTIONS(labels=[('environment', 'dev'), ('problem', 'flights')])"
    assert job["query"]["query"] == f"CREATE OR REPLACE TABLE `p.d.t` {options} AS\nSELECT 1 AS x"
    assert job["labels"] == labels


def test_a_table_for_a_while_expires_where_nobody_is_left_to_remove_it() -> None:
    """A day later, for whoever is killed meanwhile; otherwise it is removed, and so it is where what uses it fails."""
    with (
        recorded(estimate=0) as service,
        pytest.raises(ZeroDivisionError),
        bq.scratch(service.client, "SELECT 1 AS x", "p.d.t", maximum_bytes=9, labels={"kind": "test"}),
    ):
        raise ZeroDivisionError
    (job,) = service.jobs(dry=False)
    end = "expiration_timestamp=TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 1 DAY)"
    assert f"OPTIONS(labels=[('kind', 'test')], {end})" in job["query"]["query"]
    assert [path.rpartition("/projects/")[2] for path in service.deleted] == ["p/datasets/d/tables/t"]


def test_a_query_that_would_read_more_is_not_run() -> None:
    """One byte too many: it was asked about, and that is all."""
    with (
        recorded(estimate=5_000_001) as service,
        pytest.raises(DataError, match=r"would read 5,000,001 bytes, data.maximum_bytes allows 5,000,000"),
    ):
        bq.materialise(service.client, "SELECT 1 AS x", "p.d.t", maximum_bytes=5_000_000, labels={})
    assert len(service.jobs(dry=True)) == 1
    assert not service.jobs(dry=False)


def test_a_query_that_bills_more_than_it_reads_is_told() -> None:
    """BigQuery bills 10 MB a table at least, which a dry run does not say, and stops the query itself."""
    message = "Query exceeded limit for bytes billed: 5000000. 10485760 or higher required."
    error = {"reason": "bytesBilledLimitExceeded", "message": message}
    with recorded(estimate=10, error=error) as service, pytest.raises(DataError, match="10485760 or higher required"):
        bq.materialise(service.client, "SELECT 1 AS x", "p.d.t", maximum_bytes=5_000_000, labels={})


def test_a_query_too_large_is_the_query_s_fault() -> None:
    """It is a DataError: another query would help, asking again would not."""
    error = {"reason": "resourcesExceeded", "message": "Resources exceeded during query execution"}
    with recorded(estimate=10, error=error) as service, pytest.raises(DataError, match="Resources exceeded"):
        bq.materialise(service.client, "SELECT 1 AS x", "p.d.t", maximum_bytes=100, labels={})


def test_a_job_that_somebody_stops_is_not_the_query_s_fault() -> None:
    """It is a ServiceError: asking again may help."""
    error = {"reason": "stopped", "message": "Job execution was cancelled"}
    with recorded(estimate=10, error=error) as service, pytest.raises(ServiceError, match="was cancelled"):
        bq.materialise(service.client, "SELECT 1 AS x", "p.d.t", maximum_bytes=100, labels={})


def test_a_file_becomes_a_table(emulator: Emulator, place: Place, tmp_path: Path) -> None:
    """Parquet keeps its types; nanoseconds, as pandas writes them, become BigQuery's microseconds."""
    moment = dt.datetime(2020, 1, 1, 12, 30, 0, 5)  # noqa: DTZ001 - a wall clock
    rows = pa.table(
        {
            "at": pa.array([moment], pa.timestamp("ns")),
            "sent": pa.array([moment], pa.timestamp("ms", "UTC")),
            "day": [moment.date()],
            "count": pa.array([7], pa.int32()),
            "share": pa.array([0.5], pa.float32()),
            "ok": [True],
        }
    )
    pq.write_table(rows, tmp_path / "rows.parquet")
    assert load_file(emulator.bigquery(), place, "from_parquet", tmp_path / "rows.parquet") == 1
    found = emulator.bigquery().get_table(bq.full_name(place, "from_parquet")).schema
    assert [str(field.to_standard_sql().type.type_kind).rpartition(".")[2] for field in found] == [
        "DATETIME", "TIMESTAMP", "DATE", "INT64", "FLOAT64", "BOOL",
    ]  # fmt: skip
    assert read(emulator, bq.full_name(place, "from_parquet"), ["at", "count"]) == [(moment, 7)]


def test_a_csv_file_becomes_a_table(emulator: Emulator, place: Place, tmp_path: Path) -> None:
    """Types are those that its values have; an empty number is missing."""
    (tmp_path / "rows.csv").write_text("name,price,at\nx,1.5,2020-01-01 12:00:00\ny,,2020-01-02 00:00:00\n")
    assert load_file(emulator.bigquery(), place, "from_csv", tmp_path / "rows.csv") == 2
    found = read(emulator, bq.full_name(place, "from_csv"), ["name", "price", "at"])
    assert found == [("x", 1.5, dt.datetime(2020, 1, 1, 12)), ("y", None, dt.datetime(2020, 1, 2))]  # noqa: DTZ001 - wall clocks


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.csv", None, "there is no file"),
        ("rows.xlsx", b"x", r"wanted a .parquet or .csv file, got '.xlsx'"),
        ("rows.parquet", b"not Parquet at all", "cannot be read"),
        ("rows.csv", b"a,b\n1,2\n3\n", "cannot be read"),
    ],
)
def test_a_file_that_is_no_table_is_told(
    emulator: Emulator, place: Place, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    """Not there, another kind, broken: each has its message, and nothing is loaded."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_file(emulator.bigquery(), place, "from_nothing", tmp_path / name)
    assert bq.row_count(emulator.bigquery(), bq.full_name(place, "from_nothing")) == 0


def test_a_type_that_is_not_known_is_named(emulator: Emulator, place: Place, tmp_path: Path) -> None:
    """A nested column has no place in a table of features."""
    pq.write_table(pa.table({"tags": [["a", "b"]]}), tmp_path / "rows.parquet")
    with pytest.raises(DataError, match="the column tags is list"):
        load_file(emulator.bigquery(), place, "nested", tmp_path / "rows.parquet")


def test_sample_data_is_loaded_once(emulator: Emulator, place: Place) -> None:
    """The second time there is nothing to do; a table of one's own under such a name is left alone."""
    client = emulator.bigquery()
    loaded(emulator, place, "planes")
    assert load_sample_data(client, place, only=["airports", "planes"]) == {"airports": 1458}
    before = bq.source_version(client, place, ["airports", "planes"])
    assert not load_sample_data(client, place, only=["airports", "planes"])
    assert bq.source_version(client, place, ["airports", "planes"]) == before
    assert bq.row_count(client, bq.full_name(place, "planes")) == 3


def test_sample_data_has_its_declared_types(emulator: Emulator, place: Place) -> None:
    """What NA says is missing, and the times of the weather are in UTC."""
    load_sample_data(emulator.bigquery(), place, only=["weather"])
    table = bq.full_name(place, "weather")
    assert bq.row_count(emulator.bigquery(), table) == 26_115
    first = read(emulator, table, ["origin", "temp", "wind_gust", "time_hour"], "month = 1 AND day = 1 AND hour = 1")
    start = dt.datetime(2013, 1, 1, 6, tzinfo=dt.UTC)
    assert first == [("EWR", 39.02, None, start), ("JFK", 39.02, None, start), ("LGA", 39.92, 23.0156, start)]


def test_the_flights_are_those_of_the_package() -> None:
    """336,776 flights, of which 327,346 arrived."""
    flights = read_sample("flights")
    assert flights.num_rows == 336_776
    assert flights.num_rows - flights.column("arr_delay").null_count == 327_346
