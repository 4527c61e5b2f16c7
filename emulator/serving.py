"""ASGI applications on sockets that are bound already, each in a thread of this process."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

_START_S = 30.0
# Time for requests under way, once no new ones are taken; a client that holds on is cut off.
_GRACE_S = 1


@contextmanager
def served(app: ASGIApp, listener: socket.socket, name: str) -> Iterator[None]:
    """Answers on the socket as long as the context lasts.

    Args:
        app: What answers.
        listener: A bound socket; it is closed at the end.
        name: Of the thread.

    Raises:
        TimeoutError: The application does not start.
    """
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=_GRACE_S)
    server = _Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name=name, daemon=True)
    thread.start()
    try:
        if not server.ready.wait(_START_S):
            raise TimeoutError(f"{name} does not start within {_START_S:.0f} s")
        yield
    finally:
        server.should_exit = True
        thread.join()


class _Server(uvicorn.Server):
    """A server that says when it answers, and leaves the process's signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()
