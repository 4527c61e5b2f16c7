"""BigQuery, through the three calls that mean the same on the service and on its emulator.

`load_table` makes the table with its schema first and loads Parquet in the order of its columns; `materialise` is
CREATE OR REPLACE TABLE AS, since the emulator ignores a job's destination; `read_table` reads a named table by the
Storage Read API, since the anonymous result of a query cannot be read that way there.
"""

import datetime as dt
import hashlib
import io
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from google.api_core import exceptions
from google.cloud import bigquery, bigquery_storage_v1

from plumbline.adapters.operations import service_errors
from plumbline.adapters.retries import PATIENCE, patience_of
from plumbline.environment import Place
from plumbline.errors import DataError, ServiceError
from plumbline.streams import together

_TIMEOUT_S = 1800.0
Parameters = Mapping[str, str | dt.datetime]
"""Values of a query's parameters by their names: STRING and TIMESTAMP."""
_NONE: Parameters = {}


@dataclass(frozen=True, slots=True)
class Made:
    """A table that a query made."""

    table: str
    bytes_processed: int


def full_name(place: Place, table: str) -> str:
    """project.dataset.table."""
    return f"{place.project}.{place.dataset}.{table}"


def source_version(client: bigquery.Client, place: Place, tables: Sequence[str]) -> str:
    """A digest of the state of the source tables: the same as long as none of them changes.

    Raises:
        DataError: A table is not there, or is a view.
    """
    digest = hashlib.sha256()
    for table in tables:
        found = _source(client, full_name(place, table))
        digest.update(f"{found.full_table_id} {found.modified.isoformat()} {found.num_rows}\n".encode())
    return digest.hexdigest()


def last_change(client: bigquery.Client, place: Place, tables: Sequence[str]) -> str:
    """When the source table that changed last did so, ISO 8601.

    Raises:
        DataError: A table is not there, or is a view.
    """
    return max(_source(client, full_name(place, table)).modified for table in tables).isoformat()


def column_names(client: bigquery.Client, table: str) -> Sequence[str]:
    """The columns of a table, in order."""
    return [field.name for field in _table(client, table).schema]


def result_columns(client: bigquery.Client, sql: str, parameters: Parameters = _NONE) -> Sequence[str]:
    """The columns that a query would give, in order, by a dry run, which costs nothing.

    Raises:
        DataError: BigQuery refuses the query; the message is its own.
    """
    config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False, query_parameters=_given(parameters))
    with _query_errors():
        # An emulator runs what it is asked about; without rows that takes no time.
        limited = f"SELECT * FROM (\n{sql.rstrip().removesuffix(';')}\n) LIMIT 0"  # noqa: S608 - the config's own query
        job = client.query(limited, job_config=config)
        return [field.name for field in job.schema or ()]


def query_bytes(client: bigquery.Client, sql: str, parameters: Parameters = _NONE) -> int:
    """How many bytes a query would read, by a dry run, which also finds absent tables and columns, and costs nothing.

    Raises:
        DataError: BigQuery refuses the query; the message is its own.
    """
    config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False, query_parameters=_given(parameters))
    with _query_errors():
        return int(client.query(sql, job_config=config).total_bytes_processed or 0)


def check_bytes(found: int, maximum: int) -> None:
    """Nothing, when a query reads no more than it may.

    Raises:
        DataError: It reads more.
    """
    if found > maximum:
        raise DataError(
            f"the query would read {found:,} bytes, data.maximum_bytes allows {maximum:,}: "
            "narrow the query, partition the tables, or raise the limit"
        )


def creation(sql: str, table: str, *, labels: Mapping[str, str], expires: bool = False) -> str:
    """The statement that makes a table of a query's result, which is gone after a day where it expires.

    It is what is asked how much it would read, and not the query: to answer for a SELECT, the emulator runs it.
    """
    listed = ", ".join(f"('{name}', '{value}')" for name, value in labels.items())
    end = ", expiration_timestamp=TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 1 DAY)" if expires else ""
    return f"CREATE OR REPLACE TABLE `{table}` OPTIONS(labels=[{listed}]{end}) AS\n{sql}"


def materialise(  # noqa: PLR0913 - the query, where its result goes, and its limits
    client: bigquery.Client,
    sql: str,
    table: str,
    *,
    maximum_bytes: int,
    labels: Mapping[str, str],
    parameters: Parameters = _NONE,
) -> Made:
    """The result of a query as a table, with labels, that replaces one of the same name.

    Raises:
        DataError: The query is refused, or would read more than `maximum_bytes`.
        ServiceError: BigQuery fails.
    """
    statement = creation(sql, table, labels=labels)
    read = execute(client, statement, maximum_bytes=maximum_bytes, labels=labels, parameters=parameters)
    return Made(table, read)


@contextmanager
def scratch(
    client: bigquery.Client, sql: str, table: str, *, maximum_bytes: int, labels: Mapping[str, str]
) -> Iterator[str]:
    """The result of a query as a table that is there as long as the context lasts; after a kill it expires.

    Raises:
        DataError: The query is refused, or would read more than `maximum_bytes`.
        ServiceError: BigQuery fails.
    """
    try:
        statement = creation(sql, table, labels=labels, expires=True)
        execute(client, statement, maximum_bytes=maximum_bytes, labels=labels)
        yield table
    finally:
        with service_errors(f"removing {table}"):
            client.delete_table(table, not_found_ok=True)


def execute(  # noqa: PLR0913 - the statement, and its limits
    client: bigquery.Client,
    statement: str,
    *,
    maximum_bytes: int,
    labels: Mapping[str, str],
    parameters: Parameters = _NONE,
    dearness: int = 1,
) -> int:
    """How many bytes a statement has read, after it was carried out.

    Args:
        client: Of BigQuery.
        statement: In SQL.
        maximum_bytes: That it may read.
        labels: Of its job.
        parameters: Of the statement.
        dearness: What a byte of this kind of statement costs, in bytes of a query: so many may be billed for each.

    Raises:
        DataError: It is refused, or would read more than `maximum_bytes`.
        NotOfferedError: It is of a kind that this BigQuery does not have.
        ServiceError: BigQuery fails.
    """
    check_bytes(query_bytes(client, statement, parameters), maximum_bytes)
    config = bigquery.QueryJobConfig(
        maximum_bytes_billed=maximum_bytes * dearness, labels=dict(labels), query_parameters=_given(parameters)
    )
    with _query_errors():
        job = client.query(statement, job_config=config)
        job.result(timeout=_TIMEOUT_S)
    return int(job.total_bytes_processed or 0)


def fetch(
    client: bigquery.Client, sql: str, *, maximum_bytes: int, labels: Mapping[str, str], parameters: Parameters = _NONE
) -> Sequence[Mapping[str, object]]:
    """The rows of a query that gives few of them.

    Raises:
        DataError: The query is refused, or would read more than `maximum_bytes`.
        ServiceError: BigQuery fails.
    """
    config = bigquery.QueryJobConfig(
        maximum_bytes_billed=maximum_bytes, labels=dict(labels), query_parameters=_given(parameters)
    )
    with _query_errors():
        return [dict(row) for row in client.query(sql, job_config=config).result(timeout=_TIMEOUT_S)]


def read_table(
    reader: bigquery_storage_v1.BigQueryReadClient,
    table: str,
    *,
    columns: Sequence[str],
    where: str = "",
    streams: int = 2,
) -> Iterator[pa.RecordBatch]:
    """The rows of a table as Arrow batches, by the Storage Read API; their order is not defined.

    All streams are read at the same time, each no more than a batch ahead of what is done with the rows.

    Args:
        reader: The Storage Read client; its patience says how long to ask again, and to wait for the next rows.
        table: project.dataset.table.
        columns: Which columns.
        where: A condition in SQL; empty for all rows.
        streams: How many streams to ask for.

    Raises:
        ServiceError: There is no such table or column, BigQuery fails, or a stream stalls.
    """
    project, dataset, name = table.split(".")
    options = bigquery_storage_v1.types.ReadSession.TableReadOptions(
        selected_fields=list(columns), row_restriction=where
    )
    wanted = bigquery_storage_v1.types.ReadSession(
        table=f"projects/{project}/datasets/{dataset}/tables/{name}",
        data_format=bigquery_storage_v1.types.DataFormat.ARROW,
        read_options=options,
    )
    with service_errors(f"reading {table}"):
        session = reader.create_read_session(
            parent=f"projects/{project}", read_session=wanted, max_stream_count=streams
        )
        schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))
        # gRPC, Arrow and the disk wait, or work, without Python's lock.
        batches = [_batches(_responses(reader, stream.name), schema) for stream in session.streams]
        yield from together(batches, ahead=1)


def _responses(
    reader: bigquery_storage_v1.BigQueryReadClient, stream: str
) -> Iterator[bigquery_storage_v1.types.ReadRowsResponse]:
    """The answers of a stream. A call ends after the patience's `stall_s`; the next one goes on where it was.

    So what stalls ends within twice that time, without a second thread to watch, while a reader may take its time.
    """
    patience, rows, before = patience_of(reader), 0, -1
    while rows > before:
        before = rows
        try:
            # By default it asks for a day whether a server that is gone is there again.
            for response in reader.read_rows(stream, rows, retry=patience.retry, timeout=patience.stall_s):
                rows += response.row_count
                yield response
                del response
        except exceptions.DeadlineExceeded:
            continue
        return
    raise ServiceError(f"stream {stream} stalls: no row in {patience.stall_s:g} s after {rows:,} rows")


def _batches(
    responses: Iterator[bigquery_storage_v1.types.ReadRowsResponse], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    for response in responses:
        message = response.arrow_record_batch.serialized_record_batch
        # A copy in Arrow's memory: where large objects of Python's come and go, its memory is never given back.
        buffer = pa.allocate_buffer(len(message))
        pa.FixedSizeBufferWriter(buffer).write(message)
        del response, message
        yield pa.ipc.read_record_batch(buffer, schema)
        del buffer


def ensure_dataset(client: bigquery.Client, place: Place) -> None:
    """The place's dataset, made where there is none.

    Raises:
        ServiceError: BigQuery refuses.
    """
    dataset = bigquery.Dataset(f"{place.project}.{place.dataset}")
    dataset.location = place.bigquery_location
    with service_errors(f"dataset {place.dataset}"):
        client.create_dataset(dataset, exists_ok=True)


def load_table(client: bigquery.Client, table: str, rows: pa.Table, schema: Sequence[bigquery.SchemaField]) -> None:
    """The rows as a table of this schema, in place of one of the same name.

    Raises:
        ServiceError: BigQuery refuses the load.
    """
    names = [field.name for field in schema]
    buffer = io.BytesIO()
    # BigQuery knows microseconds, and no finer.
    pq.write_table(
        rows.select(names), buffer, compression="snappy", coerce_timestamps="us", allow_truncated_timestamps=True
    )
    buffer.seek(0)
    with service_errors(f"loading {table}"):
        client.delete_table(table, not_found_ok=True)
        client.create_table(bigquery.Table(table, schema=list(schema)))
        config = bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET, schema=list(schema), write_disposition="WRITE_APPEND"
        )
        job = client.load_table_from_file(buffer, table, job_config=config)
        # `result` alone would look once a second.
        deadline, pauses = time.monotonic() + _TIMEOUT_S, PATIENCE.pauses()
        while not job.done() and time.monotonic() < deadline:
            time.sleep(next(pauses))
        job.result(timeout=1.0)


def row_count(client: bigquery.Client, table: str) -> int:
    """Rows of a table, 0 where there is none."""
    try:
        return int(client.get_table(table).num_rows or 0)
    except exceptions.NotFound:
        return 0


def _given(parameters: Parameters) -> Sequence[bigquery.ScalarQueryParameter]:
    return [
        bigquery.ScalarQueryParameter(name, "STRING" if isinstance(value, str) else "TIMESTAMP", value)
        for name, value in parameters.items()
    ]


def exists(client: bigquery.Client, table: str) -> bool:
    """Whether there is a table of this name."""
    try:
        with service_errors(f"looking at {table}"):
            client.get_table(table)
    except ServiceError as error:
        if isinstance(error.__cause__, exceptions.NotFound):
            return False
        raise
    return True


def _source(client: bigquery.Client, table: str) -> bigquery.Table:
    found = _table(client, table)
    # What a view reads changes without a trace in the view, and a cached result would be taken for the present one.
    if found.table_type not in {"TABLE", "SNAPSHOT"}:
        raise DataError(f"{table} is a {found.table_type}: list the tables that it reads in data.tables instead")
    return found


def _table(client: bigquery.Client, table: str) -> bigquery.Table:
    with service_errors(f"looking at {table}"):
        try:
            return client.get_table(table)
        except exceptions.NotFound as error:
            raise DataError(f"there is no table {table}: load it, or correct data.tables and the dataset") from error


@contextmanager
def _query_errors() -> Iterator[None]:
    with service_errors("the query failed"):
        try:
            yield
        except exceptions.GoogleAPICallError as error:
            reasons = {found.get("reason") for found in error.errors if isinstance(found, dict)}
            # The client has no class of its own for the limit on bytes, so it comes as a server's error.
            if isinstance(error, exceptions.ClientError) or "bytesBilledLimitExceeded" in reasons:
                raise DataError(f"BigQuery refuses the query: {error.message}") from error
            raise
