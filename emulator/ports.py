"""The ports that the services listen on: taken before anything is started, or not at all."""

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields

from emulator.errors import StartError

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Ports:
    """The port of each service; 0 is any free one."""

    aiplatform: int = 0
    bigquery: int = 0
    bigquery_storage: int = 0
    storage: int = 0


@dataclass(frozen=True, slots=True)
class Sockets:
    """A socket for each service, bound but not listening yet: nobody else gets the port."""

    aiplatform: socket.socket
    bigquery: socket.socket
    bigquery_storage: socket.socket
    storage: socket.socket


_OPTIONS = {
    "aiplatform": "--port",
    "bigquery": "--bigquery-port",
    "bigquery_storage": "--bigquery-storage-port",
    "storage": "--storage-port",
}


@contextmanager
def bound(ports: Ports) -> Iterator[Sockets]:
    """Sockets on the ports, closed at the end.

    Raises:
        StartError: A port is taken, or is none.
    """
    with ExitStack() as opened:
        names = [field.name for field in fields(Ports)]
        yield Sockets(**{name: opened.enter_context(_bind(name, getattr(ports, name))) for name in names})


def address_of(bound_socket: socket.socket) -> str:
    """The address as `host:port`."""
    host, port = bound_socket.getsockname()
    return f"{host}:{port}"


def _bind(service: str, port: int) -> socket.socket:
    option = _OPTIONS[service]
    if not 0 <= port < 1 << 16:
        raise StartError(f"{option} {port}: wanted a port from 0 (any free one) to 65535")
    candidate = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # Connections of an emulator that just ended may linger; only a listener is in the way.
    candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        candidate.bind((HOST, port))
        # Two sockets with SO_REUSEADDR may bind one port, but not listen on it.
        candidate.listen()
    except OSError as error:
        candidate.close()
        raise _refused(service, port, error) from error
    return candidate


def _refused(service: str, port: int, error: OSError) -> StartError:
    option = _OPTIONS[service]
    if error.errno == errno.EADDRINUSE:
        return StartError(
            f"port {port} is taken, and the {service} service wants it: end what listens there "
            f"(`ss -ltnp 'sport = :{port}'` shows it), or choose another port with {option} (0 takes any free one)"
        )
    return StartError(f"{option} {port}: the {service} service cannot listen there: {error.strerror}")
