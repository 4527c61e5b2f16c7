"""The Storage Read API's sessions: a stream is read from where it is asked for, and what was read is freed."""

from collections.abc import Iterator
from types import SimpleNamespace

import grpc
import pyarrow as pa
import pytest
from bqemulator.streaming import read_session
from bqemulator.streaming.read_session import ReadSessionState, create_read_session
from google.cloud.bigquery_storage_v1 import types

from emulator.bigquery_sessions import Reads

ROWS = pa.table({"x": range(300_000), "y": range(300_000)})
"""Large enough for several streams."""


class Call:
    """What a handler says of a call."""

    code: grpc.StatusCode | None = None

    def set_code(self, code: grpc.StatusCode) -> None:
        """Keeps the status."""
        self.code = code

    def set_details(self, details: str) -> None:
        """Says why."""


@pytest.fixture
def reads() -> Reads:
    """An API without tables, whose sessions a test makes itself."""
    gauge = SimpleNamespace(dec=lambda _: None)
    return Reads(SimpleNamespace(metrics=SimpleNamespace(read_streams_active=gauge)))


@pytest.fixture
def session() -> Iterator[ReadSessionState]:
    """A session of two streams."""
    made = create_read_session("p", "t", ROWS, max_streams=2)
    yield made
    read_session._SESSIONS.pop(made.session_name, None)


def read(reads: Reads, stream: str, offset: int = 0) -> int:
    """How many rows come."""
    request = types.ReadRowsRequest(read_stream=stream, offset=offset)
    messages = reads._handle_read_rows(types.ReadRowsRequest.serialize(request), Call())
    return sum(types.ReadRowsResponse.deserialize(message).row_count for message in messages)


def make_another(reads: Reads) -> None:
    """Another session, which is refused, since it names no table."""
    call = Call()
    request = types.CreateReadSessionRequest(read_session=types.ReadSession(table="nothing"))
    reads._handle_create_read_session(types.CreateReadSessionRequest.serialize(request), call)
    assert call.code is grpc.StatusCode.INVALID_ARGUMENT


def test_a_session_that_was_read_is_freed_when_another_is_made(reads: Reads, session: ReadSessionState) -> None:
    """Until then it can be read again; one of whose streams one was not read stays."""
    one, other = (stream.name for stream in session.streams)
    assert read(reads, one) == 150_000
    make_another(reads)
    assert read(reads, one) == 150_000
    assert read(reads, other) == 150_000
    assert read(reads, other) == 150_000
    make_another(reads)
    assert read_session.get_session(session.session_name) is None
    assert read(reads, one) == 0


def test_a_stream_is_sent_from_its_offset(reads: Reads, session: ReadSessionState) -> None:
    """To its own end and no further; the session is as it was."""
    streams = list(session.streams)
    assert [read(reads, stream.name, 149_990) for stream in streams] == [10, 10]
    assert read(reads, streams[0].name, 150_000) == 0
    assert session.streams == streams


def test_a_reader_that_leaves_early_frees_nothing(reads: Reads, session: ReadSessionState) -> None:
    """It may come back."""
    for stream in session.streams:
        request = types.ReadRowsRequest.serialize(types.ReadRowsRequest(read_stream=stream.name))
        messages = reads._handle_read_rows(request, Call())
        assert next(messages)
        messages.close()  # type: ignore[attr-defined] # it is a generator
    make_another(reads)
    assert read_session.get_session(session.session_name) is session
