"""`python -m emulator.runtime.forkserver SOCKET MODULE...`: imports modules once, and forks a process for each order.

It imports installed packages only, never the code of a checkout, so that changed code is always seen; it opens no
connection and starts no thread, so that a fork is a whole process; memory is shared until somebody writes to it.
Orders that come while it imports wait. On SIGTERM it takes no more of them, and ends with the last process it forked.
"""

import gc
import importlib
import logging
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from emulator.runtime import fresh
from emulator.runtime.stand_in import Order, receive_order, send_started, send_status

log = logging.getLogger("forkserver")
_ORDER_S = 10.0
_MINDS_FORKS = frozenset({"jemalloc_bg_thd"})
"""Threads of a library that sees to them itself at a fork. Source: jemalloc, background_thread.c."""
_GROWTH = 1.5
"""How much larger than at its start a server may become."""


class ThreadError(Exception):
    """A package has started a thread, which a forked process would not have."""


@dataclass(frozen=True, slots=True)
class Child:
    """A forked process, and the connection on which somebody waits for its end."""

    pid: int
    handle: int
    connection: socket.socket


@dataclass(frozen=True, slots=True)
class Forked:
    """What a forked process finds itself to be."""

    order: Order
    files: Sequence[int]
    connection: socket.socket


def preload(modules: Iterable[str]) -> None:
    """Imports what is installed of the modules.

    Raises:
        ThreadError: One of them has left a thread.
    """
    # What is imported stays, so looking for garbage among it only costs time, and would write to shared memory later.
    gc.disable()
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError as error:
            log.warning("%s is not preloaded: %s", name, error)
    gc.freeze()
    # OpenBLAS starts its threads at import, ends them before the first fork, and starts new ones at its next use.
    if _threads():
        if not (pid := os.fork()):
            os._exit(0)
        os.waitpid(pid, 0)
    if left := _threads():
        raise ThreadError(f"threads are left after the imports: {', '.join(left)}")


def _threads() -> Sequence[str]:
    """The names of all threads but this one."""
    names = [
        (task / "comm").read_text(encoding="utf-8").strip()
        for task in Path("/proc/self/task").iterdir()
        if task.name != str(os.getpid())
    ]
    return [name for name in names if name not in _MINDS_FORKS]


class Server:
    """Forks on orders from a socket, and tells how what it forked has ended."""

    def __init__(self, listener: socket.socket, *, largest: int) -> None:
        """Makes a server.

        Args:
            listener: Where orders come in.
            largest: Pages of memory beyond which it ends, for a new one, as soon as nothing is left that it forked.
        """
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._children: set[Child] = set()
        self._is_open = True
        self._largest = largest
        self._woken, self._waker = socket.socketpair()

    def serve(self) -> Forked | None:
        """Returns in each forked process, and None in the server, once it was told to end and has no process left."""
        self._waker.settimeout(0)
        signal.set_wakeup_fd(self._waker.fileno())
        signal.signal(signal.SIGTERM, lambda *_: None)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._woken, selectors.EVENT_READ, self._close)
        while self._is_open or self._children:
            for key, _ in self._selector.select():
                forked: Forked | None = key.data()
                if forked is not None:
                    self._leave()
                    return forked
        return None

    def _accept(self) -> Forked | None:
        connection, _ = self._listener.accept()
        connection.settimeout(_ORDER_S)
        try:
            order, files = receive_order(connection)
        except (OSError, EOFError):
            connection.close()
            return None
        connection.settimeout(None)
        pid = os.fork()
        if not pid:
            return Forked(order, files, connection)
        for file in files:
            os.close(file)
        child = Child(pid, os.pidfd_open(pid), connection)
        self._children.add(child)
        self._selector.register(child.handle, selectors.EVENT_READ, _call(self._ended, child))
        self._selector.register(connection, selectors.EVENT_READ, _call(self._abandoned, child))
        return None

    def _ended(self, child: Child) -> None:
        _, status = os.waitpid(child.pid, 0)
        with suppress(OSError):
            send_status(child.connection, os.waitstatus_to_exitcode(status))
        self._selector.unregister(child.handle)
        with suppress(KeyError):
            self._selector.unregister(child.connection)
        os.close(child.handle)
        child.connection.close()
        self._children.remove(child)
        if not self._children and self._is_open and resident() > self._largest:
            log.warning("it has grown, and ends for a new one")
            self._close()

    def _abandoned(self, child: Child) -> None:
        # Nothing is ever sent here, so this is the end of the connection: who waited for the process is gone.
        if child in self._children:
            self._selector.unregister(child.connection)
            signal.pidfd_send_signal(child.handle, signal.SIGKILL)

    def _close(self) -> None:
        self._is_open = False
        self._selector.unregister(self._listener)
        self._selector.unregister(self._woken)

    def _leave(self) -> None:
        """Closes in a forked process what belongs to the server: others wait for the end of these connections."""
        signal.set_wakeup_fd(-1)
        self._selector.close()
        for other in (self._listener, self._woken, self._waker, *(child.connection for child in self._children)):
            other.close()
        for child in self._children:
            os.close(child.handle)
        self._children.clear()


def _call(method: Callable[[Child], None], child: Child) -> Callable[[], None]:
    return lambda: method(child)


def resident() -> int:
    """Pages of memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])


def main() -> None:
    """Serves; in a forked process, runs what it was forked for."""
    file, *modules = sys.argv[1:]
    listener = socket.socket(fileno=int(file))
    preload(modules)
    own = fresh.own_code(sys.modules)
    forked = Server(listener, largest=int(resident() * _GROWTH)).serve()
    if forked is None:
        os._exit(0)
    try:
        arguments = fresh.become(forked.order, forked.files, forget=own)
        send_started(forked.connection)
    except OSError:
        # The stand-in sees that the connection ends, and starts a plain process.
        os._exit(1)
    forked.connection.close()
    fresh.run(arguments)


if __name__ == "__main__":
    main()
