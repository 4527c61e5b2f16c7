"""Vertex AI alone on a clock that stands, beside the BigQuery of another emulator: here, or in a process to be killed.

`python -m tests.contract.vertex_alone BIGQUERY STATE TIME` says where it listens; each line that it reads is the number
of seconds that its clock goes on.
"""

import datetime as dt
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from emulator.aiplatform.context import Context
from emulator.aiplatform.server import create_service
from emulator.clock import ManualClock
from emulator.processes import Supervisor
from emulator.serving import served
from emulator.store import Store
from tests.contract.conftest import LOCATION, PROJECT

ROOT = Path(__file__).parents[2]
Process = subprocess.Popen[str]


@contextmanager
def vertex_on(bigquery: str, state: Path, clock: ManualClock) -> Iterator[str]:
    """The URL of Vertex AI on a state folder and a clock, until a clean stop."""
    state.mkdir(exist_ok=True)
    path = f"{Path(sys.executable).parent}:{os.defpath}"
    supervisor = Supervisor({"PATH": path}, owner=str(state))
    store = Store(state / "vertex.sqlite")
    context = Context(
        PROJECT,
        LOCATION,
        state=state,
        store=store,
        clock=clock,
        supervisor=supervisor,
        path=path,
        bigquery=bigquery,
    )
    service = create_service(context)
    with socket.create_server(("127.0.0.1", 0)) as listener, served(service.app, listener, "vertex"):
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            service.stop()
            supervisor.stop_all()
            store.close()


def start(bigquery: str, state: Path, at: dt.datetime) -> tuple[Process, str]:
    """Vertex AI in a process of its own, and its URL."""
    argv = [sys.executable, "-m", "tests.contract.vertex_alone", bigquery, str(state), at.isoformat()]
    process = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def advance(process: Process, by: dt.timedelta) -> None:
    """Sets the clock of such a process forward."""
    assert process.stdin is not None
    process.stdin.write(f"{by.total_seconds()}\n")
    process.stdin.flush()


def kill(process: Process) -> None:
    """Ends such a process at once."""
    process.kill()
    process.communicate()


def stop(process: Process) -> None:
    """Ends such a process, and what it has started."""
    process.communicate(timeout=60)


def main(arguments: Sequence[str]) -> None:
    """Serves until the input ends."""
    bigquery, state, at = arguments
    clock = ManualClock(dt.datetime.fromisoformat(at))
    with vertex_on(bigquery, Path(state), clock) as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        for line in sys.stdin:
            clock.advance(dt.timedelta(seconds=float(line)))


if __name__ == "__main__":
    main(sys.argv[1:])
