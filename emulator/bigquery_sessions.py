"""The Storage Read API of BigQuery's process, with what bqemulator lacks: sessions that end, and offsets.

bqemulator keeps the rows of each session in memory for ever, and sends a stream from its start whatever is asked for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bqemulator.grpc_api.read_servicer import BigQueryReadHandler
from bqemulator.streaming import read_session
from bqemulator.streaming.read_session import ReadSessionState, ReadStream
from google.cloud.bigquery_storage_v1 import types


class Reads(BigQueryReadHandler):
    """A session that was read to its end is gone once another one is made; Google's last six hours or more.

    Not sooner: what was sent may not have come, and then its reader asks for it again.
    """

    def __init__(self, context: Any) -> None:
        """Serves an emulator's tables.

        Args:
            context: bqemulator's `AppContext`.
        """
        super().__init__(context)
        self._sent: set[str] = set()

    def _handle_create_read_session(self, request_bytes: bytes, context: Any) -> bytes:
        sessions = read_session._SESSIONS  # noqa: SLF001 - nothing else frees them
        for session in list(sessions.values()):
            names = {stream.name for stream in session.streams}
            if names <= self._sent:
                sessions.pop(session.session_name, None)
                self._sent -= names
        return super()._handle_create_read_session(request_bytes, context)

    def _handle_read_rows(self, request_bytes: bytes, context: Any) -> Iterator[bytes]:
        request = types.ReadRowsRequest.deserialize(request_bytes)
        with _from_offset(request.read_stream, request.offset) as name:
            asked = types.ReadRowsRequest(read_stream=name)
            yield from super()._handle_read_rows(types.ReadRowsRequest.serialize(asked), context)
        # Not reached for a reader that leaves before the end.
        self._sent.add(request.read_stream)


@contextmanager
def _from_offset(name: str, offset: int) -> Iterator[str]:
    """The name of a stream of the rows from an offset on."""
    session = read_session.get_session(name.rpartition("/streams/")[0])
    stream = _stream(session, name)
    if session is None or stream is None or not offset:
        yield name
        return
    rest = ReadStream(f"{name}-{offset}", min(stream.start_row + offset, stream.end_row), stream.end_row)
    session.streams.append(rest)
    try:
        yield rest.name
    finally:
        session.streams.remove(rest)


def _stream(session: ReadSessionState | None, name: str) -> ReadStream | None:
    streams = () if session is None else session.streams
    return next((stream for stream in streams if stream.name == name), None)
