"""How far a column's values have moved between two samples, as TensorFlow Data Validation and Vertex AI measure it.

Only the counts of the samples' values are needed.
"""

import numpy as np
import pyarrow.compute as pc

from plumbline.errors import DataError
from plumbline.tally import Categories, Floats, Numbers

BUCKETS = 10
"""Equal-width buckets of a number's range, TFDV's default for its standard histogram."""
_LARGEST = float(np.finfo(np.float64).max) / 2


def jensen_shannon(one: Numbers, other: Numbers) -> float:
    """The Jensen-Shannon divergence of two samples of a number, base 2, in [0, 1].

    Each sample is put into `BUCKETS` equal buckets of its own range, and both are then spread over the union of all
    bucket boundaries, uniform within a bucket; (KL(P||M) + KL(Q||M)) / 2 with M = (P + Q) / 2.

    Source: TFDV, `anomalies/metrics.cc` and `statistics/generators/numeric_stats_generator`.

    Raises:
        DataError: A sample has no value, or an infinite one.
    """
    first, second = _histogram(one), _histogram(other)
    edges = np.union1d(first[1], second[1])
    p, q = (_spread(heights, bounds, edges) for heights, bounds in (first, second))
    middle = (p + q) / 2
    return float(np.clip((_divergence(p, middle) + _divergence(q, middle)) / 2, 0.0, 1.0))


def l_infinity(one: Numbers | Categories, other: Numbers | Categories) -> float:
    """The largest difference of a value's share between two samples, in [0, 1]; missing values are left out.

    Raises:
        DataError: A sample has no value.
    """
    first, second = _shares(one), _shares(other)
    return max(abs(first.get(name, 0.0) - second.get(name, 0.0)) for name in {*first, *second})


def distance(one: Numbers | Categories, other: Numbers | Categories, *, numeric: bool) -> float:
    """The distance that fits the column: numbers that are close are close, categories are the same or not.

    Raises:
        DataError: A sample has no value, or an infinite one.
    """
    if numeric and isinstance(one, Numbers) and isinstance(other, Numbers):
        return jensen_shannon(one, other)
    return l_infinity(one, other)


def moved(one: Numbers | Categories, other: Numbers | Categories) -> str:
    """What has changed most from one sample to the other, in words: the mean, or the share of a category.

    Raises:
        DataError: A sample has no value.
    """
    first, second = _shares(one), _shares(other)
    if isinstance(one, Numbers) and isinstance(other, Numbers):
        before, now = (np.average(sample.values, weights=sample.counts.sum(axis=1)) for sample in (one, other))
        return f"mean {before:.4g}, now {now:.4g}"
    # In order, so that the same samples are told in the same words.
    names = sorted({*first, *second}, key=str)
    most = max(names, key=lambda name: abs(first.get(name, 0.0) - second.get(name, 0.0)))
    return f"{most} {first.get(most, 0.0):.1%} of the rows, now {second.get(most, 0.0):.1%}"


def by_hour(minutes: Categories) -> Categories:
    """The minutes of a day put together into hours; a missing one stays missing."""
    encoded = pc.divide(minutes.values, 60).dictionary_encode(null_encoding="encode")
    counts = np.zeros((len(encoded.dictionary), *minutes.counts.shape[1:]), np.int64)
    np.add.at(counts, encoded.indices.to_numpy(), minutes.counts)
    return Categories(encoded.dictionary, counts)


def _shares(sample: Numbers | Categories) -> dict[object, float]:
    totals = sample.counts.sum(axis=tuple(range(1, sample.counts.ndim)))
    if isinstance(sample, Categories):
        known = sample.values.is_valid().to_numpy(zero_copy_only=False)
        values, totals = sample.values.drop_null().to_pylist(), totals[known]
    else:
        values = sample.values.tolist()
    if not len(values):
        raise DataError("a distance needs values, got none")
    return dict(zip(values, (totals / totals.sum()).tolist(), strict=True))


def _histogram(sample: Numbers) -> tuple[Floats, Floats]:
    """Share and edges of each bucket; one bucket of no width for a constant."""
    values, totals = sample.values, sample.counts.sum(axis=1)
    if not values.size or max(-values[0], values[-1]) > _LARGEST:
        raise DataError(
            f"a distance needs finite values, got {totals.sum()} values, infinities among them or none at all"
        )
    low, high = values[0], values[-1]
    # A constant, up to rounding, is a point.
    if not (np.diff(np.linspace(low, high, BUCKETS + 1)) > 0).all():
        return np.array([1.0]), np.array([low, low])
    heights, edges = np.histogram(values, bins=BUCKETS, range=(low, high), weights=totals)
    return heights / totals.sum(), edges


def _spread(heights: Floats, bounds: Floats, edges: Floats) -> Floats:
    """Shares of the intervals between all edges, followed by shares of the points at the edges."""
    points = np.zeros(edges.size)
    if bounds[0] == bounds[-1]:
        points[np.searchsorted(edges, bounds[0])] = heights[0]
        return np.concatenate([np.zeros(edges.size - 1), points])
    cumulated = np.concatenate([[0.0], np.cumsum(heights)])
    return np.concatenate([np.diff(np.interp(edges, bounds, cumulated)), points])


def _divergence(p: Floats, m: Floats) -> float:
    # Half of the smallest share there is would be none: what it adds is none, too.
    some = (p > 0) & (m > 0)
    return float(np.sum(p[some] * np.log2(p[some] / m[some])))
