"""How often each value of a column occurs, by label, counted a part of the rows at a time.

Everything that validation says of a column's values follows from these counts, so no column is in memory as a whole.
Numbers are counted exactly up to `MAXIMUM` different ones. Beyond, neighbours become one value, and never more than
2 ** -16 of the rows in one: an area moves by at most that (a pair of rows in one group counts half), a share by that.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

MAXIMUM = 1 << 17
"""Different numbers that are told apart; half as many groups are made of more."""
LOWEST = -float(np.finfo(np.float64).max)
"""Where a missing number is ranked."""
_PENDING = 1 << 17
"""Entries that wait to be put together."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """The different numbers of a column, ascending, shape (n,)."""

    values: Floats
    counts: Counts
    """Negatives and positives of each, shape (n, 2)."""
    missing: Counts
    """Negatives and positives without a number (null or NaN), shape (2,)."""


@dataclass(frozen=True, slots=True)
class Categories:
    """The different values of a column, null among them where it occurs, in no order; shape (n,)."""

    values: pa.Array
    counts: Counts
    """Of each value in the even and in the odd rows: negatives and positives, shape (n, 2, 2)."""


@dataclass(slots=True)
class NumberTally:
    """Counts numbers, a part at a time."""

    maximum: int = MAXIMUM
    """Different numbers that are told apart."""
    pending: int = _PENDING
    """Entries that wait to be put together."""
    _values: list[Floats] = field(default_factory=list)
    _counts: list[Counts] = field(default_factory=list)
    _missing: Counts = field(default_factory=lambda: np.zeros(2, np.int64))
    _base: int = 0
    """Entries that were put together last."""

    def add(self, numbers: Floats, positive: Flags, row: int) -> None:  # noqa: ARG002 - categories need the row
        """Counts numbers; NaN is a missing one, an infinity the largest number.

        Args:
            numbers: Shape (n,).
            positive: Whether the label is positive; shape (n,).
            row: The place of the first of these rows among all.
        """
        missing = np.isnan(numbers)
        self._missing += np.bincount(positive[missing], minlength=2)
        known = np.nan_to_num(numbers[~missing])
        values, totals = np.unique(known, return_counts=True)
        of_positive, times = np.unique(known[positive[~missing]], return_counts=True)
        positives = np.zeros_like(totals)
        positives[np.searchsorted(values, of_positive)] = times
        self._values.append(values)
        self._counts.append(np.stack([totals - positives, positives], axis=1))
        if sum(map(len, self._values)) > self._base + self.pending:
            self._compact()

    def result(self) -> Numbers:
        """What was counted so far."""
        self._compact()
        return Numbers(self._values[0], self._counts[0], self._missing.copy())

    def _compact(self) -> None:
        values = np.concatenate([np.empty(0), *self._values])
        counts = np.concatenate([np.empty((0, 2), np.int64), *self._counts])
        values, counts = merged(values, counts)
        if values.size > self.maximum:
            values, counts = grouped(values, counts, self.maximum // 2)
        self._values, self._counts, self._base = [values], [counts], values.size


@dataclass(slots=True)
class CategoryTally:
    """Counts values of any type, a part at a time; memory grows with how many different ones there are."""

    kind: pa.DataType
    _parts: list[pa.Table] = field(default_factory=list)
    _base: int = 0

    def add(self, values: pa.Array, positive: Flags, row: int) -> None:
        """Counts values; null is one of them.

        Args:
            values: n values.
            positive: Whether the label is positive; shape (n,).
            row: The place of the first of these rows among all.
        """
        encoded = values.dictionary_encode(null_encoding="encode")
        codes = encoded.indices.to_numpy().astype(np.int64)
        odd = (np.arange(row, row + codes.size) & 1).astype(np.int64)
        counts = np.bincount(codes * 4 + odd * 2 + positive, minlength=4 * len(encoded.dictionary))
        self._parts.append(_table(encoded.dictionary, counts.reshape(-1, 4)))
        if sum(part.num_rows for part in self._parts) > 2 * self._base + _PENDING:
            self._compact()

    def result(self) -> Categories:
        """What was counted so far."""
        self._compact()
        part = self._parts[0].combine_chunks()
        counts = np.stack([part.column(f"{i}").to_numpy() for i in range(4)], axis=1)
        values = part.column("value")
        return Categories(pa.concat_arrays([pa.array([], self.kind), *values.chunks]), counts.reshape(-1, 2, 2))

    def _compact(self) -> None:
        empty = _table(pa.array([], self.kind), np.empty((0, 4), np.int64))
        parts = pa.concat_tables([empty, *self._parts])
        names = [f"{i}" for i in range(4)]
        found = parts.group_by("value", use_threads=False).aggregate([(name, "sum") for name in names])
        self._parts = [found.select([*(f"{name}_sum" for name in names), "value"]).rename_columns([*names, "value"])]
        self._base = found.num_rows


def merged(values: Floats, counts: Counts) -> tuple[Floats, Counts]:
    """Values ascending, each once, with the sums of their counts.

    Args:
        values: Shape (n,), in any order.
        counts: Shape (n, k).
    """
    if not values.size:
        return values, counts
    order = np.argsort(values, kind="stable")
    values = values[order]
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    return values[starts], np.add.reduceat(counts[order], starts)


def grouped(values: Floats, counts: Counts, groups: int) -> tuple[Floats, Counts]:
    """Neighbours put together, about as many rows in each group; the smallest and the largest value stay.

    Args:
        values: Shape (n,), ascending.
        counts: Shape (n, k).
        groups: How many groups there may be at most, beside values that alone are as large as one.
    """
    weights = counts.sum(axis=1)
    group = (np.cumsum(weights) - weights) * groups // weights.sum()
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    kept = values[starts]
    kept[-1] = values[-1]
    return kept, np.add.reduceat(counts, starts)


def area(values: Floats, counts: Counts) -> float:
    """The area under the ROC curve of scores, ties counted half; 0.5 where there is only one class.

    Args:
        values: The scores, shape (n,).
        counts: Negatives and positives of each, shape (n, 2).

    Source: the Mann-Whitney statistic; Hanley and McNeil, Radiology 143 (1982).
    """
    _, ranked = merged(values, counts)
    negatives, positives = ranked[:, 0].astype(np.float64), ranked[:, 1].astype(np.float64)
    pairs = float(negatives.sum() * positives.sum())
    below = np.cumsum(negatives) - negatives
    return float((positives * (below + negatives / 2)).sum()) / pairs if pairs else 0.5


def deviation(numbers: Numbers) -> float:
    """The standard deviation of a column's numbers; NaN where there is none."""
    counts = numbers.counts.sum(axis=1).astype(np.float64)
    if not counts.sum():
        return float("nan")
    mean = float(np.average(numbers.values, weights=counts))
    return float(np.sqrt(np.average((numbers.values - mean) ** 2, weights=counts)))


def rates(categories: Categories) -> tuple[Floats, Counts]:
    """Each category's rate of positives in the other half of the rows, with how many rows have it as their score.

    The halves are every other row. So no row votes for itself: in its own half, a category of few rows, or a row's
    identifier, would know the label. Leaving out but the row itself would turn that round, since a positive's category
    has one positive less without it.

    Returns:
        Scores, shape (2 n,), and negatives and positives of each, shape (2 n, 2).
    """
    other = categories.counts[:, ::-1].astype(np.float64)
    rows, total = other.sum(axis=2), max(1, categories.counts.sum())
    prior = categories.counts[:, :, 1].sum() / total
    scores = np.where(rows > 0, other[:, :, 1] / np.maximum(rows, 1), prior)
    return scores.ravel(), categories.counts.reshape(-1, 2)


def _table(values: pa.Array, counts: Counts) -> pa.Table:
    return pa.table({**{f"{i}": counts[:, i] for i in range(4)}, "value": values})
