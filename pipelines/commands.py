"""The commands that talk to Google's services, or to their emulators. Importing Google's clients takes seconds."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

from pipelines.code import code_digest
from pipelines.finish import finish
from pipelines.parameters import local_images
from pipelines.run import Request, linked, start, watch
from pipelines.serve import serve
from pipelines.session import connect
from plumbline.adapters.pipeline_jobs import cancel
from plumbline.adapters.sample_data import TABLES, load_sample_data
from plumbline.adapters.storage import ensure_bucket
from plumbline.adapters.table_files import load_file
from plumbline.config import Loaded
from plumbline.environment import Environment

Ready = Callable[[], None]
"""Returns once the emulator answers."""


def run_local(loaded: Loaded, environment: Environment, ready: Ready, state: Path) -> int:
    """The whole pipeline on this machine; the exit status."""
    clients, code = connect(environment), code_digest()
    images = local_images(environment, code)
    spec = linked(images)
    ready()
    ensure_bucket(clients.storage(), clients.place)
    sampled = [name for name in TABLES if name in loaded.config.data.tables]
    for name, rows in load_sample_data(clients.bigquery(), clients.place, only=sampled).items():
        print(f"sample data: {name}, {rows:,} rows")
    request = Request(loaded, environment, clients, code, images, spec)
    name = start(request, print, now=now)
    try:
        ended = watch(request, name, print)
    except KeyboardInterrupt:
        print("interrupted: ending the run; its report is still written")
        cancel(clients.pipelines(), name)
        ended = watch(request, name, print)
    return finish(ended, clients, print, folder=state / "runs" / ended.run_id).exit_status


def serve_local(loaded: Loaded, environment: Environment, ready: Ready) -> int:
    """The endpoint of the last run, until Ctrl-C."""
    clients = connect(environment)
    ready()
    serve(clients, loaded.config.serving.endpoint, print)
    return 0


def sample_data(environment: Environment, ready: Ready) -> int:
    """The tables of the example problem, into the environment's BigQuery."""
    clients = connect(environment)
    ready()
    for name, rows in load_sample_data(clients.bigquery(), clients.place).items():
        print(f"{name}: {rows:,} rows")
    return 0


def load(environment: Environment, ready: Ready, *, table: str, file: Path) -> int:
    """A table of one's own, from a file into the environment's BigQuery."""
    clients = connect(environment)
    ready()
    print(f"{table}: {load_file(clients.bigquery(), clients.place, table, file):,} rows")
    return 0


def now() -> dt.datetime:
    """The time, in UTC."""
    return dt.datetime.now(dt.UTC)
