"""Shapley values of a score: how much each column of an instance has moved it from what is usual.

A column is a player; a value that is not known is that of a background row. With the log-odds g of the score, an
instance x and background rows b, the values of all columns add up to g(x) less the mean of g(b), exactly.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plumbline.features import Arrays

Floats = npt.NDArray[np.float64]
Score = Callable[[Arrays], Floats]
"""Scores (n,) of raw columns, each of shape (n,)."""
ATTRIBUTIONS = "attributions"
"""The signature of a SavedModel that explains its scores by integrated gradients, and what it gives."""
_ROWS = 16_384
"""That are scored in one call, about."""
_SMALL = 1e-7
"""Scores are kept this far from 0 and 1, where log-odds end."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """The values of n instances of d columns."""

    columns: tuple[str, ...]
    values: Floats
    """In log-odds, shape (n, d)."""
    base: float
    """The mean log-odds of the background rows."""


def log_odds(scores: Floats) -> Floats:
    """ln(p / (1 - p)) of scores in [0, 1], of the same shape."""
    kept = np.clip(scores, _SMALL, 1 - _SMALL)
    return np.log(kept) - np.log1p(-kept)


def evaluations(columns: int, permutations: int) -> int:
    """How many scores an instance costs."""
    return 2 * permutations * (columns + 1)


def sampled_shapley(
    score: Score, instances: Arrays, background: Arrays, *, permutations: int, seed: int
) -> Attribution:
    """The Shapley values of instances, by random orders in which their columns become known.

    In each order, and in its reverse, the columns change one by one from a background row's values to the instance's; a
    column's value is the mean of what its change did. Order number i has background row i.

    Source: Castro, Gomez, Tejada, "Polynomial calculation of the Shapley value based on sampling", Computers &
    Operations Research 36, 2009; the reverse orders: Mitchell, Cooper, Frank, Holmes, "Sampling permutations for
    Shapley value estimation", JMLR 23, 2022, section 3.

    Args:
        score: The model.
        instances: Raw columns, each of shape (n,).
        background: Rows that stand for what is usual, each of shape (b,).
        permutations: Random orders; their number is what the cost grows with.
        seed: Of the orders.
    """
    columns = tuple(instances)
    count = len(instances[columns[0]])
    total, base = np.zeros((count, len(columns))), 0.0
    orders = list(_orders(len(columns), permutations, seed))
    walks = [_walk(instances, background, order, row=number // 2) for number, order in enumerate(orders)]
    at_once = max(1, _ROWS // (count * (len(columns) + 1)))
    for start in range(0, len(orders), at_once):
        some = walks[start : start + at_once]
        rows = {name: np.concatenate([walk[name] for walk in some]) for name in columns}
        steps = log_odds(score(rows)).reshape(len(some), len(columns) + 1, count)
        for order, values in zip(orders[start : start + at_once], steps, strict=True):
            total[:, order] += np.diff(values, axis=0).T
            base += float(values[0, 0])
    return Attribution(columns, total / len(orders), base / len(orders))


def _orders(columns: int, permutations: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    for _ in range(permutations):
        order = random.permutation(columns)
        yield order
        yield order[::-1]


def _walk(instances: Arrays, background: Arrays, order: npt.NDArray[np.int64], *, row: int) -> Arrays:
    """The instances while the columns become known in an order: from none to all d of them, each of (d + 1) n rows."""
    columns = list(instances)
    usual = {name: values[row % len(values)] for name, values in background.items()}
    rank = np.empty(len(columns), np.int64)
    rank[order] = np.arange(len(columns))
    steps = np.arange(len(columns) + 1)[:, None]
    return {
        name: np.where(steps > rank[place], instances[name][None, :], usual[name]).reshape(-1)
        for place, name in enumerate(columns)
    }
