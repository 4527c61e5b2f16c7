"""Reading a table from a server that stalls: Google's client, and a server of the test's own."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice

import grpc
import pyarrow as pa
import pytest
from google.cloud import bigquery_storage_v1
from google.cloud.bigquery_storage_v1 import types
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport

from plumbline.adapters.bigquery import read_table
from plumbline.adapters.retries import Patience, retrying
from plumbline.errors import ServiceError

BATCHES = [pa.record_batch({"x": [1, 2]}), pa.record_batch({"x": [3]})]
_SERVICE = "google.cloud.bigquery.storage.v1.BigQueryRead"
Rows = Callable[[int, threading.Event], Iterator[pa.RecordBatch]]


@contextmanager
def serving(rows: Rows) -> Iterator[bigquery_storage_v1.BigQueryReadClient]:
    """A client of a server whose one stream gives, from an offset on, what a function gives.

    Its arguments are the offset, and an event that is set once the server ends.
    """
    end = threading.Event()

    def session(request: bytes, _: grpc.ServicerContext) -> bytes:
        schema = types.ArrowSchema(serialized_schema=BATCHES[0].schema.serialize().to_pybytes())
        found = types.ReadSession(name="s", arrow_schema=schema, streams=[types.ReadStream(name="s/streams/0")])
        assert types.CreateReadSessionRequest.deserialize(request).read_session.table.endswith("tables/t")
        return types.ReadSession.serialize(found)

    def read(request: bytes, _: grpc.ServicerContext) -> Iterator[bytes]:
        for batch in rows(types.ReadRowsRequest.deserialize(request).offset, end):
            message = types.ArrowRecordBatch(serialized_record_batch=batch.serialize().to_pybytes())
            yield types.ReadRowsResponse.serialize(
                types.ReadRowsResponse(row_count=batch.num_rows, arrow_record_batch=message)
            )

    methods = {
        "CreateReadSession": grpc.unary_unary_rpc_method_handler(session),
        "ReadRows": grpc.unary_stream_rpc_method_handler(read),
    }
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(_SERVICE, methods)])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield bigquery_storage_v1.BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))
        finally:
            end.set()
            server.stop(0).wait()


def read(rows: Rows, *, pause_s: float = 0.0) -> Iterator[int]:
    """The values that come, to a reader that takes its time."""
    with serving(rows) as client:
        for batch in read_table(retrying(client, Patience(stall_s=0.3)), "p.d.t", columns=["x"]):
            yield from batch.column(0).to_pylist()
            time.sleep(pause_s)


def test_a_stream_that_stalls_is_an_error() -> None:
    """It says after how many rows; those that came before have been given."""

    def rows(offset: int, end: threading.Event) -> Iterator[pa.RecordBatch]:
        if not offset:
            yield BATCHES[0]
        end.wait()

    values = read(rows)
    assert list(islice(values, 2)) == [1, 2]
    with pytest.raises(ServiceError, match=r"stream s/streams/0 stalls: no row in 0\.3 s after 2 rows"):
        next(values)


def test_a_stream_that_stalls_once_goes_on() -> None:
    """The next call begins where the one before has ended, so each row comes once."""

    def rows(offset: int, end: threading.Event) -> Iterator[pa.RecordBatch]:
        if not offset:
            yield BATCHES[0]
            end.wait()
        assert offset == 2
        yield BATCHES[1]

    assert list(read(rows)) == [1, 2, 3]


def test_a_reader_may_take_its_time() -> None:
    """What is waited for is the stream's rows, not what is done with them: a call that has ended meanwhile goes on."""
    batches = {0: [*BATCHES, BATCHES[1]], 2: [BATCHES[1]] * 2, 3: [BATCHES[1]], 4: []}
    assert list(read(lambda offset, _: iter(batches[offset]), pause_s=0.4)) == [1, 2, 3, 3]
