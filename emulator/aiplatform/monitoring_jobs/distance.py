"""How far a feature has moved, as TensorFlow Data Validation measures it, of counted values.

Source: TFDV, `anomalies/metrics.cc` (JensenShannonDivergence, LInftyDistance). This is the emulator's own: the product
has another one, and a test compares the two.
"""

import itertools
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

BUCKETS, RANKS = 10, 1000
_LARGEST = sys.float_info.max / 2


@dataclass(frozen=True, slots=True)
class Numbers:
    """Where the values of one side lie."""

    edges: tuple[float, ...]
    """Of `BUCKETS` equal buckets from the least to the largest finite value; one of a constant, none of no value."""
    counts: tuple[int, ...]
    """Values in each bucket, its lower edge included and of the last one the upper edge too; of a constant, all."""
    unmatched: int = 0
    """NaN and infinities, which match nothing of the other side."""

    @property
    def total(self) -> int:
        """All values."""
        return sum(self.counts) + self.unmatched


def edges_of(low: float, high: float) -> tuple[float, ...]:
    """The edges of `BUCKETS` equal buckets; one of a constant, up to rounding; none where the range may overflow."""
    if max(-low, high) > _LARGEST:
        return ()
    step = (high - low) / BUCKETS
    edges = (*(low + place * step for place in range(BUCKETS)), high)
    return edges if all(left < right for left, right in itertools.pairwise(edges)) else (low,)


def jensen_shannon(one: Numbers, other: Numbers) -> float:
    """The divergence of two samples of a number, base 2, in [0, 1]; both have a value.

    (KL(P||M) + KL(Q||M)) / 2 with M = (P + Q) / 2, over the intervals between all edges of both and the points.
    """
    sides = one, other
    edges = sorted({edge for side in sides if len(side.edges) > 1 for edge in side.edges})
    points = sorted({side.edges[0] for side in sides if len(side.edges) == 1})
    p, q = (_shares(side, edges, points) for side in sides)
    # What is unmatched has half its own share in the middle: log2(2) = 1.
    found = sum(side.unmatched / side.total for side in sides)
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


def _shares(side: Numbers, edges: Sequence[float], points: Sequence[float]) -> Sequence[float]:
    """Of the intervals between the edges, each bucket spread evenly, and of the points."""
    own = list(itertools.pairwise(side.edges))
    cells = []
    for left, right in itertools.pairwise(edges):
        buckets = zip(own, side.counts, strict=False)
        covering = ((low, high, n) for (low, high), n in buckets if low <= left and right <= high)
        cells.append(sum(n * ((right - left) / (high - low)) for low, high, n in covering))
    cells += [side.counts[0] if side.edges == (point,) else 0 for point in points]
    return [each / side.total for each in cells]
