"""Counts of columns for skew and drift, over rows in Arrow that are read twice, a batch at a time.

The first pass finds each number's range, the second fills the buckets: so the histogram is that of all rows, and memory
does not grow with them (but for categories: with how many different ones there are).
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.errors import DataError
from plumbline.shift import BUCKETS, Histogram, bucket_edges, top_ranks
from plumbline.skew import Counted, Kind, Sample
from plumbline.tally import Counts, Floats

Rows = Callable[[], Iterable[pa.RecordBatch | pa.Table]]
"""Gives the rows, from the first to the last, each time it is called."""
_PENDING = 1 << 16
_POINT = 2
"""Edges of a bucket of no width."""


def count(rows: Rows, kinds: Mapping[str, Kind]) -> Sample:
    """The counts of the columns; null is a missing value, NaN and infinities are values of a number.

    Args:
        rows: The sample; a column that it does not have has no value.
        kinds: The columns that are counted, each with what it is. Numbers are counted as float64, categories as text.

    Raises:
        DataError: A column that is to be a number is none.
    """
    numbers = {name: _Number() for name, kind in kinds.items() if kind == "number"}
    categories = {name: _Category() for name, kind in kinds.items() if kind == "category"}
    total = 0
    for batch in rows():
        total += batch.num_rows
        for name in set(numbers).intersection(batch.schema.names):
            numbers[name].measure(_floats(batch.column(name), name))
        for name in set(categories).intersection(batch.schema.names):
            categories[name].add(batch.column(name))
    if numbers:
        for batch in rows():
            for name in set(numbers).intersection(batch.schema.names):
                numbers[name].add(_floats(batch.column(name), name))
    found: Mapping[str, _Number | _Category] = {**numbers, **categories}
    return {name: found[name].result(total) for name in kinds}


@dataclass(slots=True)
class _Number:
    """A number's range, then its buckets."""

    low: float = math.inf
    high: float = -math.inf
    not_numbers: int = 0
    infinite: int = 0
    finite: int = 0
    counts: Counts = field(default_factory=lambda: np.zeros(BUCKETS, np.int64))

    def measure(self, values: Floats) -> None:
        if not values.size:
            return
        low, high = values.min(), values.max()
        if not (math.isfinite(low) and math.isfinite(high)):
            finite = values[np.isfinite(values)]
            self.not_numbers += int(np.isnan(values).sum())
            self.infinite += int(np.isinf(values).sum())
            values = finite
            if not values.size:
                return
            low, high = values.min(), values.max()
        self.finite += values.size
        self.low, self.high = min(self.low, float(low)), max(self.high, float(high))

    def add(self, values: Floats) -> None:
        if self.edges().size > _POINT:
            # Outside its range numpy counts nothing: neither infinities nor NaN.
            self.counts += np.histogram(values, bins=BUCKETS, range=(self.low, self.high))[0]

    def edges(self) -> Floats:
        return bucket_edges(self.low, self.high) if self.finite else np.empty(0)

    def result(self, rows: int) -> Counted:
        edges = self.edges()
        counts = self.counts if edges.size > _POINT else np.array([self.finite][: edges.size], np.int64)
        infinite = self.infinite + self.finite - int(counts.sum())
        present = self.finite + self.not_numbers + self.infinite
        return Counted(rows, present, Histogram(edges, counts, self.not_numbers, infinite))


@dataclass(slots=True)
class _Category:
    """The rows of each category."""

    counts: dict[str, int] = field(default_factory=dict)
    _waiting: list[pa.Table] = field(default_factory=list)

    def add(self, values: pa.Array | pa.ChunkedArray) -> None:
        if not pa.types.is_dictionary(values.type):
            values = values.dictionary_encode()
        for chunk in values.chunks if isinstance(values, pa.ChunkedArray) else [values]:
            known = chunk.indices.drop_null().to_numpy()
            times = np.bincount(known, minlength=len(chunk.dictionary))
            names = chunk.dictionary.cast(pa.string())
            self._waiting.append(pa.table({"name": names, "times": times}))
        if sum(part.num_rows for part in self._waiting) > _PENDING:
            self._merge()

    def result(self, rows: int) -> Counted:
        self._merge()
        return Counted(rows, sum(self.counts.values()), top_ranks(self.counts))

    def _merge(self) -> None:
        for part in self._waiting:
            for name, times in zip(part.column("name").to_pylist(), part.column("times").to_pylist(), strict=True):
                if times and name is not None:
                    self.counts[name] = self.counts.get(name, 0) + times
        self._waiting = []


def _floats(values: pa.Array | pa.ChunkedArray, name: str) -> Floats:
    """The values that are there; NaN stays one."""
    try:
        numbers = pc.cast(values, pa.float64())
    except pa.ArrowInvalid as error:
        raise DataError(f"{name} is to be a number: {error}") from error
    known = numbers.drop_null() if numbers.null_count else numbers
    found: Floats = known.to_numpy() if isinstance(known, pa.ChunkedArray) else known.to_numpy(zero_copy_only=False)
    return found
