"""Warm interpreters: fork servers that have imported what tasks, training jobs and serving containers wait for.

A server is started by the first process that asks for it, and again by the first one after it has ended: the emulator
listens on its socket meanwhile. Who asks, and in which environments, is `emulator.runtime.stand_in`'s to decide.
"""

import marshal
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from emulator import guardian
from emulator.processes import Command, Process, StoppingError, Supervisor
from emulator.runtime import stand_in

_BACKLOG = 64
_TRIES = 3
_SHORT_S = 60.0
"""A server that ends sooner after its start has failed."""


@dataclass(frozen=True, slots=True)
class Preload:
    """What one server imports: modules of installed packages, never of a checkout.

    Args:
        name: Of the server.
        variables: What its environment has beside that of every child. A process asks for it by having them too.
        modules: What it imports, in this order.
    """

    name: str
    variables: Mapping[str, str]
    modules: tuple[str, ...]


_DATA = (
    *("numpy.typing", "pyarrow.parquet", "pyarrow.compute", "yaml", "jinja2", "jsonschema"),
    # `pydantic` imports its own modules only when they are used.
    *("pydantic.dataclasses", "pydantic.json_schema", "pydantic.type_adapter", "pydantic.types"),
    # Has a model, for which `pydantic` looks for its plugins in the metadata of all installed packages.
    "pydantic.root_model",
)
PRELOADS = (
    Preload(
        "clients",
        {},
        (
            *_DATA,
            "google.cloud.bigquery",
            "google.cloud.bigquery_storage_v1",
            "google.cloud.storage",
            "google.cloud.aiplatform_v1",
        ),
    ),
    # Who wants Keras 3, whose import takes two seconds more, imports TensorFlow itself.
    Preload(
        "tensorflow",
        {"TF_USE_LEGACY_KERAS": "1"},
        (*_DATA, "tensorflow", "tf_keras", "google.cloud.storage", "starlette.applications", "uvicorn"),
    ),
)
"""Two, since they are imported in different environments, side by side, and not every run needs both."""


def folder(state: Path) -> Path:
    """Where the sockets of a state folder's servers lie."""
    return state / "warm"


def start(state: Path) -> None:
    """Has all servers of a state folder started, before anybody waits for one."""
    place = str(folder(state))
    for name, _ in stand_in.read_servers(place):
        with suppress(OSError):
            stand_in.connect(place, name).close()


@contextmanager
def kept(
    supervisor: Supervisor, state: Path, environment: Mapping[str, str], preloads: Sequence[Preload] = PRELOADS
) -> Iterator[None]:
    """Keeps fork servers as long as the context lasts.

    Args:
        supervisor: Starts them, and ends them with all other children.
        state: The state folder.
        environment: The environment of every child.
        preloads: What to keep.
    """
    place = folder(state)
    place.mkdir(exist_ok=True)
    keepers = [Keeper(supervisor, state, preload, _listener(place, preload.name)) for preload in preloads]
    marked = {**environment, guardian.MARK: supervisor.owner}
    # The most particular first: it agrees with the fewest.
    known = sorted(preloads, key=lambda preload: -len(preload.variables))
    servers = [(preload.name, {**marked, **preload.variables}) for preload in known]
    (place / stand_in.SERVERS).write_bytes(marshal.dumps(servers))
    threads = [threading.Thread(target=keeper.keep, name="keeper of a fork server", daemon=True) for keeper in keepers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        (place / stand_in.SERVERS).unlink()
        for keeper in keepers:
            keeper.stop()


def _listener(place: Path, name: str) -> socket.socket:
    address = place / name
    address.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX)
    handle = os.open(place, os.O_PATH | os.O_DIRECTORY)
    # See `stand_in.connect`.
    made.bind(f"/proc/self/fd/{handle}/{name}")
    os.close(handle)
    made.listen(_BACKLOG)
    return made


@dataclass(frozen=True, slots=True)
class Keeper:
    """Starts one server when it is asked for, as often as it ends."""

    supervisor: Supervisor
    state: Path
    preload: Preload
    listener: socket.socket
    """Held here too, so that whoever asks while no server runs waits for the next one."""
    _stopped: threading.Event = field(default_factory=threading.Event)
    _wake: int = field(default_factory=lambda: os.eventfd(0))

    def keep(self) -> None:
        """Returns after `stop`, or when the server has failed so often that there is no use in it."""
        failures = 0
        try:
            while failures < _TRIES and self._is_asked_for():
                started = time.monotonic()
                code = self._start().wait()
                failures = failures + 1 if code and time.monotonic() - started < _SHORT_S else 0
        except (OSError, StoppingError):
            return
        finally:
            # Who waits now, and who comes later, is refused, and starts a plain interpreter.
            self.listener.close()

    def stop(self) -> None:
        """Has no server started any more."""
        self._stopped.set()
        os.eventfd_write(self._wake, 1)

    def _is_asked_for(self) -> bool:
        """Waits for an order; False after `stop`."""
        select.select([self.listener.fileno(), self._wake], [], [])
        return not self._stopped.is_set()

    def _start(self) -> Process:
        file = self.listener.fileno()
        argv = (sys.executable, "-m", "emulator.runtime.forkserver", str(file), *self.preload.modules)
        log = self.state / "logs" / f"warm-{self.preload.name}.log"
        return self.supervisor.start(Command(argv, self.preload.variables, self.state, log, inherited=(file,)))
