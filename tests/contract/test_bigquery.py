"""What Plumbline relies on of BigQuery, no more: on the emulator, and meant to hold on the service too."""

# ruff: noqa: S608 - what is put into the queries are the names of the tests' own tables

import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.api_core import exceptions
from google.cloud import bigquery, bigquery_storage_v1
from google.cloud.bigquery_storage_v1 import types

if TYPE_CHECKING:
    from tests.contract.conftest import Emulator

# One trip a row: two taxis, distances that are easy to add, one missing value in each column that may have one.
SCHEMA = (
    bigquery.SchemaField("trip", "STRING", "REQUIRED"),
    bigquery.SchemaField("taxi", "INT64"),
    bigquery.SchemaField("left", "TIMESTAMP"),
    bigquery.SchemaField("day", "DATE"),
    bigquery.SchemaField("clock", "DATETIME"),
    bigquery.SchemaField("miles", "FLOAT64"),
    bigquery.SchemaField("paid", "BOOL"),
)
START = datetime(2024, 1, 1, 12, tzinfo=UTC)
ROWS = pa.table(
    {
        "trip": ["a", "b", "c", "d"],
        "taxi": pa.array([1, 2, 1, None], pa.int64()),
        "left": pa.array([START + timedelta(hours=hour) for hour in range(4)], pa.timestamp("us", tz="UTC")),
        "day": pa.array([START.date()] * 4, pa.date32()),
        "clock": pa.array([datetime(2024, 1, 1, hour) for hour in range(4)], pa.timestamp("us")),  # noqa: DTZ001 - a wall clock has no zone
        "miles": pa.array([1.0, 2.0, 4.0, None], pa.float64()),
        "paid": pa.array([True, False, None, True], pa.bool_()),
    }
)


@pytest.fixture(scope="module")
def client(emulator: "Emulator") -> Iterator[bigquery.Client]:
    """BigQuery's client."""
    with emulator.bigquery() as opened:
        yield opened


@pytest.fixture(scope="module")
def reader(emulator: "Emulator") -> bigquery_storage_v1.BigQueryReadClient:
    """The Storage Read API's client."""
    return emulator.bigquery_read()


@pytest.fixture(scope="module")
def dataset(client: bigquery.Client) -> str:
    """A dataset of this module's own."""
    made = bigquery.Dataset(f"{client.project}.contract_{uuid4().hex[:8]}")
    made.location = "us-central1"
    client.create_dataset(made)
    return f"{made.project}.{made.dataset_id}"


@pytest.fixture(scope="module")
def trips(client: bigquery.Client, dataset: str) -> str:
    """The table of trips."""
    return load(client, f"{dataset}.trips", ROWS, SCHEMA)


def load(client: bigquery.Client, table: str, rows: pa.Table, schema: Sequence[bigquery.SchemaField]) -> str:
    """Makes a table with its schema, then loads Parquet whose columns are in the order of the schema."""
    client.create_table(bigquery.Table(table, schema=list(schema)))
    content = io.BytesIO()
    pq.write_table(rows, content)
    content.seek(0)
    config = bigquery.LoadJobConfig(
        source_format=bigquery.SourceFormat.PARQUET, schema=list(schema), write_disposition="WRITE_APPEND"
    )
    client.load_table_from_file(content, table, job_config=config).result(timeout=60)
    return table


def kind(field: bigquery.SchemaField) -> object:
    """The type of a column, whichever of its two names it is called by."""
    return field.to_standard_sql().type.type_kind


def query(client: bigquery.Client, sql: str, *parameters: bigquery.ScalarQueryParameter) -> list[tuple[object, ...]]:
    """The rows that a query gives."""
    config = bigquery.QueryJobConfig(query_parameters=list(parameters))
    return [tuple(row.values()) for row in client.query(sql, job_config=config).result(timeout=60)]


def read(
    reader: bigquery_storage_v1.BigQueryReadClient,
    table: str,
    *,
    columns: Sequence[str] = (),
    where: str = "",
    streams: int = 1,
) -> tuple[pa.Table, int]:
    """A table's rows by the Storage Read API, and how many streams they came in."""
    project, dataset_id, table_id = table.split(".")
    options = types.ReadSession.TableReadOptions(selected_fields=list(columns), row_restriction=where)
    wanted = types.ReadSession(
        table=f"projects/{project}/datasets/{dataset_id}/tables/{table_id}",
        data_format=types.DataFormat.ARROW,
        read_options=options,
    )
    session = reader.create_read_session(parent=f"projects/{project}", read_session=wanted, max_stream_count=streams)
    schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))
    batches = [
        pa.ipc.read_record_batch(pa.py_buffer(response.arrow_record_batch.serialized_record_batch), schema)
        for stream in session.streams
        for response in reader.read_rows(stream.name)
    ]
    return pa.Table.from_batches(batches, schema), len(session.streams)


def test_a_loaded_table_has_the_declared_schema(client: bigquery.Client, trips: str) -> None:
    """Names, types and modes are the declared ones, in order; the service says INTEGER where INT64 was declared."""
    found = client.get_table(trips).schema
    assert [(field.name, field.mode) for field in found] == [(field.name, field.mode) for field in SCHEMA]
    assert [kind(field) for field in found] == [kind(field) for field in SCHEMA]


def test_a_table_says_how_big_it_is_and_when_it_changed(client: bigquery.Client, dataset: str) -> None:
    """A table that is deleted, made and loaded again has another `modified`, also when the rows are the same ones.

    On the emulator, num_bytes is 0, and a load into a table that is there leaves `modified` alone.
    """
    before = datetime.now(UTC) - timedelta(seconds=1)
    table = load(client, f"{dataset}.sizes", ROWS, SCHEMA)
    first = client.get_table(table)
    assert first.num_rows == 4
    assert isinstance(first.num_bytes, int)
    assert before <= first.modified <= datetime.now(UTC) + timedelta(seconds=1)
    client.delete_table(table)
    second = client.get_table(load(client, table, ROWS, SCHEMA))
    assert second.num_rows == 4
    assert second.modified > first.modified


def test_a_replaced_table_has_the_result_of_its_query(client: bigquery.Client, dataset: str, trips: str) -> None:
    """CREATE OR REPLACE TABLE AS makes the table, and replaces rows and schema; `modified` moves."""
    table = f"{dataset}.made"
    query(client, f"CREATE OR REPLACE TABLE `{table}` AS SELECT trip, miles FROM `{trips}`")
    first = client.get_table(table)
    assert first.num_rows == 4
    query(client, f"CREATE OR REPLACE TABLE `{table}` AS SELECT taxi FROM `{trips}` WHERE taxi = 1")
    second = client.get_table(table)
    assert [(field.name, kind(field)) for field in second.schema] == [("taxi", kind(SCHEMA[1]))]
    assert second.num_rows == 2
    assert second.modified > first.modified


def test_a_query_after_a_change_sees_the_change(client: bigquery.Client, dataset: str) -> None:
    """The same text gives the new rows, not those of a cache."""
    table = f"{dataset}.changing"
    query(client, f"CREATE OR REPLACE TABLE `{table}` AS SELECT 1 AS x")
    assert query(client, f"SELECT x FROM `{table}`") == [(1,)]
    query(client, f"CREATE OR REPLACE TABLE `{table}` AS SELECT 2 AS x")
    assert query(client, f"SELECT x FROM `{table}`") == [(2,)]


def test_values_come_in_by_parameters(client: bigquery.Client, trips: str) -> None:
    """Named parameters of each type that queries use; an array for IN."""
    sql = f"""
        SELECT trip FROM `{trips}`
        WHERE `left` >= @since AND day = @day AND miles < @most AND taxi IN UNNEST(@taxis) AND trip != @trip
    """
    found = query(
        client,
        sql,
        bigquery.ScalarQueryParameter("since", "TIMESTAMP", START),
        bigquery.ScalarQueryParameter("day", "DATE", START.date()),
        bigquery.ScalarQueryParameter("most", "FLOAT64", 4.0),
        bigquery.ArrayQueryParameter("taxis", "INT64", [1, 2]),
        bigquery.ScalarQueryParameter("trip", "STRING", "a"),
    )
    assert found == [("b",)]


def test_a_window_looks_back_within_its_partition(client: bigquery.Client, trips: str) -> None:
    """LAG and LAST_VALUE IGNORE NULLS by taxi in the order of time; a range frame of two hours over all."""
    sql = f"""
        SELECT
          trip,
          LAG(miles) OVER (PARTITION BY taxi ORDER BY `left`),
          LAST_VALUE(paid IGNORE NULLS) OVER
            (ORDER BY `left` ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
          SUM(miles) OVER (ORDER BY UNIX_SECONDS(`left`) RANGE BETWEEN 7200 PRECEDING AND 1 PRECEDING)
        FROM `{trips}`
        ORDER BY trip
    """
    assert query(client, sql) == [
        ("a", None, True, None),
        ("b", None, False, 1.0),
        ("c", 1.0, False, 3.0),
        ("d", None, True, 6.0),
    ]


def test_a_join_keeps_rows_without_a_partner(client: bigquery.Client, trips: str) -> None:
    """A common table expression, a left join by two columns, and an aggregate."""
    sql = f"""
        WITH taxis AS (SELECT taxi, day, SUM(miles) AS miles FROM `{trips}` GROUP BY taxi, day)
        SELECT trip, taxis.miles FROM `{trips}` LEFT JOIN taxis USING (taxi, day) ORDER BY trip
    """
    assert query(client, sql) == [("a", 5.0), ("b", 2.0), ("c", 5.0), ("d", None)]


def test_times_are_taken_apart_as_on_the_service(client: bigquery.Client, trips: str) -> None:
    """Hour and weekday (1 is Sunday) in UTC and in a zone; differences; truncation. 1 January 2024 was a Monday."""
    sql = f"""
        SELECT
          EXTRACT(HOUR FROM `left`), EXTRACT(HOUR FROM `left` AT TIME ZONE 'America/New_York'),
          EXTRACT(DAYOFWEEK FROM day), EXTRACT(MONTH FROM clock),
          TIMESTAMP_DIFF(TIMESTAMP '2024-01-01 13:30:00+00', `left`, MINUTE),
          TIMESTAMP_TRUNC(`left`, DAY) = TIMESTAMP '2024-01-01 00:00:00+00',
          DATETIME_DIFF(DATETIME '2024-01-01 01:00:00', clock, MINUTE),
          DATETIME(2024, 1, 1, 0, 0, 0) = clock
        FROM `{trips}` WHERE trip = 'a'
    """
    assert query(client, sql) == [(12, 7, 2, 1, 90, True, 60, True)]


def test_storage_read_gives_a_table_as_arrow(reader: bigquery_storage_v1.BigQueryReadClient, trips: str) -> None:
    """Every type and every missing value comes out as it went in."""
    found, _ = read(reader, trips)
    assert found.sort_by("trip").cast(ROWS.schema) == ROWS


def test_storage_read_gives_the_selected_columns_of_the_wanted_rows(
    reader: bigquery_storage_v1.BigQueryReadClient, trips: str
) -> None:
    """The restriction may name a column that is not selected."""
    found, _ = read(reader, trips, columns=["trip", "miles"], where="taxi = 1 AND day >= '2024-01-01'")
    assert set(found.column_names) == {"trip", "miles"}
    assert sorted(zip(*found.select(["trip", "miles"]).to_pydict().values(), strict=True)) == [("a", 1.0), ("c", 4.0)]


def test_storage_read_gives_each_row_once_over_several_streams(
    client: bigquery.Client, reader: bigquery_storage_v1.BigQueryReadClient, dataset: str
) -> None:
    """The streams of a session share the rows out; wide rows come in messages beyond gRPC's 4 MB."""
    count = 40_000
    ids = pa.array(range(count), pa.int64())
    rows = pa.table({"id": ids, "text": pa.array(["x" * 1000] * count)})
    schema = (bigquery.SchemaField("id", "INT64"), bigquery.SchemaField("text", "STRING"))
    found, streams = read(reader, load(client, f"{dataset}.wide", rows, schema), streams=4)
    assert 1 <= streams <= 4
    assert found.num_rows == count
    assert sorted(found["id"].to_pylist()) == list(range(count))


def test_storage_read_gives_an_empty_table(
    client: bigquery.Client, reader: bigquery_storage_v1.BigQueryReadClient, dataset: str
) -> None:
    """No rows is no error."""
    table = load(client, f"{dataset}.empty", ROWS.slice(0, 0), SCHEMA)
    found, _ = read(reader, table)
    assert found.num_rows == 0


def test_a_missing_table_is_named(client: bigquery.Client, dataset: str) -> None:
    """A query, and a look at the table, both say which table is not there."""
    with pytest.raises(exceptions.NotFound, match="nowhere"):
        query(client, f"SELECT 1 FROM `{dataset}.nowhere`")
    with pytest.raises(exceptions.NotFound, match="nowhere"):
        client.get_table(f"{dataset}.nowhere")


def test_storage_read_of_a_missing_table_is_an_error(
    reader: bigquery_storage_v1.BigQueryReadClient, dataset: str
) -> None:
    """The session is refused."""
    with pytest.raises(exceptions.NotFound):
        read(reader, f"{dataset}.nowhere")


def test_a_missing_column_is_named(client: bigquery.Client, trips: str) -> None:
    """The query is a bad request whose message names the column."""
    with pytest.raises(exceptions.BadRequest, match="nothing_like_it"):
        query(client, f"SELECT nothing_like_it FROM `{trips}`")


def test_a_dry_run_finds_what_is_wrong(client: bigquery.Client, dataset: str, trips: str) -> None:
    """It refuses what the query would be refused for, and makes no table; on the emulator it says 0 bytes."""
    config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False)
    job = client.query(f"SELECT trip FROM `{trips}`", job_config=config)
    assert isinstance(job.total_bytes_processed, int)
    with pytest.raises(exceptions.NotFound, match="nowhere"):
        client.query(f"SELECT 1 FROM `{dataset}.nowhere`", job_config=config)
    with pytest.raises(exceptions.BadRequest, match="nothing_like_it"):
        client.query(f"SELECT nothing_like_it FROM `{trips}`", job_config=config)
    client.query(f"CREATE OR REPLACE TABLE `{dataset}.dry` AS SELECT 1 AS x", job_config=config)
    with pytest.raises(exceptions.NotFound):
        client.get_table(f"{dataset}.dry")


def test_a_stream_is_read_from_an_offset(reader: bigquery_storage_v1.BigQueryReadClient, trips: str) -> None:
    """Where a call broke off, the next one goes on: no row comes twice, and at the end there is none."""
    project, dataset_id, table_id = trips.split(".")
    wanted = types.ReadSession(
        table=f"projects/{project}/datasets/{dataset_id}/tables/{table_id}", data_format=types.DataFormat.ARROW
    )
    session = reader.create_read_session(parent=f"projects/{project}", read_session=wanted, max_stream_count=1)
    (stream,) = session.streams
    first = next(iter(reader.read_rows(stream.name, 1)))
    assert first.row_count == 3
    assert sum(response.row_count for response in reader.read_rows(stream.name, 3)) == 1


def test_a_deleted_table_is_gone(client: bigquery.Client, dataset: str) -> None:
    """Deleting twice is no error if that is asked for; the name can be used again with another schema."""
    table = f"{dataset}.gone"
    load(client, table, ROWS, SCHEMA)
    client.delete_table(table, not_found_ok=True)
    client.delete_table(table, not_found_ok=True)
    with pytest.raises(exceptions.NotFound):
        client.get_table(table)
    load(client, table, ROWS.select(["trip"]), SCHEMA[:1])
    assert client.get_table(table).num_rows == 4
