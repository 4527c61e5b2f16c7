"""Distances between two samples of one column, as TensorFlow Data Validation and Vertex AI measure skew and drift.

Source: TFDV, `anomalies/metrics.cc` and `statistics/generators/numeric_stats_generator`.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.errors import DataError

Floats = npt.NDArray[np.float64]
BUCKETS = 10
"""Equal-width buckets of a number's range, TFDV's default for its standard histogram."""
_LARGEST = float(np.finfo(np.float64).max) / 2


def jensen_shannon(one: Floats, other: Floats) -> float:
    """The Jensen-Shannon divergence of two samples of a number, base 2, in [0, 1].

    Each sample is put into `BUCKETS` equal buckets of its own range, and both are then spread over the union of all
    bucket boundaries, uniform within a bucket; (KL(P||M) + KL(Q||M)) / 2 with M = (P + Q) / 2. NaN stands for a missing
    value and is left out, as TFDV asks of its callers.

    Raises:
        DataError: A sample has no value, or an infinite one.
    """
    one, other = _finite(one), _finite(other)
    first, second = _histogram(one), _histogram(other)
    edges = np.union1d(first[1], second[1])
    p, q = (_spread(counts, bounds, edges) for counts, bounds in (first, second))
    middle = (p + q) / 2
    return float(np.clip((_divergence(p, middle) + _divergence(q, middle)) / 2, 0.0, 1.0))


def l_infinity(one: pa.ChunkedArray, other: pa.ChunkedArray) -> float:
    """The largest difference of a category's share between two samples, in [0, 1]; nulls are left out.

    Raises:
        DataError: A sample has no value.
    """
    shares = [_shares(sample) for sample in (one, other)]
    return max(abs(shares[0].get(name, 0.0) - shares[1].get(name, 0.0)) for name in {*shares[0], *shares[1]})


def _finite(sample: Floats) -> Floats:
    known = sample[~np.isnan(sample)]
    # An infinity is above it as well; it is half of the largest number, so that a range is a number too.
    if not known.size or np.abs(known).max() > _LARGEST:
        raise DataError(
            f"a distance needs finite values, got {known.size} values, infinities among them or none at all"
        )
    return known


def _histogram(sample: Floats) -> tuple[Floats, Floats]:
    low, high = sample.min(), sample.max()
    # A constant, up to rounding, is a point: one bucket of no width.
    if not (np.diff(np.linspace(low, high, BUCKETS + 1)) > 0).all():
        return np.array([1.0]), np.array([low, low])
    counts, edges = np.histogram(sample, bins=BUCKETS, range=(low, high))
    return counts / sample.size, edges


def _spread(shares: Floats, bounds: Floats, edges: Floats) -> Floats:
    """Shares of the intervals between all edges, followed by shares of the points at the edges."""
    points = np.zeros(edges.size)
    if bounds[0] == bounds[-1]:
        points[np.searchsorted(edges, bounds[0])] = shares[0]
        return np.concatenate([np.zeros(edges.size - 1), points])
    cumulated = np.concatenate([[0.0], np.cumsum(shares)])
    return np.concatenate([np.diff(np.interp(edges, bounds, cumulated)), points])


def _divergence(p: Floats, m: Floats) -> float:
    some = p > 0
    return float(np.sum(p[some] * np.log2(p[some] / m[some])))


def _shares(sample: pa.ChunkedArray) -> dict[object, float]:
    counted = pc.value_counts(sample.drop_null())
    counts = counted.field("counts").to_numpy()
    if not counts.size:
        raise DataError("a distance needs values, got none")
    return dict(zip(counted.field("values").to_pylist(), (counts / counts.sum()).tolist(), strict=True))
