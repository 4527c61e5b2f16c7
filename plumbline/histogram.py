"""Histograms of scores in TFMA's own buckets, and the areas under the curves that follow from them.

TFMA counts scores in 10,000 equal buckets and merges these into the segments between the 10,000 thresholds of its
AUC. Two rows in one segment are tied. All of this works on every slice at once, and only on segments that hold a row.

Source: tensorflow_model_analysis 0.52, metrics/calibration_histogram.py and metrics/binary_confusion_matrices.py.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from plumbline.counters import add_up

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

BUCKETS = 10_000
SEGMENTS = BUCKETS - 1
"""Between two neighbouring thresholds of the AUC; the last one includes scores of 1."""
_EPSILON = 1e-7
_BINS = 10
"""Of the calibration error."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Weight by slice and segment, in this order, without empty entries; each array has shape (entries,).

    Without weights every row weighs 1, and weights, counts and sums of squares are the same numbers.
    """

    slices: int
    """How many slices there are; those without rows have no entry."""
    slice: Integers
    segment: Integers
    positive: Floats
    """The weight of the positive rows."""
    negative: Floats
    positive_squares: Floats
    """The squared weights of the positive rows, summed: what the error follows from."""
    negative_squares: Floats


@dataclass(frozen=True, slots=True)
class Area:
    """The area under a curve of each slice, shape (slices,); NaN where there is only one class."""

    value: Floats
    error: Floats
    """Standard error."""


def segments(scores: Floats) -> npt.NDArray[np.int16]:
    """The segment of each score, shape (n,), 0 to SEGMENTS - 1; scores below 0 or above 1 count at the ends."""
    bucket = scores * BUCKETS
    bucket += 1
    np.clip(bucket, 0, BUCKETS + 1, out=bucket)
    return _segment_of_bucket()[bucket.astype(np.int16)]


@cache
def _segment_of_bucket() -> npt.NDArray[np.int16]:
    """The segment that holds the lower edge of each of the BUCKETS + 2 buckets; the outer two are open."""
    edges = np.concatenate(([-np.inf], np.arange(BUCKETS) / BUCKETS, [np.inf]))
    inner = np.arange(1, BUCKETS - 1) * 1.0 / SEGMENTS
    thresholds = np.concatenate(([-_EPSILON], inner, [1.0 + _EPSILON])) + _EPSILON
    found = np.searchsorted(thresholds, edges, side="right") - 1
    # TFMA sets the counts above its last threshold to 0, so a score of 1 counts in the segment before.
    return np.clip(found, 0, SEGMENTS - 1).astype(np.int16)


def cells(
    codes: npt.NDArray[np.int32 | np.int64], segment: npt.NDArray[np.int16 | np.int64], positive: npt.NDArray[np.bool_]
) -> Integers:
    """The key of each row's cell, shape (n,): code, then segment, then class."""
    return (codes.astype(np.int64, copy=False) * SEGMENTS + segment) * 2 + positive


def gather(keys: Integers, sums: Floats, *, slices: int) -> Histogram:
    """The histogram of cells that each stand for any number of rows.

    Args:
        keys: From `cells`, with the place of the slice as code; in any order and repeated at will; shape (n,).
        sums: Weight and squared weight, shape (2, n); or, shape (1, n), how many rows that weigh 1.
        slices: How many slices there are.
    """
    entries, entry = np.unique(keys // 2, return_inverse=True)
    pairs = [add_up(2 * entry + keys % 2, each, size=2 * entries.size).reshape(-1, 2) for each in sums]
    # A segment whose rows all weigh nothing is empty.
    kept = pairs[0].sum(axis=1) > 0
    weights, squares = pairs[0][kept], pairs[-1][kept]
    return Histogram(
        slices,
        slice=entries[kept] // SEGMENTS,
        segment=entries[kept] % SEGMENTS,
        positive=weights[:, 1],
        negative=weights[:, 0],
        positive_squares=squares[:, 1],
        negative_squares=squares[:, 0],
    )


def totals(histogram: Histogram, values: Floats) -> Floats:
    """The sum over each slice's entries, shape (slices,)."""
    return add_up(histogram.slice, values, size=histogram.slices)


def below(histogram: Histogram, values: Floats) -> Floats:
    """For each entry the sum over its slice's entries of lower segments, shape (entries,)."""
    before = np.concatenate(([0.0], np.cumsum(values, dtype=np.float64)))
    first = np.searchsorted(histogram.slice, np.arange(histogram.slices))
    return before[:-1] - before[first][histogram.slice]


def above(histogram: Histogram, values: Floats) -> Floats:
    """For each entry the sum over its slice's entries of higher segments, shape (entries,)."""
    return totals(histogram, values)[histogram.slice] - below(histogram, values) - values


def roc_area(histogram: Histogram) -> Area:
    """The area under the ROC curve: trapezoids between thresholds.

    Source: TFMA 0.52, confusion_matrix_metrics.AUC, interpolation. Its error is that of the infinitesimal jackknife,
    which for this area is DeLong's (DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988) but for n in place of n-1.
    """
    positives, negatives = totals(histogram, histogram.positive), totals(histogram, histogram.negative)
    with np.errstate(invalid="ignore", divide="ignore"):
        # The share of the other class that each row is ranked above (a positive) or below (a negative).
        won = (below(histogram, histogram.negative) + histogram.negative / 2) / negatives[histogram.slice]
        lost = (above(histogram, histogram.positive) + histogram.positive / 2) / positives[histogram.slice]
        value = totals(histogram, histogram.positive * won) / positives
        of_positive = (won - value[histogram.slice]) / positives[histogram.slice]
        of_negative = (lost - value[histogram.slice]) / negatives[histogram.slice]
    return _area(histogram, value, of_positive, of_negative)


def pr_area(histogram: Histogram) -> Area:
    """The area under the precision-recall curve, true positives interpolated between thresholds.

    With a positives and d rows in a segment (by weight), t positives and q rows above it and s = a / d, the segment
    adds f = s (a + (t - s q) ln((q + d) / q)) / P, where P is the slice's positives.

    Source: TFMA 0.52, confusion_matrix_metrics.AUC, curve PR, interpolation; Davis and Goadrich (2006).
    """
    a, d = histogram.positive, histogram.positive + histogram.negative
    t, q = above(histogram, a), above(histogram, d)
    positives = totals(histogram, a)
    s, log_ratio = a / d, np.log1p(np.divide(d, q, out=np.zeros_like(q), where=q > 0))
    # The derivatives of f P by a, d, t and q: a row changes its own segment's a and d, and t and q of all below.
    of_s, of_log = a + (t - 2 * s * q) * log_ratio, s * (t - s * q)
    with np.errstate(invalid="ignore", divide="ignore"):
        by_q = np.where(q > 0, of_log * (1 / (q + d) - 1 / q), 0.0) - s * s * log_ratio
        by_d = np.where(q > 0, of_log / (q + d), 0.0) - s / d * of_s
        by_a, by_t = of_s / d + s, s * log_ratio
        value = totals(histogram, s * (a + (t - s * q) * log_ratio)) / positives
        of_positive = by_a + by_d + below(histogram, by_t + by_q) - value[histogram.slice]
        of_negative = by_d + below(histogram, by_q)
        return _area(
            histogram, value, of_positive / positives[histogram.slice], of_negative / positives[histogram.slice]
        )


def calibration_error(histogram: Histogram) -> Floats:
    """The expected calibration error of each slice, shape (slices,); NaN for a slice without rows.

    The rows are dealt by score into ten bins of about equal weight; a segment is never divided. With the mean score s,
    the rate of positives r and the weight w of each bin it is the sum of w |s - r| over the sum of w. The score of a
    row counts as the middle of its segment, which is off by 0.00005 at most.

    Source: Naeini, Cooper, Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015;
    bins of equal weight: Nixon et al., "Measuring calibration in deep learning", 2019.
    """
    weight = histogram.positive + histogram.negative
    total = totals(histogram, weight)
    place = (below(histogram, weight) + weight / 2) / total[histogram.slice]
    key = histogram.slice * _BINS + np.minimum((place * _BINS).astype(np.int64), _BINS - 1)
    scores = add_up(key, weight * (histogram.segment + 0.5) / SEGMENTS, size=_BINS * histogram.slices)
    positives = add_up(key, histogram.positive, size=_BINS * histogram.slices)
    off = np.abs(scores - positives).reshape(-1, _BINS).sum(axis=1)
    return np.divide(off, total, out=np.full_like(off, np.nan), where=total > 0)


def _area(histogram: Histogram, value: Floats, of_positive: Floats, of_negative: Floats) -> Area:
    """The area with its error by the infinitesimal jackknife; NaN for a slice of one class.

    The variance is the sum of each row's squared influence: the limit of the Poisson bootstrap in many rows.

    Source: Efron, The Jackknife, the Bootstrap and Other Resampling Plans (1982), chapter 6.
    """
    squares = histogram.positive_squares * of_positive**2 + histogram.negative_squares * of_negative**2
    one_class = (totals(histogram, histogram.positive) == 0) | (totals(histogram, histogram.negative) == 0)
    error = np.sqrt(totals(histogram, squares))
    return Area(np.where(one_class, np.nan, value), np.where(one_class, np.nan, error))
