"""Stands in for `python`: a warm interpreter becomes the process that was asked for, or else this one becomes it.

`python -I -S stand_in.py FOLDER -m MODULE ARGUMENT...` asks the fork server in FOLDER whose environment agrees with
this process's own. The forked process has this one's arguments, environment, folder, files and process group; this one
only waits, and ends as it ended, so that whoever started it sees no difference. Where no server agrees, or one does not
answer or goes away before it has forked, this process becomes a plain `python -m MODULE ARGUMENT...`.

Every process waits for the imports of this one: it has the standard library's few that it cannot do without.
"""

import marshal
import os
import signal
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence

Server = tuple[str, Mapping[str, str]]
"""Name of a server's socket in the folder, and the environment that its packages were imported in."""
Order = tuple[Sequence[str], Mapping[str, str], str, int, int]
"""What a process is to be: arguments of Python, environment, working folder, umask, process group."""

SERVERS = "servers"
"""The file in the folder that lists the servers, the preferred one first."""
_FILES = (0, 1, 2)
_LENGTH, _STATUS = 8, 4
_OF_EACH_PROCESS = frozenset(("OLDPWD", "PATH", "PWD", "SHLVL", "TMPDIR", "_"))
_COERCED = frozenset((("LC_CTYPE", "C.UTF-8"),))
"""What every interpreter sets for itself where nothing names a locale. Source: PEP 538."""
_READ_AT_IMPORT = (
    *("ABSL_", "AIOHTTP_", "API_", "ARROW_", "BLIS_", "CLOUDSDK_", "CUDA_", "DYLD_", "GCE_", "GLIBC_", "GOOGLE_"),
    *("GOTO_", "GRPC_", "HF_", "HOME", "KERAS_", "KMP_", "LANG", "LC_", "LD_", "MALLOC_", "MATPLOTLIB", "MKL_", "MPL"),
    *("NO_GCE_CHECK", "NPY_", "NUMEXPR_", "NUMPY_", "NVIDIA_", "NVPL_", "OMP_", "OPENBLAS_", "OPENSSL_", "OTEL_"),
    *("PANDAS_", "PILLOW_", "PROTOCOL_BUFFERS_", "PYARROW_", "PYTHON", "REQUESTS_", "SCIPY_", "SSL", "TEMPORARILY_"),
    *("TF2_", "TF_", "TORCH_", "TZ", "WRAPT_", "XDG_", "XLA_"),
)
"""How names of variables begin that packages, or the libraries in them, read when they are imported.

Source: what `import` of the packages in `emulator.runtime.warm` looks up in `os.environ`, and the manuals of the
libraries in C among them.
"""


def agrees(environ: Mapping[str, str], imported_in: Mapping[str, str]) -> bool:
    """Whether packages that were imported in one environment are as if they had been imported in another.

    They are when nothing has another value that both have, and nothing is new that is read at import.
    """
    same = all(environ.get(name) == value for name, value in imported_in.items() if name not in _OF_EACH_PROCESS)
    new = environ.items() - imported_in.items() - _COERCED
    return same and not any(name.startswith(_READ_AT_IMPORT) for name, _ in new if name not in imported_in)


def chosen(servers: Iterable[Server], environ: Mapping[str, str]) -> str | None:
    """The first server that agrees, by the name of its socket; None where there is none."""
    return next((name for name, imported_in in servers if agrees(environ, imported_in)), None)


def read_servers(folder: str) -> Sequence[Server]:
    """The servers of a folder; none where there is no list of them."""
    try:
        with open(f"{folder}/{SERVERS}", "rb") as file:  # noqa: PTH123 - pathlib takes as long to import as all the rest
            return marshal.load(file)  # noqa: S302 - nobody else can write to the folder; as fast as it gets
    except FileNotFoundError:
        return ()


def connect(folder: str, name: str) -> socket.socket:
    """A connection to a server.

    Raises:
        OSError: It does not listen.
    """
    connection = socket.socket(socket.AF_UNIX)
    # By a handle on the folder, since the address of a Unix socket may be no longer than 107 bytes.
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        connection.connect(f"/proc/self/fd/{handle}/{name}")
    except OSError:
        connection.close()
        raise
    finally:
        os.close(handle)
    return connection


def send_order(connection: socket.socket, order: Order, files: Sequence[int] = _FILES) -> None:
    """Sends an order with the files that the process is to have as 0, 1 and 2."""
    content = marshal.dumps((list(order[0]), dict(order[1]), *order[2:]))
    socket.send_fds(connection, [len(content).to_bytes(_LENGTH, sys.byteorder)], files)
    connection.sendall(content)


def receive_order(connection: socket.socket) -> tuple[Order, Sequence[int]]:
    """The order and the files that came with it.

    Raises:
        EOFError: The other side sent none, or not all of it.
    """
    head, files, _, _ = socket.recv_fds(connection, _LENGTH, len(_FILES))
    length = int.from_bytes(head, sys.byteorder)
    content = bytearray()
    while len(content) < length and (part := connection.recv(length - len(content))):
        content += part
    if not length or len(content) < length:
        for file in files:
            os.close(file)
        raise EOFError
    return marshal.loads(content), files  # noqa: S302 - as above


def send_started(connection: socket.socket) -> None:
    """Tells the stand-in that this process is what it asked for, and gives it a handle on this process."""
    handle = os.pidfd_open(os.getpid())
    socket.send_fds(connection, [b"!"], [handle])
    os.close(handle)


def send_status(connection: socket.socket, code: int) -> None:
    """Tells how a process ended: its exit code, or minus the number of the signal that ended it."""
    connection.sendall(code.to_bytes(_STATUS, sys.byteorder, signed=True))


def main() -> None:
    """Becomes, or stands in for, the process that the arguments describe."""
    folder, *arguments = sys.argv[1:]
    name = chosen(read_servers(folder), os.environ)
    code = None if name is None else _stand_in(folder, name, arguments)
    if code is None:
        os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 - no shell, and the same interpreter
    _end_as(code)


def _stand_in(folder: str, name: str, arguments: Sequence[str]) -> int | None:
    """How the forked process ended; None when none was forked."""
    umask = os.umask(0)
    os.umask(umask)
    try:
        with connect(folder, name) as connection:
            send_order(connection, (arguments, dict(os.environ), os.getcwd(), umask, os.getpgrp()))  # noqa: PTH109 - as above
            # However long its imports take: they would take as long here.
            _, handles, _, _ = socket.recv_fds(connection, 1, 1)
            return _await_end(connection, handles[0]) if handles else None
    except OSError:
        return None


def _await_end(connection: socket.socket, handle: int) -> int:
    # What is sent to the process group is for the forked process to mind.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    try:
        status = connection.recv(_STATUS)
    except OSError:
        status = b""
    if status:
        return int.from_bytes(status, sys.byteorder, signed=True)
    # The server has gone, and nobody would learn how the process ends.
    try:  # noqa: SIM105 - contextlib would be one import more
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        pass
    return -signal.SIGKILL


def _end_as(code: int) -> None:
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(abs(code))


if __name__ == "__main__":
    main()
