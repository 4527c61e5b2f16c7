"""What ingest and validate cost: against reading and throwing away, and on ten and thirty times the flights.

Each figure is of a process of its own, so that its peak of memory is its own: `python -m tests.benchmarks.ingest STEP
TABLE FOLDER` is one of them.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from plumbline.adapters import bigquery as bq
from plumbline.adapters.clients import Clients
from plumbline.adapters.ingestion import write_splits
from plumbline.adapters.sample_data import load_sample_data
from plumbline.config import Loaded, load_problem
from plumbline.dataset import SPLITS, stored_rows
from plumbline.environment import Place
from plumbline.ingestion import wanted_columns, windows, within
from plumbline.problem import ProblemConfig
from plumbline.query import fill
from plumbline.validation import validate
from tests.benchmarks.memory import peak_mb
from tests.contract.conftest import LOCATION, PROJECT, start_emulator, stop_emulator

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs" / "flights.yaml"
PLACE = Place(project=PROJECT, location=LOCATION, bucket="benchmark", dataset="benchmark", bigquery_location=LOCATION)
TIMES = (1, 10, 30)
"""How often the flights are there. A hundred times is 33 million rows: too long for every run of the benchmark."""
COMPARED = 10
_RATE, _LINEAR, _MEMORY = 0.6, 1.2, 1.5
_LIMIT = 10**12
Row = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Cost:
    """One process."""

    seconds: float
    """Of the work itself, without imports."""
    megabytes: float
    """Largest resident memory."""


def measure() -> Sequence[Row]:
    """What was measured, what was wanted and what was found."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _emulator(folder) as environ:
            _tables(Clients(PLACE, environ), load_problem(CONFIG))
            costs = {times: _costs(times, folder, environ) for times in TIMES}
            rate = _rate(folder, environ, costs[COMPARED]["ingest"])
    return [rate, *_growth(costs)]


@contextmanager
def _emulator(folder: Path) -> Iterator[Mapping[str, str]]:
    emulator = start_emulator(folder / "state")
    try:
        yield emulator.environment
    finally:
        stop_emulator(emulator.process)


def _tables(clients: Clients, problem: Loaded) -> None:
    """The features table, and tables in which its rows are there several times, each time under other keys."""
    client, data = clients.bigquery(), problem.config.data
    load_sample_data(client, PLACE, only=data.tables)
    filled = fill(problem.sql, {table: bq.full_name(PLACE, table) for table in data.tables})
    bq.materialise(client, filled, _table(1), maximum_bytes=_LIMIT, labels={})
    (key,) = data.key
    for times in TIMES[1:]:
        copies = f"`{_table(1)}` CROSS JOIN UNNEST(GENERATE_ARRAY(1, {times})) AS copy"
        columns = ", ".join(name for name in wanted_columns(data) if name != key)
        renamed = f"CONCAT({key}, '-', CAST(copy AS STRING)) AS {key}"
        sql = f"SELECT {renamed}, {columns} FROM {copies}"  # noqa: S608 - names of the config
        bq.materialise(client, sql, _table(times), maximum_bytes=_LIMIT, labels={})


def _table(times: int) -> str:
    return bq.full_name(PLACE, f"features_{times}")


def _costs(times: int, folder: Path, environ: Mapping[str, str]) -> Mapping[str, Cost]:
    return {step: _run(step, times, folder, environ) for step in ("ingest", "validate")}


def _run(step: str, times: int, folder: Path, environ: Mapping[str, str]) -> Cost:
    command = [sys.executable, "-m", "tests.benchmarks.ingest", step, _table(times), str(folder / f"dataset_{times}")]
    done = subprocess.run(command, cwd=ROOT, env=dict(environ), check=True, capture_output=True, text=True)
    return Cost(**json.loads(done.stdout))


def _rate(folder: Path, environ: Mapping[str, str], first: Cost) -> Row:
    """Reading and throwing away, before and after an ingest, so that other work on the machine weighs on both."""
    before = _run("discard", COMPARED, folder, environ)
    again = _run("ingest", COMPARED, folder, environ)
    after = _run("discard", COMPARED, folder, environ)
    discard, ingest = (min(pair, key=lambda cost: cost.seconds) for pair in ((before, after), (first, again)))
    what = f"ingest of {COMPARED} times the flights: rate against that of reading and throwing away"
    costs = "; reading alone ".join(f"{cost.seconds:.1f} s, {cost.megabytes:.0f} MB" for cost in (ingest, discard))
    return (what, f"at least {_RATE:.0%}", f"{discard.seconds / ingest.seconds:.0%} ({costs})")


def _growth(costs: Mapping[int, Mapping[str, Cost]]) -> Iterator[Row]:
    """Time for each row, and memory, against those of the flights as they are."""
    one = costs[TIMES[0]]
    for step in ("ingest", "validate"):
        for times in TIMES[1:]:
            found = costs[times][step]
            slower = found.seconds / times / one[step].seconds
            time_found = f"{slower:.2f} ({one[step].seconds:.1f} s, {found.seconds:.1f} s)"
            yield (f"{step}, {times} times the flights: time a row against once", f"at most {_LINEAR}", time_found)
            larger = found.megabytes / one[step].megabytes
            memory = f"{larger:.2f} ({one[step].megabytes:.0f} MB, {found.megabytes:.0f} MB)"
            yield (f"{step}, {times} times the flights: peak memory against once", f"at most {_MEMORY}", memory)


def _discard(problem: ProblemConfig, table: str, _: Path) -> None:
    reader, data = Clients(PLACE, os.environ).bigquery_read(), problem.data
    for split in SPLITS:
        where = within(windows(data)[split], data.time)
        for _batch in bq.read_table(reader, table, columns=wanted_columns(data), where=where):
            pass


def _ingest(problem: ProblemConfig, table: str, folder: Path) -> None:
    write_splits(Clients(PLACE, os.environ).bigquery_read(), problem.data, table, folder)


def _validate(problem: ProblemConfig, _: str, folder: Path) -> None:
    validate({split: stored_rows(folder, split) for split in SPLITS}, problem.data, problem.validation)


_STEPS: Mapping[str, Callable[[ProblemConfig, str, Path], None]] = {
    "discard": _discard,
    "ingest": _ingest,
    "validate": _validate,
}


def main(argv: Sequence[str]) -> None:
    """Prints what one step has taken."""
    step, table, folder = argv
    problem = load_problem(CONFIG).config
    start = time.perf_counter()
    _STEPS[step](problem, table, Path(folder))
    seconds = time.perf_counter() - start
    sys.stdout.write(json.dumps({"seconds": seconds, "megabytes": peak_mb()}))


if __name__ == "__main__":
    main(sys.argv[1:])
