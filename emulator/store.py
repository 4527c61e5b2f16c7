"""Resources as JSON in SQLite: every write is on disk before it is answered, so a kill loses nothing."""

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS resources (kind TEXT, name TEXT, body TEXT, PRIMARY KEY (kind, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS numbers (last INTEGER);
INSERT INTO numbers SELECT 1000 WHERE NOT EXISTS (SELECT 1 FROM numbers);
"""


class Store:
    """A key-value store of resources by kind and name, in the order of their names. Safe to use from any thread."""

    def __init__(self, path: Path) -> None:
        """Opens the store in a file, made where there is none."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_SCHEMA)

    def put(self, kind: str, name: str, body: str) -> None:
        """Keeps a resource, in place of one of the same name."""
        self._run("INSERT OR REPLACE INTO resources VALUES (?, ?, ?)", kind, name, body)

    def get(self, kind: str, name: str) -> str | None:
        """The resource of a name, None where there is none."""
        rows = self._run("SELECT body FROM resources WHERE kind = ? AND name = ?", kind, name)
        return str(rows[0][0]) if rows else None

    def list(self, kind: str, prefix: str = "") -> Sequence[str]:
        """All resources of a kind whose name starts with the prefix."""
        rows = self._run(
            "SELECT body FROM resources WHERE kind = ? AND substr(name, 1, ?) = ? ORDER BY name",
            kind,
            len(prefix),
            prefix,
        )
        return [str(body) for (body,) in rows]

    def delete(self, kind: str, name: str) -> bool:
        """Whether there was such a resource; now there is none."""
        with self._lock:
            there = self.get(kind, name) is not None
            self._run("DELETE FROM resources WHERE kind = ? AND name = ?", kind, name)
        return there

    def next_number(self) -> str:
        """A number that was never given before, for ids."""
        # One statement: a kill between two could lose the count, and then numbers would be given twice.
        return str(self._run("UPDATE numbers SET last = last + 1 RETURNING last")[0][0])

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._connection.close()

    def _run(self, statement: str, *values: object) -> Sequence[Any]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()
