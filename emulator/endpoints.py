"""Where the emulator's services listen, and the file that says so."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

_FILE = "endpoints.json"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The four addresses: three URLs, and `host:port` for the Storage Read API, which speaks gRPC."""

    aiplatform: str
    bigquery: str
    bigquery_storage: str
    storage: str


def write_endpoints(state: Path, endpoints: Endpoints) -> None:
    """Writes `endpoints.json` into the state folder, whole or not at all: who finds it may connect."""
    part = state / f".{_FILE}.part"
    part.write_text(json.dumps({**asdict(endpoints), "pid": os.getpid()}, indent=2) + "\n", encoding="utf-8")
    part.replace(state / _FILE)


def read_endpoints(state: Path) -> Endpoints:
    """The addresses of the emulator that runs on a state folder.

    Raises:
        FileNotFoundError: None is up there.
    """
    content = json.loads((state / _FILE).read_text(encoding="utf-8"))
    return Endpoints(**{name: content[name] for name in Endpoints.__slots__})


def remove_endpoints(state: Path) -> None:
    """Takes the file away: at a clean stop, and at a start that finds one left by an emulator that was killed."""
    (state / _FILE).unlink(missing_ok=True)
