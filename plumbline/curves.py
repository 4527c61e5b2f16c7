"""Curves of one model over all rows, thin enough to draw."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from plumbline.scoreboard import Curve

_POINTS = 200
_BINS = 20


def curves(model: str, scores: npt.NDArray[np.float64], positive: npt.NDArray[np.int64]) -> Iterator[Curve]:
    """The precision-recall, ROC and calibration curve; none where the rows are of one class."""
    positives = int(positive.sum())
    if not 0 < positives < positive.size:
        return
    order = np.argsort(-scores, kind="stable")
    truth = positive[order]
    # A threshold can only lie between two different scores.
    ends = np.append(np.flatnonzero(np.diff(scores[order])), truth.size - 1)
    true, predicted = np.cumsum(truth)[ends], ends + 1.0
    recall, precision = true / positives, true / predicted
    false = (predicted - true) / (positive.size - positives)
    kept = np.unique(np.linspace(0, ends.size - 1, _POINTS).astype(np.int64))
    yield _curve(model, "precision_recall", recall[kept], precision[kept])
    yield _curve(model, "roc", np.append(0.0, false[kept]), np.append(0.0, recall[kept]))
    yield _calibration(model, scores[order], truth)


def _calibration(model: str, scores: npt.NDArray[np.float64], truth: npt.NDArray[np.int64]) -> Curve:
    """Mean score and rate of positives of equally large groups of rows, by rising score."""
    groups = [g for g in np.array_split(np.arange(scores.size)[::-1], _BINS) if g.size]
    means = np.array([scores[g].mean() for g in groups])
    rates = np.array([truth[g].mean() for g in groups])
    return _curve(model, "calibration", means, rates)


def _curve(model: str, kind: str, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> Curve:
    return Curve(model=model, kind=kind, x=tuple(np.round(x, 5).tolist()), y=tuple(np.round(y, 5).tolist()))
