"""Rows whose scores are known, to ask an endpoint about."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from plumbline.dataset import read_split
from plumbline.deployment import Scores
from plumbline.errors import DataError
from plumbline.features import Features, to_instances


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
