"""How far a column's values have moved between two samples, as TensorFlow Data Validation and Vertex AI measure it.

Only the counts of the samples' values are needed: of a tally, which knows each value, or of a histogram.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from plumbline.errors import DataError
from plumbline.tally import Categories, Counts, Floats, Numbers

BUCKETS = 10
"""Equal-width buckets of a number's range, TFDV's default for its standard histogram."""
RANKS = 1000
"""Categories that are told apart, those of the most rows; TFDV's default for its rank histogram."""
_LARGEST = float(np.finfo(np.float64).max) / 2


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values lie where. Missing values are in none of its counts."""

    edges: Floats
    """Of the buckets, ascending, shape (k + 1,); two that are equal are a point; empty where no value is finite."""
    counts: Counts
    """Values in each bucket, its lower edge included, of the last one the upper edge too; shape (k,)."""
    not_numbers: int = 0
    """NaN."""
    infinite: int = 0
    """Of either sign; and what lies in no bucket, since there can be none."""

    @property
    def total(self) -> int:
        """All values."""
        return int(self.counts.sum()) + self.not_numbers + self.infinite


def bucket_edges(low: float, high: float) -> Floats:
    """The edges of `BUCKETS` equal buckets from the least to the largest finite value.

    Two equal ones of a constant; none of no value (NaN), and where the range may be wider than a number can be.
    """
    if not max(-low, high) <= _LARGEST:
        return np.empty(0)
    edges = np.linspace(low, high, BUCKETS + 1)
    # A constant, up to rounding, is a point.
    return edges if (np.diff(edges) > 0).all() else np.array([low, low])


def divergence(one: Histogram, other: Histogram) -> float:
    """The Jensen-Shannon divergence of two histograms, base 2, in [0, 1].

    (KL(P||M) + KL(Q||M)) / 2 with M = (P + Q) / 2, over the intervals between all edges of both. A bucket's values are
    spread evenly over it; a bucket of no width is a point, which only the same point matches. Infinities and NaN of the
    one match nothing of the other, not even the same.

    Source: TFDV, `anomalies/metrics.cc`: JensenShannonDivergence, AlignHistograms, AddPointMasses.

    Raises:
        DataError: A histogram has no value.
    """
    if not (one.total and other.total):
        raise DataError(f"a distance needs values, got {one.total} and {other.total}")
    edges = np.union1d(one.edges, other.edges)
    strange = ([one.infinite, 0, one.not_numbers, 0], [0, other.infinite, 0, other.not_numbers])
    p, q = (
        np.concatenate([_spread(each, edges), apart]) / each.total
        for each, apart in zip((one, other), strange, strict=True)
    )
    middle = (p + q) / 2
    return float(np.clip((_divergence(p, middle) + _divergence(q, middle)) / 2, 0.0, 1.0))


def top_ranks(counts: Mapping[str, int]) -> Mapping[str, int]:
    """The `RANKS` categories of the most rows; of those of as many rows the first by name."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:RANKS])


def rank_distance(one: Mapping[str, int], other: Mapping[str, int]) -> float:
    """The largest difference of a category's share, in [0, 1]; each side by its own total, an absent category as 0.

    Args:
        one: Rows of each category that is told apart: see `top_ranks`.
        other: The same of the other sample.

    Source: TFDV, `anomalies/metrics.cc`: LInftyDistance, over the values of the rank histogram.

    Raises:
        DataError: A sample has no category.
    """
    totals = sum(one.values()), sum(other.values())
    if not all(totals):
        raise DataError(f"a distance needs values, got {totals[0]} and {totals[1]}")
    return max(abs(one.get(name, 0) / totals[0] - other.get(name, 0) / totals[1]) for name in {*one, *other})


def jensen_shannon(one: Numbers, other: Numbers) -> float:
    """The Jensen-Shannon divergence of two samples of a number, base 2, in [0, 1].

    Each sample is put into `BUCKETS` equal buckets of its own range: see `divergence`. A tally counts NaN as missing.

    Source: TFDV, `anomalies/metrics.cc` and `statistics/generators/numeric_stats_generator`.

    Raises:
        DataError: A sample has no value, or an infinite one.
    """
    return divergence(_histogram(one), _histogram(other))


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


def _histogram(sample: Numbers) -> Histogram:
    values, totals = sample.values, sample.counts.sum(axis=1)
    if not values.size or max(-values[0], values[-1]) > _LARGEST:
        raise DataError(
            f"a distance needs finite values, got {totals.sum()} values, infinities among them or none at all"
        )
    edges = bucket_edges(values[0], values[-1])
    if edges[0] == edges[-1]:
        return Histogram(edges, np.array([totals.sum()]))
    counts, _ = np.histogram(values, bins=BUCKETS, range=(values[0], values[-1]), weights=totals)
    return Histogram(edges, counts)


def _spread(histogram: Histogram, edges: Floats) -> Floats:
    """Counts of the intervals between all edges, followed by counts of the points at the edges."""
    points, widths = np.zeros(edges.size), max(edges.size - 1, 0)
    own = histogram.edges
    if not own.size:
        return np.zeros(widths + points.size)
    if own[0] == own[-1]:
        points[np.searchsorted(edges, own[0])] = histogram.counts[0]
        return np.concatenate([np.zeros(widths), points])
    cumulated = np.concatenate([[0.0], np.cumsum(histogram.counts)])
    return np.concatenate([np.diff(np.interp(edges, own, cumulated)), points])


def _divergence(p: Floats, m: Floats) -> float:
    # Half of the smallest share there is would be none: what it adds is none, too.
    some = (p > 0) & (m > 0)
    return float(np.sum(p[some] * np.log2(p[some] / m[some])))
