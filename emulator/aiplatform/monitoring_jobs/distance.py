"""How far a feature has moved, as TensorFlow Data Validation measures it, of counted values.

Source: TFDV, `anomalies/metrics.cc` (JensenShannonDivergence, LInftyDistance). This is the emulator's own: the product
has another one, and a test compares the two.
"""

import bisect
import itertools
import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

BUCKETS, RANKS = 10, 1000
_LARGEST = sys.float_info.max / 2


@dataclass(slots=True)
class _Masses:
    """Where the values of one side lie."""

    intervals: list[tuple[float, float, float]] = field(default_factory=list)
    """From, to, how many, spread evenly."""
    points: Counter[float] = field(default_factory=Counter)
    unmatched: float = 0.0
    """NaN and infinities, which match nothing of the other side."""


def jensen_shannon(one: Mapping[float, int], other: Mapping[float, int]) -> float:
    """The divergence of two samples of a number, base 2, in [0, 1]; both have a value.

    Args:
        one: How often each number occurs.
        other: The same of the other sample.
    """
    sides = [_masses(side) for side in (one, other)]
    edges = sorted({edge for side in sides for low, high, _ in side.intervals for edge in (low, high)})
    p, q = (_shares(side, edges, sorted({*sides[0].points, *sides[1].points})) for side in sides)
    # What is unmatched has half its own share in the middle: log2(2) = 1.
    found = sum(side.unmatched / sum(counts.values()) for side, counts in zip(sides, (one, other), strict=True))
    for each in (p, q):
        for share, both in zip(each, zip(p, q, strict=True), strict=True):
            middle = sum(both) / 2
            if share > 0 and middle > 0:
                found += share * math.log2(share / middle)
    return min(max(found / 2, 0.0), 1.0)


def l_infinity(one: Mapping[str, int], other: Mapping[str, int]) -> float:
    """The largest difference of a category's share; both sides have a value, and their `RANKS` first ones count."""
    first, second = (dict(sorted(side.items(), key=lambda each: (-each[1], each[0]))[:RANKS]) for side in (one, other))
    totals = sum(first.values()), sum(second.values())
    return max(abs(first.get(name, 0) / totals[0] - second.get(name, 0) / totals[1]) for name in {*first, *second})


def _masses(counts: Mapping[float, int]) -> _Masses:
    finite = sorted(value for value in counts if math.isfinite(value))
    masses = _Masses(unmatched=sum(times for value, times in counts.items() if not math.isfinite(value)))
    total = sum(counts[value] for value in finite)
    if not finite:
        return masses
    low, high = finite[0], finite[-1]
    if max(-low, high) > _LARGEST:
        masses.unmatched += total
        return masses
    step = (high - low) / BUCKETS
    edges = [*(low + place * step for place in range(BUCKETS)), high]
    if any(right <= left for left, right in itertools.pairwise(edges)):
        masses.points[low] = total
        return masses
    filled = [0] * BUCKETS
    for value in finite:
        filled[min(bisect.bisect_right(edges, value) - 1, BUCKETS - 1)] += counts[value]
    masses.intervals = [(*pair, count) for pair, count in zip(itertools.pairwise(edges), filled, strict=True)]
    return masses


def _shares(side: _Masses, edges: Sequence[float], points: Sequence[float]) -> Sequence[float]:
    total = sum(count for _, _, count in side.intervals) + sum(side.points.values()) + side.unmatched
    cells = []
    for left, right in itertools.pairwise(edges):
        covering = ((low, high, count) for low, high, count in side.intervals if low <= left and right <= high)
        cells.append(sum(count * ((right - left) / (high - low)) for low, high, count in covering))
    return [each / total for each in (*cells, *(side.points[point] for point in points))]
