"""Rows whose scores are known, to ask an endpoint about, and whether its answers are right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from plumbline.dataset import read_split
from plumbline.errors import DataError, ModelError
from plumbline.features import Features, to_instances

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Probe:
    """Rows with the scores that they must get online."""

    instances: tuple[Mapping[str, object], ...]
    scores: Scores
    tolerance: float


def make_probe(dataset: Path, scores: Path, features: Features, *, rows: int, tolerance: float) -> Probe:
    """`rows` rows of the test split, evenly spread over it, with the candidate's offline scores.

    Args:
        dataset: The dataset's folder.
        scores: Parquet file with a column `candidate`, in the order of the test split.
        features: What the model is given.
        rows: How many at most.
        tolerance: Largest accepted difference of a score.

    Raises:
        DataError: There are no rows, or not one score for each.
    """
    table = read_split(dataset, "test")
    known = pq.read_table(scores, columns=["candidate"]).column("candidate").to_numpy()
    if len(known) != table.num_rows or not len(known):
        raise DataError(f"wanted a score for each of the {table.num_rows} test rows (at least 1), got {len(known)}")
    chosen = np.unique(np.linspace(0, table.num_rows - 1, num=rows).astype(np.int64))
    return Probe(to_instances(table.take(chosen), features), known[chosen].astype(np.float64), tolerance)


def check_smoke(online: Sequence[float], offline: Scores, *, tolerance: float) -> float:
    """The largest difference between the online scores of some rows and the offline scores of the same rows.

    Raises:
        ModelError: It exceeds the tolerance, a score is not finite, or there are not as many answers as rows.
    """
    answers = np.asarray(online, dtype=np.float64)
    if answers.shape != offline.shape or not answers.size:
        raise ModelError(f"smoke test: wanted {offline.size} online scores (at least 1), got {answers.size}")
    if not (np.isfinite(answers).all() and np.isfinite(offline).all()):
        raise ModelError("smoke test: a score is not finite")
    difference = np.abs(answers - offline)
    worst = int(difference.argmax())
    if difference[worst] > tolerance:
        raise ModelError(
            f"smoke test: row {worst} scores {answers[worst]:.6f} online and {offline[worst]:.6f} offline, "
            f"more than {tolerance:g} apart; the traffic stays where it was"
        )
    return float(difference[worst])
