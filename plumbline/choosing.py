"""The decision threshold by a rule: tried at every place between two scores of the validation split."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plumbline.errors import ModelError
from plumbline.operating_point import Rule

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Choice:
    """A threshold, and what came of it on the rows that it was chosen on."""

    threshold: float
    explanation: str
    reached: bool
    """Whether the rule could be met."""


@dataclass(frozen=True, slots=True)
class _Cuts:
    """Every way to divide the rows by score, from the highest threshold to the lowest; each array has shape (cuts,)."""

    threshold: Floats
    tp: Floats
    """Weight of the positive rows above the threshold."""
    fp: Floats
    positives: float

    @property
    def precision(self) -> Floats:
        above = self.tp + self.fp
        return np.divide(self.tp, above, out=np.zeros_like(above), where=above > 0)

    @property
    def recall(self) -> Floats:
        return self.tp / self.positives


def choose(scores: Floats, positive: npt.NDArray[np.bool_], weights: Floats | None, rule: Rule) -> Choice:
    """The threshold that the rule asks for; of several that serve as well, the highest.

    A threshold lies in the middle between two scores, so that a last digit does not change a decision.

    Args:
        scores: Of n rows, in [0, 1]; shape (n,).
        positive: Whether a row is positive, shape (n,).
        weights: How much a row counts, shape (n,); None where all count the same.
        rule: How to choose.

    Raises:
        ModelError: A score is not a number in [0, 1].
    """
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ModelError("a score of a validation row is not a number in [0, 1]")
    if not 0 < positive.sum() < positive.size:
        found = f"{int(positive.sum())} of {positive.size} validation rows are positive"
        return Choice(0.5, f"no threshold can be chosen: {found}", reached=False)
    cuts = _cuts(scores, positive, np.ones(scores.size) if weights is None else weights)
    place, wanted, reached = _best(cuts, rule)
    found = f"precision {cuts.precision[place]:.3f}, recall {cuts.recall[place]:.3f}"
    text = f"{wanted}: {found} on the validation split"
    return Choice(float(cuts.threshold[place]), text if reached else f"{text}, so the rule is not met", reached=reached)


def _cuts(scores: Floats, positive: npt.NDArray[np.bool_], weights: Floats) -> _Cuts:
    values, group = np.unique(-scores, return_inverse=True)
    values = -values
    tp = np.cumsum(np.bincount(group, weights * positive, values.size))
    fp = np.cumsum(np.bincount(group, weights * ~positive, values.size))
    # Above all scores, and under each of them.
    tp, fp = np.concatenate([[0.0], tp]), np.concatenate([[0.0], fp])
    upper, lower = np.concatenate([[1.0], values]), np.concatenate([values, [0.0]])
    middle = (upper + lower) / 2
    threshold = np.where(middle < upper, middle, lower)
    # A threshold lies within (0, 1): rows of score 1 cannot be below it, nor rows of score 0 above.
    inside = (threshold > 0) & (threshold < 1) & ((upper > lower) | (np.arange(upper.size) == 0))
    return _Cuts(threshold[inside], tp[inside], fp[inside], float(tp[-1]))


def _best(cuts: _Cuts, rule: Rule) -> tuple[int, str, bool]:
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


def _f_beta(cuts: _Cuts, beta: float) -> Floats:
    """(1 + b^2) tp / ((1 + b^2) tp + b^2 fn + fp). Source: van Rijsbergen, Information Retrieval, 1979, chapter 7."""
    square = beta * beta
    found = (1 + square) * cuts.tp
    whole = found + square * (cuts.positives - cuts.tp) + cuts.fp
    return np.divide(found, whole, out=np.zeros_like(found), where=whole > 0)
