"""The commands that talk to Google's services, or to their emulators. Importing Google's clients takes seconds."""

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path

from pipelines import local
from pipelines.code import code_digest
from pipelines.finish import finish
from pipelines.parameters import local_images
from pipelines.run import Request, linked, run
from pipelines.serve import serve
from plumbline.adapters.clients import Clients
from plumbline.adapters.sample_data import TABLES, load_sample_data
from plumbline.adapters.storage import ensure_bucket
from plumbline.adapters.table_files import load_file
from plumbline.config import Loaded
from plumbline.environment import Environment, place

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
    ended = run(request, print, now=lambda: dt.datetime.now(dt.UTC))
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


def connect(environment: Environment) -> Clients:
    """Clients of an environment."""
    return Clients(place(environment), local.environ_for(environment, os.environ))
