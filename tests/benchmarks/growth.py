"""What the steps baseline and evaluate cost on one, ten and a hundred times the example's test rows.

Each figure is of a process of its own, so that its peak of memory is its own: `python -m tests.benchmarks.growth STEP
FOLDER` is one of them.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from plumbline.champion import Champion
from plumbline.config import load_problem
from plumbline.dataset import PART, split_path, stored
from plumbline.features import columns
from plumbline.problem import ColumnType, ProblemConfig
from tests.benchmarks.memory import peak_mb

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs" / "flights.yaml"
TIMES = (1, 10, 100)
ROWS = 54_000
_TRAINED = 20_000
_LINEAR, _MEMORY = 1.2, 1.5
_CATEGORIES: Mapping[str, int] = {"origin": 3, "carrier": 16, "destination": 100}
_SECONDS = 60 * 24 * 3600
"""Two months, as in the example."""
Row = tuple[str, str, str]


def measure() -> Sequence[Row]:
    """What was measured, what was wanted and what was found."""
    problem = load_problem(CONFIG).config
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _run("model", folder)
        return [row for step in ("baseline", "evaluate") for row in _growth(step, problem, folder)]


def _growth(step: str, problem: ProblemConfig, folder: Path) -> Iterator[Row]:
    costs = {}
    for times in TIMES:
        _grow(problem, folder, "test", ROWS * times)
        if step == "evaluate":
            _run("baseline", folder)
        costs[times] = _run(step, folder)
    first_s, first_mb = costs[1]
    for times in TIMES[1:]:
        seconds, megabytes = costs[times]
        slower = seconds / times / first_s
        what = f"{step}, {times} times the test rows"
        yield (
            f"{what}: time a row against once",
            f"at most {_LINEAR}",
            f"{slower:.2f} ({first_s:.1f} s, {seconds:.1f} s)",
        )
        memory = f"{megabytes / first_mb:.2f} ({first_mb:.0f} MB, {megabytes:.0f} MB)"
        yield f"{what}: peak memory against once", f"at most {_MEMORY}", memory


def _grow(problem: ProblemConfig, folder: Path, split: str, rows: int) -> None:
    """Random rows with the example's columns: what they cost does not depend on their values."""
    random = np.random.default_rng(0)
    parts = (_part(problem, random, start, min(PART, rows - start)) for start in range(0, rows, PART))
    for _ in stored(parts, split_path(folder, split)):  # type: ignore[arg-type]
        pass


def _part(problem: ProblemConfig, random: np.random.Generator, first: int, rows: int) -> pa.Table:
    made: Mapping[ColumnType, Callable[[str], pa.Array]] = {
        "numeric": lambda _: pa.array(random.normal(size=rows)),
        "boolean": lambda _: pa.array(random.random(rows) < 0.5),
        "categorical": lambda name: pa.array(random.integers(0, _CATEGORIES.get(name, 100), rows).astype(str)),
        "timestamp": lambda _: pa.array(random.integers(0, _SECONDS, rows), pa.timestamp("s")),
    }
    data = problem.data
    known = {**columns(data.features), **columns(data.attributes)}
    table = {name: made[kind](name) for name, kind in known.items()}
    table |= {name: pa.array(np.arange(first, first + rows).astype(str)) for name in data.key}
    table[data.label.column] = pa.array(random.random(rows) < 0.1)
    return pa.table(table)


def _run(step: str, folder: Path) -> tuple[float, float]:
    """Seconds of the work itself, and the largest memory of its process in MB."""
    command = [sys.executable, "-m", "tests.benchmarks.growth", step, str(folder)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    seconds, megabytes = json.loads(done.stdout.splitlines()[-1])
    return seconds, megabytes


def _model(problem: ProblemConfig, folder: Path) -> None:
    """A network as large as the example's; what it has learnt does not matter here."""
    from plumbline.signature import Signature, write_signature  # noqa: PLC0415 - as below
    from trainer.fit import compiled  # noqa: PLC0415 - TensorFlow, which the other steps may not have in memory
    from trainer.model import export  # noqa: PLC0415 - as above
    from trainer.preparation import prepare  # noqa: PLC0415 - as above

    for split in ("train", "validation"):
        _grow(problem, folder, split, _TRAINED)
    signature = Signature(name=problem.name, features=problem.data.features, label=problem.data.label)
    ready = prepare(folder, signature, problem.training, folder / "none")
    sizes = ready.encoder.layout.numbers, ready.encoder.cardinalities
    network = compiled(problem.training, ready.weights, sizes, positives=ready.positives)
    (folder / "model").mkdir()
    export(ready.encoder, network, problem.data.features, str(folder / "model"))
    write_signature(folder / "model", signature)


def _baseline(problem: ProblemConfig, folder: Path) -> None:
    from plumbline.baseline import historical_rates, needed, score_splits  # noqa: PLC0415 - only this step
    from plumbline.dataset import stored_rows  # noqa: PLC0415 - as above

    data, way = problem.data, problem.baseline
    rates = historical_rates(stored_rows(folder, "train").parts(needed(data, way.by)), data, way)
    score_splits(folder, data, rates, output=folder / "baselines")


def _evaluate(problem: ProblemConfig, folder: Path) -> None:
    from plumbline.adapters.evaluation import judge  # noqa: PLC0415 - only this step

    judge(
        problem.data,
        problem.evaluation,
        Champion(),
        dataset=folder,
        known=[folder / "baselines"],
        candidate=folder / "model",
        mount=folder,
        output=folder / "result",
        options={"runner": "DirectRunner"},
    )


_STEPS = {"model": _model, "baseline": _baseline, "evaluate": _evaluate}


def main(argv: Sequence[str]) -> None:
    """Prints what one step has taken."""
    step, folder = argv
    problem = load_problem(CONFIG).config
    start = time.perf_counter()
    _STEPS[step](problem, Path(folder))
    seconds = time.perf_counter() - start
    sys.stdout.write(json.dumps([seconds, peak_mb()]))


if __name__ == "__main__":
    main(sys.argv[1:])
