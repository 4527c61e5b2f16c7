"""Resumable uploads that are under way. They end with the emulator; the client then starts again.

Source: https://docs.cloud.google.com/storage/docs/performing-resumable-uploads
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

from emulator.storage.conditions import Conditions
from emulator.storage.errors import StorageError, invalid
from emulator.storage.folder import Staged
from emulator.storage.objects import Entry, Labels, Objects, Ref

# Finished uploads are remembered for clients that did not get the answer and ask again.
_REMEMBERED = 1000
QUANTUM = 256 << 10


@dataclass(frozen=True, slots=True)
class Target:
    """What an upload becomes, and under which conditions."""

    ref: Ref
    labels: Labels
    conditions: Conditions
    checksums: Mapping[str, str]


class Session:
    """One upload: what has come of it, and the object once all has."""

    def __init__(self, target: Target, staged: Staged) -> None:
        self.id = uuid4().hex
        self.staged = staged
        self.entry: Entry | None = None
        self._target = target

    def finish(self, objects: Objects, checksums: Mapping[str, str]) -> Entry:
        """Makes the content that came an object."""
        expected = {**self._target.checksums, **checksums}
        try:
            self.entry = store(objects, self.staged, self._target, expected)
        finally:
            self.staged.discard()
        return self.entry


class Sessions:
    """The uploads under way, and the last ones that ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}

    def add(self, session: Session) -> None:
        """Begins an upload."""
        with self._lock:
            self._sessions[session.id] = session
            finished = [key for key, old in self._sessions.items() if old.entry]
            for key in finished[:-_REMEMBERED]:
                del self._sessions[key]

    def get(self, session_id: str) -> Session:
        """The upload.

        Raises:
            StorageError: There is none (any more).
        """
        with self._lock:
            if session_id not in self._sessions:
                raise StorageError(404, "notFound", f"No such upload: {session_id}; start it again")
            return self._sessions[session_id]

    def remove(self, session: Session) -> None:
        """Gives an upload up."""
        session.staged.discard()
        with self._lock:
            self._sessions.pop(session.id, None)

    def close(self) -> None:
        """Gives all uploads up."""
        for session in tuple(self._sessions.values()):
            self.remove(session)


def store(objects: Objects, staged: Staged, target: Target, checksums: Mapping[str, str]) -> Entry:
    """Makes content an object, if it is what the client says it sent.

    Raises:
        StorageError: A checksum differs, or the object cannot be written.
    """
    found = staged.close()
    for name, wanted in checksums.items():
        came = {"md5": found.md5, "crc32c": found.crc32c}.get(name)
        if came != wanted:
            raise invalid(f"Provided {name} {wanted!r} doesn't match calculated {name} {came!r}")
    return objects.commit(staged, target.ref, target.labels, conditions=target.conditions)
