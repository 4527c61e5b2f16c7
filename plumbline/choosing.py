"""The decision threshold by a rule: tried at every place between two scores of the validation split.

Scores are counted by segment, so that memory does not grow with the rows. A segment is a stretch of scores that differ
by less than 1 in 16,000 of themselves; there is no threshold within one, and between any two of them there is.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plumbline.operating_point import Rule

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_DROPPED_BITS = 9
"""Of a float32's 23 bits after the point: 14 are left."""
_LEAST = np.float32(2.0**-32)
"""Smaller scores are all in one segment."""
_SEGMENTS = 32 * 2 ** (23 - _DROPPED_BITS) + 1
"""Of 32 powers of two, and the one of scores of 1."""


class Division:
    """The rows of a model by segment of their score."""

    def __init__(self) -> None:
        self.rows = self.positive_rows = 0
        self._weights = np.zeros(2 * _SEGMENTS)
        """Negative rows, then positive ones."""
        self._low, self._high = np.full(_SEGMENTS, np.inf), np.full(_SEGMENTS, -np.inf)

    def add(self, scores: Floats, positive: npt.NDArray[np.bool_], weights: Floats | None) -> None:
        """Counts some rows.

        Args:
            scores: Of n rows, in [0, 1]; shape (n,).
            positive: Whether a row is positive, shape (n,).
            weights: How much a row counts, shape (n,); None where all count the same.
        """
        place = _segment(scores)
        np.add.at(self._weights, place + positive * _SEGMENTS, 1.0 if weights is None else weights)
        np.minimum.at(self._low, place, scores)
        np.maximum.at(self._high, place, scores)
        self.rows += scores.size
        self.positive_rows += int(positive.sum())

    def cuts(self) -> "Cuts":
        """Every way to divide the rows between two segments."""
        seen = np.flatnonzero(self._low <= self._high)[::-1]
        above = np.cumsum(self._weights.reshape(2, -1)[:, seen], axis=1)
        fp, tp = np.concatenate([np.zeros((2, 1)), above], axis=1)
        # Above all scores, between each two, and under all of them.
        upper, lower = np.concatenate([[1.0], self._low[seen]]), np.concatenate([self._high[seen], [0.0]])
        middle = (upper + lower) / 2
        threshold = np.where(middle < upper, middle, lower)
        # A threshold lies within (0, 1): rows of score 1 cannot be below it, nor rows of score 0 above.
        inside = (threshold > 0) & (threshold < 1)
        return Cuts(threshold[inside], tp[inside], fp[inside], float(tp[-1]), float(fp[-1]))


@dataclass(frozen=True, slots=True)
class Choice:
    """A threshold, and what came of it on the rows that it was chosen on."""

    threshold: float
    explanation: str
    reached: bool
    """Whether the rule could be met."""


@dataclass(frozen=True, slots=True)
class Cuts:
    """Ways to divide the rows by score, from the highest threshold to the lowest; each array has shape (cuts,)."""

    threshold: Floats
    tp: Floats
    """Weight of the positive rows above the threshold."""
    fp: Floats
    positives: float
    """Weight of all positive rows."""
    negatives: float

    @property
    def precision(self) -> Floats:
        """Of the rows above each threshold; 0 where there is none."""
        above = self.tp + self.fp
        return np.divide(self.tp, above, out=np.zeros_like(above), where=above > 0)

    @property
    def recall(self) -> Floats:
        """At each threshold."""
        return self.tp / self.positives


def _segment(scores: Floats) -> Integers:
    """The segment of each score, shape (n,): float32s have the order of their bits as whole numbers."""
    bits = np.maximum(scores.astype(np.float32), _LEAST).view(np.int32)
    return (bits >> _DROPPED_BITS).astype(np.int64) - (int(_LEAST.view(np.int32)) >> _DROPPED_BITS)


def choose(division: Division, rule: Rule, *, rows: int = 1, positives: int = 1) -> Choice:
    """The threshold that the rule asks for; of several that serve as well, the highest.

    A threshold lies in the middle between two scores, so that a last digit does not change a decision.

    Args:
        division: The rows that it is chosen on.
        rule: How to choose.
        rows: How many rows there must be; with fewer, or of one class, the rule is not met.
        positives: How many of them must be positive.
    """
    found = f"{division.positive_rows} of {division.rows} validation rows are positive"
    cuts = division.cuts()
    if not 0 < cuts.positives < cuts.positives + cuts.negatives:
        return Choice(0.5, f"no threshold can be chosen: {found}", reached=False)
    place, wanted, reached = _best(cuts, rule)
    text = f"{wanted}: precision {cuts.precision[place]:.3f}, recall {cuts.recall[place]:.3f} on the validation split"
    if not reached:
        text = f"{text}, so the rule is not met"
    if division.rows < rows or division.positive_rows < positives:
        text, reached = f"{text}, on too few rows: {found}, wanted {positives} of {rows}", False
    return Choice(float(cuts.threshold[place]), text, reached=reached)


def _best(cuts: Cuts, rule: Rule) -> tuple[int, str, bool]:
    """The place of the best cut, what it is in words, and whether it is what the rule asks for."""
    if rule.costs is not None:
        one, other = rule.costs.false_positive, rule.costs.false_negative
        cost = cuts.fp * one + (cuts.positives - cuts.tp) * other
        return int(np.argmin(cost)), f"least cost at {one:g} a false alarm and {other:g} a miss", True
    if rule.f_beta is not None:
        return int(np.argmax(_f_beta(cuts, rule.f_beta))), f"highest F-{rule.f_beta:g}", True
    if rule.precision is not None:
        return _limited(cuts.recall, cuts.precision, rule.precision, "highest recall at a precision of at least")
    return _limited(cuts.precision, cuts.recall, rule.recall or 0.0, "highest precision at a recall of at least")


def _limited(best: Floats, limited: Floats, least: float, words: str) -> tuple[int, str, bool]:
    """The best of the cuts that reach a limit; where none does, the one that comes nearest."""
    reaches = limited >= least
    if not reaches.any():
        return int(np.argmax(limited)), f"{words} {least:g}", False
    return int(np.argmax(np.where(reaches, best, -1.0))), f"{words} {least:g}", True


def _f_beta(cuts: Cuts, beta: float) -> Floats:
    """(1 + b^2) tp / ((1 + b^2) tp + b^2 fn + fp). Source: van Rijsbergen, Information Retrieval, 1979, chapter 7."""
    square = beta * beta
    found = (1 + square) * cuts.tp
    whole = found + square * (cuts.positives - cuts.tp) + cuts.fp
    return np.divide(found, whole, out=np.zeros_like(found), where=whole > 0)
