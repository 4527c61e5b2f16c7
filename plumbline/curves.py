"""Curves of one model over all rows, thin enough to draw."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from plumbline.histogram import SEGMENTS, Floats, Histogram, Integers, count, segments
from plumbline.scoreboard import Curve

_POINTS = 200
_BINS = 20


def curves(model: str, scores: Floats, positive: npt.NDArray[np.bool_ | np.int64]) -> Iterator[Curve]:
    """The precision-recall, ROC and calibration curve, to a ten-thousandth of the score; none of one class.

    Args:
        model: Its name.
        scores: Shape (n,).
        positive: Whether the label is positive; shape (n,).
    """
    segment = segments(scores)
    rows = count(np.zeros(scores.size, np.int32), segment, positive.astype(np.bool_), slices=1)
    if not rows.positive.any() or not rows.negative.any():
        return
    true, false = np.cumsum(rows.positive[::-1]), np.cumsum(rows.negative[::-1])
    recall, precision = true / true[-1], true / (true + false)
    yield _curve(model, "precision_recall", recall, precision, progress=recall)
    recall, fall_out = np.append(0.0, recall), np.append(0.0, false / false[-1])
    yield _curve(model, "roc", fall_out, recall, progress=fall_out + recall)
    yield _calibration(model, rows, _sums(segment, scores)[rows.segment])


def _sums(segment: npt.NDArray[np.int16], scores: Floats) -> Floats:
    return np.bincount(segment, scores, minlength=SEGMENTS).astype(np.float64)


def _calibration(model: str, histogram: Histogram, scores: Floats) -> Curve:
    """Mean score and rate of positives in groups of about as many rows each, by rising score."""
    rows = histogram.positive + histogram.negative
    groups = (np.cumsum(rows) - rows) * _BINS // rows.sum()
    first = np.flatnonzero(np.diff(groups, prepend=-1))
    sizes = np.add.reduceat(rows, first)
    means, rates = (np.add.reduceat(values, first) / sizes for values in (scores, histogram.positive))
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
