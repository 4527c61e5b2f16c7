"""Metrics with their intervals from the sums of one model on one set of slices.

Everything here is of all slices at once: a column has shape (slices,). What is not defined is NaN.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from plumbline import interval
from plumbline.counters import Floats
from plumbline.histogram import Area, Histogram, calibration_error, pr_area, roc_area
from plumbline.measures import Intervals
from plumbline.scoreboard import Estimate, SliceKey
from plumbline.sums import Sliced, Sums

Cell = Literal["tn", "fp", "fn", "tp"]
Share = tuple[tuple[Cell, ...], tuple[Cell, ...]]
"""Which cells of the confusion matrix are counted, out of which."""

SHARES: Mapping[str, Share] = {
    "precision": (("tp",), ("tp", "fp")),
    "recall": (("tp",), ("tp", "fn")),
    "false_positive_rate": (("fp",), ("fp", "tn")),
    "false_negative_rate": (("fn",), ("fn", "tp")),
    "true_positive_rate": (("tp",), ("tp", "fn")),
    "true_negative_rate": (("tn",), ("tn", "fp")),
    "positive_rate": (("tp", "fp"), ("tn", "fp", "fn", "tp")),
    "negative_rate": (("tn", "fn"), ("tn", "fp", "fn", "tp")),
    "false_discovery_rate": (("fp",), ("fp", "tp")),
    "false_omission_rate": (("fn",), ("fn", "tn")),
    "negative_predictive_value": (("tn",), ("tn", "fn")),
    "accuracy": (("tp", "tn"), ("tn", "fp", "fn", "tp")),
    "prevalence": (("tp", "fn"), ("tn", "fp", "fn", "tp")),
}
"""Source of the names from false_positive_rate to false_omission_rate: Fairness Indicators."""


@dataclass(frozen=True, slots=True)
class Column:
    """A metric of every slice; low and high are NaN where there is no interval."""

    value: Floats
    low: Floats
    high: Floats

    def estimate(self, place: int) -> Estimate:
        """The metric of one slice."""
        found = (float(values[place]) for values in (self.value, self.low, self.high))
        value, low, high = (number if np.isfinite(number) else None for number in found)
        return Estimate(value=value, low=low, high=high)


@dataclass(frozen=True, slots=True)
class Measured:
    """All of one model on one set of slices."""

    model: str
    keys: tuple[SliceKey, ...]
    thresholds: tuple[float, ...]
    rows: Floats
    """How many rows are in each cell (tn, fp, fn, tp) at each threshold; shape (slices, thresholds, 4)."""
    weights: Floats
    """How much they weigh, likewise."""
    columns: Mapping[str, Column]
    """auc, auc_pr, calibration, calibration_error, mean_label, mean_prediction, by weight; shape (slices,)."""
    shares: tuple[Mapping[str, Column], ...]
    """SHARES at each threshold."""


@dataclass(frozen=True, slots=True)
class Interest:
    """How intervals are found."""

    method: Intervals
    confidence: float


def measure(model: str, sliced: Sliced, interest: Interest) -> Measured:
    """Everything that follows from the sums of a model."""
    whole = sliced.whole
    columns = {
        "auc": _area(sliced, roc_area, interest),
        "auc_pr": _area(sliced, pr_area, interest),
        "calibration": _ratio(sliced, interest),
        "calibration_error": plain(calibration_error(whole.histogram)),
        "mean_label": plain(_divided(whole.weight[:, :, 1].sum(axis=1), whole.weight.sum(axis=(1, 2)))),
        "mean_prediction": plain(_divided(whole.scores.sum(axis=(1, 2)), whole.weight.sum(axis=(1, 2)))),
    }
    places = range(len(whole.thresholds))
    return Measured(
        model,
        whole.keys,
        whole.thresholds,
        rows=_matrices(whole.rows),
        weights=_matrices(whole.weight),
        columns=columns,
        shares=tuple({name: _share(sliced, cells, i, interest) for name, cells in SHARES.items()} for i in places),
    )


def plain(value: Floats) -> Column:
    """A column without intervals, such as a count."""
    return Column(value, np.full_like(value, np.nan), np.full_like(value, np.nan))


def _matrices(values: Floats) -> Floats:
    """The confusion matrices of sums of shape (slices, thresholds + 1, 2)."""
    above = np.cumsum(values[:, ::-1], axis=1)[:, -2::-1]
    below = np.cumsum(values, axis=1)[:, :-1]
    return np.stack([below[:, :, 0], above[:, :, 0], below[:, :, 1], above[:, :, 1]], axis=2)


def _area(sliced: Sliced, curve: Callable[[Histogram], Area], interest: Interest) -> Column:
    found = curve(sliced.whole.histogram)
    if interest.method == "jackknife":
        error, degrees = _error(sliced, lambda sums: curve(sums.histogram).value)
        return _column(found.value, interval.area(found.value, error, confidence=interest.confidence, degrees=degrees))
    return _analytic(
        found.value, lambda: interval.area(found.value, found.error, confidence=interest.confidence), interest
    )


def _share(sliced: Sliced, share: Share, threshold: int, interest: Interest) -> Column:
    value = _shares(sliced.whole, share, threshold)
    if interest.method == "jackknife":
        error, degrees = _error(sliced, lambda sums: _shares(sums, share, threshold))
        return _column(value, interval.area(value, error, confidence=interest.confidence, degrees=degrees))
    weight, squares = (_total(sums, share[1], threshold) for sums in (sliced.whole.weight, sliced.whole.weight_squares))
    # As many rows of weight 1 as tell as much: Kish, Survey Sampling (1965).
    trials = _divided(weight * weight, squares)
    return _analytic(value, lambda: interval.share(value * trials, trials, confidence=interest.confidence), interest)


def _ratio(sliced: Sliced, interest: Interest) -> Column:
    """The sum of the scores over that of the positives, as TFMA's Calibration; not defined without positives.

    A row with weight w, score x and label y moves the ratio r by w (x - r y) / positives: the infinitesimal jackknife.
    """
    value, whole = _calibration(sliced.whole), sliced.whole
    if interest.method == "jackknife":
        error, degrees = _error(sliced, _calibration)
        return _column(value, interval.ratio(value, error, confidence=interest.confidence, degrees=degrees))
    cross, squares = (each[:, :, 1].sum(axis=1) for each in (whole.score_cross, whole.weight_squares))
    variance = whole.score_squares.sum(axis=(1, 2)) - 2 * value * cross + value * value * squares
    error = _divided(np.sqrt(np.maximum(variance, 0)), whole.weight[:, :, 1].sum(axis=1))
    return _analytic(value, lambda: interval.ratio(value, error, confidence=interest.confidence), interest)


def _calibration(sums: Sums) -> Floats:
    return _divided(sums.scores.sum(axis=(1, 2)), sums.weight[:, :, 1].sum(axis=1))


def _shares(sums: Sums, share: Share, threshold: int) -> Floats:
    return _divided(*(_total(sums.weight, cells, threshold) for cells in share))


def _total(values: Floats, cells: tuple[Cell, ...], threshold: int) -> Floats:
    """The sum of sums of shape (slices, thresholds + 1, 2) over some cells of the confusion matrix at a threshold."""
    below, above = slice(0, threshold + 1), slice(threshold + 1, None)
    place = {"tn": (below, 0), "fp": (above, 0), "fn": (below, 1), "tp": (above, 1)}
    return np.sum([values[:, bins, label].sum(axis=1) for bins, label in (place[cell] for cell in cells)], axis=0)


def _divided(numerator: Floats, denominator: Floats) -> Floats:
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)


def _error(sliced: Sliced, value: Callable[[Sums], Floats]) -> tuple[Floats, int]:
    """The standard error by the delete-a-group jackknife, and its degrees of freedom; NaN where a part is not defined.

    Source: TFMA 0.52, evaluators/jackknife.py: pseudo-values of the metric without each part.
    """
    count = len(sliced.without)
    pseudo = count * value(sliced.whole) - (count - 1) * np.stack([value(sums) for sums in sliced.without])
    return np.std(pseudo, axis=0, ddof=1) / np.sqrt(count), count - 1


def _analytic(value: Floats, ends: Callable[[], interval.Interval], interest: Interest) -> Column:
    return plain(value) if interest.method == "none" else _column(value, ends())


def _column(value: Floats, ends: interval.Interval) -> Column:
    # Rounding must not put an end beyond the value.
    return Column(value, np.minimum(ends.low, value), np.maximum(ends.high, value))
