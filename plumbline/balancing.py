"""Over- and undersampling: how often each training row is taken, and what that does to the scores."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plumbline.imbalance import Balance, Imbalance
from plumbline.weighting import Weights

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


_ROUNDING = 1e-9
"""A factor such as 1/3 may lie below its value: the third row of three is taken all the same."""


@dataclass(frozen=True, slots=True)
class Copies:
    """How often a row of each class is taken, on average; 1 and 1 leave everything as it is."""

    negative: float
    positive: float


def copies(positives: int, negatives: int, imbalance: Imbalance) -> Copies:
    """What brings the positive rows to the wanted share; nothing is done where they have it already.

    Args:
        positives: Rows, at least one.
        negatives: Rows, at least one.
        imbalance: Method and share `s`: s = p / (p + n) for the p positive and n negative rows that are taken.
    """
    wanted = imbalance.share / (1 - imbalance.share)
    if positives >= wanted * negatives:
        return Copies(1.0, 1.0)
    if imbalance.method == "oversample":
        return Copies(1.0, wanted * negatives / positives)
    if imbalance.method == "undersample":
        return Copies(positives / wanted / negatives, 1.0)
    return Copies(1.0, 1.0)


def taken(stretches: Iterable[Floats], of: Copies) -> Iterator[Indices]:
    """The rows to take of each stretch, by their place in it; a row that is taken twice is there twice.

    Of the first i rows of a class, floor(i x copies) are taken: so the share is exact, the rows left out are spread
    evenly over the split, and the same rows are taken each time.

    Args:
        stretches: Labels (n,) of one stretch after the other, 1 for a positive row.
        of: How often.
    """
    seen = {True: 0, False: 0}
    for labels in stretches:
        times = np.zeros(labels.size, np.int64)
        for positive, factor in ((True, of.positive), (False, of.negative)):
            places = np.flatnonzero((labels > 0) == positive)
            ends = np.floor(np.arange(seen[positive], seen[positive] + places.size + 1) * factor + _ROUNDING)
            times[places] = np.diff(ends).astype(np.int64)
            seen[positive] += places.size
        yield np.repeat(np.arange(labels.size), times)


def counts(positives: int, negatives: int, of: Copies) -> tuple[int, int]:
    """How many positive and negative rows `taken` gives of so many."""
    return math.floor(positives * of.positive + _ROUNDING), math.floor(negatives * of.negative + _ROUNDING)


def balance(imbalance: Imbalance, weights: Weights, *, known: tuple[int, int], trained: tuple[int, int]) -> Balance:
    """What balancing has come to.

    Args:
        imbalance: The method.
        weights: Of the rows that are trained on.
        known: Positive and negative rows of the training split.
        trained: Positive and negative rows that are trained on.
    """
    heavy, light = trained[0] * weights.positive, trained[1] * weights.negative
    return Balance(
        method=imbalance.method,
        prevalence=known[0] / sum(known),
        trained=heavy / (heavy + light),
        rows=sum(trained),
    )


def shift(found: Balance, imbalance: Imbalance) -> float:
    """What must be added to the log-odds of a score to bring it back to the true prevalence; 0 without correction.

    logit p - logit p', where p is the prevalence of the training split and p' the share that the loss saw.

    Source: Saerens, Latinne, Decaestecker, "Adjusting the outputs of a classifier to new a priori probabilities",
    Neural Computation 14, 2002, equation 2.4; Elkan, "The foundations of cost-sensitive learning", 2001, theorem 2.
    """
    if not imbalance.correct:
        return 0.0
    return _log_odds(found.prevalence) - _log_odds(found.trained)


def _log_odds(share: float) -> float:
    return math.log(share / (1 - share))
