"""`python -m emulator`: Vertex AI, BigQuery and Cloud Storage on this machine, until a signal ends them.

Exit status: 0 after SIGINT or SIGTERM, 1 if a part of it ended by itself, 2 if it could not start.
"""

import argparse
import datetime as dt
import fcntl
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from emulator.errors import StartError
from emulator.ports import Ports
from emulator.services import Services, Settings, running

_LOOK_S = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the emulator; gives the exit status."""
    started = time.monotonic()
    options = _options(arguments)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if options.exit_with_parent:
        threading.Thread(target=_wait_for_parent, args=(os.getppid(), stop), daemon=True).start()
    ready = False
    try:
        with running(_settings(options), os.environ, cancelled=stop.is_set) as services:
            ready = True
            _tell(services, time.monotonic() - started)
            _watch(services, stop, options.exit_when_unused)
    except StartError as error:
        print(f"emulator: {error}", file=sys.stderr, flush=True)
        return 1 if ready else 2
    except OSError as error:
        place = f"{error.filename or options.state}"
        print(f"emulator: {error.strerror or error}: {place}", file=sys.stderr, flush=True)
        return 1 if ready else 2
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m emulator", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--state", type=Path, required=True, help="the folder that holds all that survives a restart")
    parser.add_argument("--project", default="plumbline-local", help="the id of the one project (%(default)s)")
    parser.add_argument("--location", default="us-central1", help="the region (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="of Vertex AI; 0, the default, is any free one")
    parser.add_argument("--bigquery-port", type=int, default=0, help="of BigQuery")
    parser.add_argument("--bigquery-storage-port", type=int, default=0, help="of the BigQuery Storage Read API (gRPC)")
    parser.add_argument("--storage-port", type=int, default=0, help="of Cloud Storage")
    text = "a clock that begins there (2013-01-01T00:00:00Z) and can be set forward: PUT /emulator/clock"
    parser.add_argument("--clock", type=dt.datetime.fromisoformat, metavar="MOMENT", help=text)
    text = "have pipelines' imports ready before a pipeline runs, while nobody waits for them"
    parser.add_argument("--warm", action="store_true", help=text)
    text = "stop when nobody has held a lock (flock) on the file in-use in the state folder for that long"
    parser.add_argument("--exit-when-unused", type=float, metavar="SECONDS", help=text)
    parser.add_argument("--exit-with-parent", action="store_true", help="stop when the process that started this ends")
    return parser.parse_args(arguments)


def _settings(options: argparse.Namespace) -> Settings:
    ports = Ports(
        aiplatform=options.port,
        bigquery=options.bigquery_port,
        bigquery_storage=options.bigquery_storage_port,
        storage=options.storage_port,
    )
    return Settings(
        state=options.state,
        project=options.project,
        location=options.location,
        ports=ports,
        is_warm=options.warm,
        start=options.clock,
    )


def _tell(services: Services, seconds: float) -> None:
    endpoints = services.endpoints
    print(f"emulator: up after {seconds:.1f} s on {services.state.root}")
    print(f"  Vertex AI      {endpoints.aiplatform}")
    print(f"  BigQuery       {endpoints.bigquery}  (Storage Read API: {endpoints.bigquery_storage})")
    print(f"  Cloud Storage  {endpoints.storage}", flush=True)


def _watch(services: Services, stop: threading.Event, unused_s: float | None) -> None:
    """Returns when a signal has come, or when nobody has used the emulator for that long."""
    # Closed only by the end of the process: whoever comes meanwhile waits, and then finds that it is gone.
    lock = os.open(services.state.root / "in-use", os.O_RDWR | os.O_CREAT, 0o644)
    last = time.monotonic()
    while not stop.wait(_LOOK_S):
        services.bigquery.check()
        if unused_s is None or not _taken(lock):
            last = time.monotonic()
        elif time.monotonic() - last > unused_s:
            return
        else:
            fcntl.flock(lock, fcntl.LOCK_UN)


def _taken(lock: int) -> bool:
    """Whether the lock could be taken, which those hold who use the emulator."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait_for_parent(parent: int, stop: threading.Event) -> None:
    # A handle on the process, not its number, which may go to another one.
    try:
        handle = os.pidfd_open(parent)
    except ProcessLookupError:
        stop.set()
        return
    select.select([handle], [], [])
    stop.set()


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    # All that was started has ended; the interpreter would take another second to take Google's clients apart.
    os._exit(status)
