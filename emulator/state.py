"""The state folder: one emulator at a time, nothing left over of the last one, and room to write."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from emulator import guardian
from emulator.endpoints import remove_endpoints
from emulator.errors import StartError

# SQLite, DuckDB and the logs need some room to start at all; what a run writes is more.
_LEAST_FREE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class State:
    """The parts of a state folder."""

    root: Path

    @property
    def objects(self) -> Path:
        """Buckets and objects, as folders and files."""
        return self.root / "gcs"

    @property
    def bigquery(self) -> Path:
        """BigQuery's tables."""
        return self.root / "bigquery"

    @property
    def logs(self) -> Path:
        """One file for each process."""
        return self.root / "logs"


@contextmanager
def held(folder: Path) -> Iterator[State]:
    """The state folder, made if it is not there, held against other emulators, and cleared of what a killed one left.

    Raises:
        StartError: An emulator runs on it, it cannot be written, or there is no room.
    """
    state = State(folder.resolve())
    try:
        for path in (state.objects, state.bigquery, state.logs):
            path.mkdir(parents=True, exist_ok=True)
        lock = (state.root / "lock").open("a+b")
    except OSError as error:
        raise StartError(
            f"cannot write the state folder {state.root}: {error.strerror}; choose one with --state"
        ) from error
    with lock:
        _lock(lock, state)
        check_room(state.root, shutil.disk_usage(state.root).free)
        remove_endpoints(state.root)
        guardian.end_all_of(str(state.root))
        try:
            yield state
        finally:
            remove_endpoints(state.root)


def check_room(folder: Path, free_bytes: int) -> None:
    """Raises if the disk is too full to start on."""
    if free_bytes < _LEAST_FREE_BYTES:
        raise StartError(
            f"disk full: {free_bytes >> 20} MB are free under {folder}, wanted at least {_LEAST_FREE_BYTES >> 20} MB; "
            "make room there, or choose another folder with --state"
        )


def _lock(lock: BinaryIO, state: State) -> None:
    # The kernel lets go of the lock when its holder dies, of whatever; so a lock that is held has a live holder.
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        holder = lock.read().decode().strip() or "unknown"
        raise StartError(
            f"an emulator already runs on the state folder {state.root} (process {holder}): "
            f"use it, end it with `kill {holder}`, or choose another folder with --state"
        ) from error
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n".encode())
    lock.flush()
