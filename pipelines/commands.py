"""The commands that talk to Google's services, or to their emulators. Importing Google's clients takes seconds."""

import datetime as dt
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from pipelines.code import code_digest
from pipelines.finish import finish
from pipelines.parameters import local_images
from pipelines.run import Request, linked, start, watch
from pipelines.serve import serve
from pipelines.session import connect
from plumbline.adapters.clients import Clients
from plumbline.adapters.pipeline_jobs import cancel
from plumbline.config import Loaded
from plumbline.environment import Environment

Ready = Callable[[], None]
"""Returns once the emulator answers."""


def run_local(loaded: Loaded, environment: Environment, ready: Ready, state: Path) -> int:
    """The whole pipeline on this machine; the exit status."""
    clients, code = connect(environment), code_digest()
    images = local_images(environment, code)
    spec = linked(images, state=state)
    _prepare(clients, loaded.config.data.tables, ready, state / "emulator" / "prepared.json")
    request = Request(loaded, environment, clients, code, images, spec)
    name = start(request, print, now=now)
    try:
        ended = watch(request, name, print)
    except KeyboardInterrupt:
        print("interrupted: ending the run; its report is still written")
        cancel(clients.pipelines(), name)
        ended = watch(request, name, print)
    return finish(ended, clients, print, folder=state / "runs" / ended.run_id).exit_status


def _prepare(clients: Clients, tables: Sequence[str], ready: Ready, marker: Path) -> None:
    """The bucket, and those of the tables that the example brings, once for the emulator's state; it answers then."""
    wanted = {f"{clients.place.dataset}.{table}" for table in tables}
    done = set(json.loads(marker.read_text(encoding="utf-8"))) if marker.is_file() else set()
    if done >= wanted:
        ready()
        return
    # These seconds are saved where nothing is missing, and pass while the emulator starts.
    from plumbline.adapters.sample_data import TABLES, load_sample_data  # noqa: PLC0415 - see above
    from plumbline.adapters.storage import ensure_bucket  # noqa: PLC0415 - see above

    ready()
    ensure_bucket(clients.storage(), clients.place)
    sampled = [name for name in TABLES if name in tables]
    for name, rows in load_sample_data(clients.bigquery(), clients.place, only=sampled).items():
        print(f"sample data: {name}, {rows:,} rows")
    marker.write_text(json.dumps(sorted(done | wanted)), encoding="utf-8")


def serve_local(loaded: Loaded, environment: Environment, ready: Ready) -> int:
    """The endpoint of the last run, until Ctrl-C."""
    clients = connect(environment)
    ready()
    serve(clients, loaded.config.serving.endpoint, print)
    return 0


def sample_data(environment: Environment, ready: Ready) -> int:
    """The tables of the example problem, into the environment's BigQuery."""
    from plumbline.adapters.sample_data import load_sample_data  # noqa: PLC0415 - only this command needs it

    clients = connect(environment)
    ready()
    for name, rows in load_sample_data(clients.bigquery(), clients.place).items():
        print(f"{name}: {rows:,} rows")
    return 0


def load_table(environment: Environment, ready: Ready, *, table: str, file: Path) -> int:
    """A table of one's own, from a file into the environment's BigQuery."""
    from plumbline.adapters.table_files import load_file  # noqa: PLC0415 - only this command needs it

    clients = connect(environment)
    ready()
    print(f"{table}: {load_file(clients.bigquery(), clients.place, table, file):,} rows")
    return 0


def now() -> dt.datetime:
    """The time, in UTC."""
    return dt.datetime.now(dt.UTC)
