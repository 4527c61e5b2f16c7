"""Areas under curves from histograms of scores, by TensorFlow Model Analysis's own definitions.

TFMA puts scores into 10,000 equal buckets and rebins those to 10,000 thresholds; both are done here in one step, so the
areas are TFMA's to the last digits. Source: TFMA 0.52, `calibration_histogram.py`, `binary_confusion_matrices.py`, and
`AUC` in `confusion_matrix_metrics.py` (interpolated area under the precision-recall curve: Davis and Goadrich, 2006).
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BUCKETS = 10_000
THRESHOLDS = 10_000
_EPSILON = 1e-7


def thresholds(count: int = THRESHOLDS) -> Floats:
    """Evenly spaced thresholds from just below 0 to just above 1, shape (count,)."""
    inner = np.arange(1, count - 1) / (count - 1)
    return np.concatenate([[-_EPSILON], inner, [1.0 + _EPSILON]])


def threshold_index(scores: Floats, count: int = THRESHOLDS) -> Ints:
    """For each score the last threshold that it exceeds, shape (n,), by way of its bucket."""
    return _bucket_to_threshold(count)[_bucket(scores)]


def _bucket(scores: Floats) -> Ints:
    """0 for what lies below 0, BUCKETS + 1 for what is 1 or more."""
    index = np.asarray(scores * BUCKETS + 1)
    return np.clip(index, 0, BUCKETS + 1).astype(np.int64)


def _bucket_to_threshold(count: int) -> Ints:
    starts = np.concatenate([[-np.inf], np.arange(BUCKETS) / BUCKETS, [np.inf]])
    # A bucket is [start, end), a threshold is exceeded strictly: the epsilon keeps a start off its own threshold.
    edges = thresholds(count) + _EPSILON
    return np.maximum(np.searchsorted(edges, starts, side="right") - 1, 0)


def above(histogram: Floats) -> Floats:
    """How much of a histogram (..., t) lies above each threshold (..., t); nothing above the last."""
    cumulated = np.flip(np.cumsum(np.flip(histogram, axis=-1), axis=-1), axis=-1)
    cumulated[..., -1] = 0.0
    return cumulated


def roc_area(positives: Floats, negatives: Floats) -> Floats:
    """The area under the ROC curve of histograms (..., t) of positive and negative rows; NaN with one class only."""
    true, false = _share(above(positives), positives), _share(above(negatives), negatives)
    heights = (true[..., :-1] + true[..., 1:]) / 2
    return np.sum((false[..., :-1] - false[..., 1:]) * heights, axis=-1)


def pr_area(positives: Floats, negatives: Floats) -> Floats:
    """The area under the precision-recall curve of histograms (..., t); NaN with one class only."""
    true, false = above(positives), above(negatives)
    total = positives.sum(axis=-1)
    predicted = true + false
    gained, widened = true[..., :-1] - true[..., 1:], predicted[..., :-1] - predicted[..., 1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = gained / widened
        intercept = true[..., 1:] - slope * predicted[..., 1:]
        ratio = np.where(predicted[..., 1:] != 0, predicted[..., :-1] / predicted[..., 1:], 1.0)
        area = np.nansum(slope * (gained + intercept * np.log(ratio)), axis=-1) / total
    return np.where((total > 0) & (negatives.sum(axis=-1) > 0), area, np.nan)


def _share(counts: Floats, histogram: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return counts / histogram.sum(axis=-1, keepdims=True)
