"""How fast the evaluation engine is, beside TFMA on the same rows, and what ten million rows take.

`python -m tests.benchmarks.evaluation --all` has TFMA take all 54,000 rows, which takes ten minutes.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.config import load_problem
from plumbline.measures import Measures
from plumbline.problem import Evaluation
from plumbline.vectorised import evaluate_batches

ROOT = Path(__file__).parents[2]
MODELS = ("candidate", "today", "champion")
ROWS = 54_000
MANY = 10_000_000
_PART = 5_000
"""Rows that TFMA is measured on, and the engine beside it: the more rows, the greater the ratio."""
_CHILD = """
import json, sys, time
import pyarrow.parquet as pq
from tests.benchmarks.evaluation import MODELS, evaluation
from tests.benchmarks.memory import peak_mb
from plumbline.vectorised import evaluate_batches
batches = pq.ParquetFile(sys.argv[1]).iter_batches(batch_size=2**18)
start, processor = time.perf_counter(), time.process_time()
evaluate_batches(batches, evaluation(), MODELS)
seconds, processor = time.perf_counter() - start, time.process_time() - processor
print(json.dumps([seconds, processor, peak_mb() / 1024]))
"""


def measure(*, whole: bool = False) -> Sequence[tuple[str, str, str]]:
    """What is measured, what is wanted, and what was found.

    Args:
        whole: Whether TFMA takes all rows. Otherwise both engines are compared on some of them.
    """
    table = rows(ROWS)
    ours = _ours(table)
    jackknife = _spent(
        lambda: evaluate_batches([table], replace(evaluation(), measures=Measures(intervals="jackknife")), MODELS)
    )
    compared = table if whole else table.slice(0, _PART)
    mine, theirs = _ours(compared).processor, _tfma(compared)
    many, peak = _many()
    return (
        ("evaluation: 54,000 rows, 3 models, slices of flights.yaml", "at most 1 s", str(ours)),
        ("evaluation: the same with intervals by the jackknife", "", str(jackknife)),
        (f"evaluation: `engine: tfma` on {compared.num_rows:,} rows", "", f"{theirs:.0f} s of the processor"),
        (f"evaluation: times less on the same {compared.num_rows:,} rows", "at least 200", f"{theirs / mine:.0f}"),
        ("evaluation: 10,000,000 rows from Parquet, 3 models", "at most 15 s and 1.5 GB", f"{many}, {peak:.2f} GB"),
    )


def evaluation() -> Evaluation:
    """That of the example, at a threshold that is not chosen first."""
    return replace(load_problem(ROOT / "configs" / "flights.yaml").config.evaluation, threshold=0.5)


def rows(count: int) -> pa.Table:
    """Rows like the example's test flights: three origins, sixteen carriers, nineteen hours, two months."""
    random = np.random.default_rng(0)
    late = random.random(count) < 0.1
    scores = {name: np.clip(random.beta(2, 8, count) + 0.1 * late, 0, 1) for name in MODELS}
    carriers = pa.array([f"carrier {i}" for i in range(16)])
    columns = {
        "origin": pa.array(["EWR", "JFK", "LGA"]).take(pa.array(random.integers(0, 3, count))),
        "carrier": carriers.take(pa.array(random.integers(0, 16, count))),
        "hour": random.integers(5, 24, count),
        "month": random.integers(11, 13, count),
    }
    return pa.table({"label": late.astype(np.int64), **scores, **columns})


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds, and those of the processor: the same however much other work there is."""

    seconds: float
    processor: float

    def __str__(self) -> str:
        """For the table."""
        return f"{self.seconds:.2f} s ({self.processor:.2f} s of the processor)"


def _seconds(spent: Spent) -> float:
    return spent.seconds


def _spent(work: Callable[[], object]) -> Spent:
    start, processor = time.perf_counter(), time.process_time()
    work()
    return Spent(time.perf_counter() - start, time.process_time() - processor)


def _ours(table: pa.Table) -> Spent:
    """The best of five."""
    return min((_spent(lambda: evaluate_batches([table], evaluation(), MODELS)) for _ in range(5)), key=_seconds)


def _tfma(table: pa.Table) -> float:
    """TFMA's seconds of the processor."""
    from plumbline.adapters.tfma import evaluate_with_tfma  # noqa: PLC0415 - its import takes seconds

    with tempfile.TemporaryDirectory() as folder:
        return _spent(lambda: evaluate_with_tfma(table, evaluation(), MODELS, folder)).processor


def _many() -> tuple[Spent, float]:
    """What a process spends that evaluates a file, and its largest memory in GB."""
    table = rows(MANY // 10)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/rows.parquet"
        with pq.ParquetWriter(path, table.schema) as writer:
            for _ in range(10):
                writer.write_table(table)
        del table
        child = [sys.executable, "-c", _CHILD, path]
        found = subprocess.run(child, cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, processor, peak = json.loads(found.stdout)
    return Spent(seconds, processor), peak


if __name__ == "__main__":
    for line in measure(whole="--all" in sys.argv):
        print(*line, sep=" | ")  # noqa: T201 - a command
