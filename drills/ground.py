"""Where drills take place: an emulator, a sample of the flights, and copies of the code to be spoilt."""

import copy
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from drills.drill import STATUS, Caught, Config, Drill, Edit, Fault
from emulator.aiplatform.ports import free_ports
from pipelines.code import ROOT
from pipelines.session import connect
from plumbline.adapters.bigquery import ensure_dataset, full_name, materialise, read_table
from plumbline.adapters.clients import Clients
from plumbline.adapters.sample_data import load_sample_data
from plumbline.adapters.table_files import load_file
from plumbline.config import load_environment, load_problem
from plumbline.environment import Environment
from plumbline.errors import ServiceError
from plumbline.query import fill

TABLE = "departures"
"""The source table of every drill: the example's features as columns, and what is known only afterwards."""
AFTERWARDS = ("arrival_delay", "departure_delay", "air_time")
_ONE_IN = 8
_SEED = 11
_START_S = 60.0
_TIMEOUT_S = 280
_FOLDERS = ("components", "configs", "containers", "emulator", "pipelines", "plumbline", "serving", "trainer")
_FILES = ("pyproject.toml", "uv.lock")
_FIRST = "  timed.flight_id,\n"


@dataclass(frozen=True, slots=True)
class Ended:
    """What a user saw."""

    status: int
    said: str
    report: str
    """The HTML of the run's report, empty where it has none."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A folder with an emulator of its own, and the code that runs there."""

    folder: Path
    env: Path
    environment: Environment
    clients: Clients
    code: Path
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def state(self) -> Path:
        """The state folder of the commands."""
        return self.folder / "state"

    def run(self, drill: str, fault: Fault, sample: pa.Table, base: Config) -> Ended:
        """Runs the pipeline with a fault in it."""
        folder = self.folder / drill
        folder.mkdir(parents=True, exist_ok=True)
        config = self._prepare(drill, fault, sample, copy.deepcopy(base), folder)
        ended = self._command(config)
        if fault.then:
            edit(self.code, fault.then)
            ended = self._command(config)
        return ended

    def _prepare(self, drill: str, fault: Fault, sample: pa.Table, config: Config, folder: Path) -> Path:
        """The config of a drill, with its table loaded and its query beside it."""
        table = f"{TABLE}_{drill}"
        config["name"], config["data"]["tables"], config["data"]["query"] = drill, [table], "query.sql"
        wanted = columns(config)
        fault.config(config)
        path = folder / "problem.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        further = [f"{sql} AS {name}" for name, sql in fault.select.items()]
        selected = "*" if fault.star else ",\n  ".join([*wanted, *further])
        (folder / "query.sql").write_text(f"SELECT\n  {selected}\nFROM {{{table}}}\n", encoding="utf-8")
        file = folder / "rows.parquet"
        pq.write_table(fault.rows(sample), file)
        # The clients may be shared; a load at a time is as fast as two.
        with self.lock:
            ensure_dataset(self.clients.bigquery(), self.clients.place)
            load_file(self.clients.bigquery(), self.clients.place, table, file)
        return path

    def _command(self, config: Path) -> Ended:
        command = [sys.executable, "-m", "pipelines", "run-local", "--config", str(config), "--env", str(self.env)]
        command += ["--state", str(self.state)]
        done = subprocess.run(
            command,
            cwd=self.code,
            env=environ(self.code),
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
        said = done.stdout + done.stderr
        written = re.search(r"^  report +(\S+\.html)$", said, re.MULTILINE)
        report = Path(written[1]).read_text(encoding="utf-8") if written else ""
        return Ended(done.returncode, said, report)


@contextmanager
def ground(folder: Path, *, code: Path = ROOT) -> Iterator[Ground]:
    """A ground whose emulator ends with it.

    Args:
        folder: For all that it needs; what was in it is gone.
        code: The checkout that runs, which may be a spoilt copy.
    """
    shutil.rmtree(folder, ignore_errors=True)
    state = folder / "state" / "emulator"
    state.mkdir(parents=True)
    env = folder / "env.yaml"
    env.write_text(yaml.safe_dump(_environment()), encoding="utf-8")
    environment = load_environment(env)
    # Started by hand, it is used by every command of the ground as it is.
    with (folder / "emulator.log").open("wb") as log:
        process = subprocess.Popen(
            _emulator(environment, state), cwd=code, env=environ(code), stdout=log, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + _START_S
        while not (state / "endpoints.json").is_file():
            if process.poll() is not None or time.monotonic() > deadline:
                raise ServiceError(f"the emulator does not start: see {folder / 'emulator.log'}")
            time.sleep(0.05)
        yield Ground(folder, env, environment, connect(environment), code)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _emulator(environment: Environment, state: Path) -> list[str]:
    """The command that starts an environment's emulator."""
    named = environment.endpoints
    assert named is not None  # noqa: S101 - of a ground's environment, which is made here
    command = [sys.executable, "-m", "emulator", "--warm", "--exit-with-parent", "--state", str(state)]
    command += ["--project", environment.project, "--location", environment.location]
    addresses = {
        "--port": named.aiplatform,
        "--bigquery-port": named.bigquery,
        "--bigquery-storage-port": f"//{named.bigquery_storage}",
        "--storage-port": named.storage,
    }
    return command + [part for option, at in addresses.items() for part in (option, str(urlsplit(at).port))]


def sample(at: Ground) -> pa.Table:
    """One in eight flights with the example's features, and with what is known only afterwards."""
    client, place = at.clients.bigquery(), at.clients.place
    loaded = load_problem(ROOT / "configs" / "flights.yaml")
    load_sample_data(client, place, only=loaded.config.data.tables)
    further = "".join(f"  timed.{name},\n" for name in AFTERWARDS)
    query = fill(loaded.sql, {name: full_name(place, name) for name in loaded.config.data.tables})
    assert query.count(_FIRST) == 1, f"the query of the example has no line {_FIRST!r} any more"  # noqa: S101 - of drills, which are tests
    table = full_name(place, TABLE)
    materialise(client, query.replace(_FIRST, _FIRST + further), table, maximum_bytes=10**9, labels={})
    names = [field.name for field in client.get_table(table).schema]
    rows = pa.Table.from_batches(list(read_table(at.clients.bigquery_read(), table, columns=names)))
    rows = rows.replace_schema_metadata().sort_by("flight_id")
    chosen = np.random.default_rng(_SEED).random(rows.num_rows) < 1 / _ONE_IN
    return rows.filter(pa.array(chosen)).combine_chunks()


def spoilt_copy(folder: Path, edits: tuple[Edit, ...]) -> Path:
    """A copy of the code with some places said otherwise."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in _FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in _FILES:
        shutil.copy(ROOT / name, folder / name)
    edit(folder, edits)
    return folder


def edit(code: Path, edits: tuple[Edit, ...]) -> None:
    """Makes the edits.

    Raises:
        ValueError: A place is not there, or is there twice.
    """
    for one in edits:
        path = code / one.file
        text = path.read_text(encoding="utf-8")
        if text.count(one.old) != 1:
            raise ValueError(f"{one.file} has {one.old!r} {text.count(one.old)} times, wanted once")
        path.write_text(text.replace(one.old, one.new), encoding="utf-8")


def misses(wanted: Caught, ended: Ended) -> list[str]:
    """What is not as it should be when the fault is caught; empty where it was."""
    found = [] if ended.status == STATUS[wanted.outcome] else [f"exit status {ended.status}, wanted {wanted.outcome}"]
    found += [f"it does not say {said!r}" for said in wanted.says if not re.search(said, ended.said)]
    found += [f"it says {said!r}" for said in wanted.silent if re.search(said, ended.said)]
    return found + [f"the report does not say {said!r}" for said in wanted.report if not re.search(said, ended.report)]


def environ(code: Path) -> Mapping[str, str]:
    """The environment in which a checkout runs, wherever the packages were installed from."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept if code == ROOT else {**kept, "PYTHONPATH": str(code)}


def needs_copy(drill: Drill) -> bool:
    """Whether the fault is one of the code."""
    return bool(drill.fault.code or drill.fault.then)


def columns(config: Config) -> list[str]:
    """The columns that a sound query gives."""
    data = config["data"]
    declared = {**data["features"], **data["attributes"]}
    named = [*data["key"], data["time"], data["label"]["column"], *(c.get("column", n) for n, c in declared.items())]
    return list(dict.fromkeys(named))


def _environment() -> Config:
    content: Config = yaml.safe_load((ROOT / "configs" / "env" / "local.yaml").read_text(encoding="utf-8"))
    names, ports = ("aiplatform", "bigquery", "bigquery_storage", "storage"), free_ports(4)
    content["endpoints"] = {
        name: f"127.0.0.1:{port}" if name == "bigquery_storage" else f"http://127.0.0.1:{port}"
        for name, port in zip(names, ports, strict=True)
    }
    return content
