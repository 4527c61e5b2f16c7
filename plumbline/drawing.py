"""Curves of one model over all rows, thin enough to draw."""

from collections.abc import Iterator

import numpy as np

from plumbline.counters import Floats, Integers
from plumbline.histogram import SEGMENTS
from plumbline.scoreboard import Curve
from plumbline.sums import Overall

_POINTS = 200
_BINS = 20


def draw(model: str, overall: Overall) -> Iterator[Curve]:
    """All kinds of curve, to a ten-thousandth of the score; none of one class."""
    rows = overall.histogram
    if not rows.positive.any() or not rows.negative.any():
        return
    true, false = np.cumsum(rows.positive[::-1]), np.cumsum(rows.negative[::-1])
    recall, precision = true / true[-1], true / (true + false)
    yield _curve(model, "precision_recall", recall, precision, progress=recall)
    threshold = rows.segment / SEGMENTS
    yield _curve(model, "precision", threshold, precision[::-1], progress=threshold)
    yield _curve(model, "recall", threshold, recall[::-1], progress=threshold)
    recall, fall_out = np.append(0.0, recall), np.append(0.0, false / false[-1])
    yield _curve(model, "roc", fall_out, recall, progress=fall_out + recall)
    yield _calibration(model, overall)


def _calibration(model: str, overall: Overall) -> Curve:
    """Mean score and rate of positives in groups of about as much weight each, by rising score."""
    rows = overall.histogram.positive + overall.histogram.negative
    groups = ((np.cumsum(rows) - rows) * _BINS / rows.sum()).astype(np.int64)
    first = np.flatnonzero(np.diff(groups, prepend=-1))
    sizes = np.add.reduceat(rows, first)
    means, rates = (np.add.reduceat(values, first) / sizes for values in (overall.scores, overall.histogram.positive))
    return _curve(model, "calibration", means, rates, progress=means)


def _curve(model: str, kind: str, x: Floats, y: Floats, *, progress: Floats) -> Curve:
    kept = _spread(progress)
    return Curve(model=model, kind=kind, x=tuple(np.round(x[kept], 5).tolist()), y=tuple(np.round(y[kept], 5).tolist()))


def _spread(progress: Floats) -> Integers:
    """The places of about _POINTS points, evenly spread over an ascending measure, both ends among them."""
    if progress.size <= _POINTS:
        return np.arange(progress.size)
    wanted = np.linspace(progress[0], progress[-1], _POINTS)
    return np.unique(np.append(np.searchsorted(progress, wanted), progress.size - 1).clip(0, progress.size - 1))
