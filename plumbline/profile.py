"""What validation wants to know of a split, found in one pass over its rows."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.dataset import Rows
from plumbline.features import columns, derived
from plumbline.ingestion import is_positive
from plumbline.problem import Column, Data
from plumbline.streams import together
from plumbline.tally import Categories, CategoryTally, Flags, Numbers, NumberTally


@dataclass(frozen=True, slots=True)
class Labels:
    """How many rows have which label."""

    positives: int
    negatives: int
    nulls: int


@dataclass(frozen=True, slots=True)
class Values:
    """One feature."""

    nulls: int
    strange: int
    """NaN and infinities."""
    low: float | None
    """Smallest number; None where there is none, or the feature is no number."""
    high: float | None
    tally: Numbers | Categories


@dataclass(frozen=True, slots=True)
class Profile:
    """One split."""

    rows: int
    key_nulls: Mapping[str, int]
    start: dt.datetime | None
    end: dt.datetime | None
    days: Mapping[dt.date, int]
    """Rows of each day that has some."""
    labels: Labels
    features: Mapping[str, Values]


def profile(rows: Rows, data: Data) -> Profile:
    """What is known of a split after its rows have gone by once.

    Raises:
        DataError: The label cannot be compared with the positive value of the config.
    """
    wanted = list(dict.fromkeys([*data.key, data.time, data.label.column, *columns(data.features)]))
    split = _Split(data, [_Feature(name, column, rows.schema) for name, column in data.features.items()])
    # The next row group is read while this one is counted, and columns are counted side by side.
    with ThreadPoolExecutor() as pool:
        for part in together([rows.parts(wanted)], ahead=1):
            split.add(part, pool)
    return split.result()


@dataclass(slots=True)
class _Feature:
    """Gathers one feature."""

    name: str
    column: Column
    schema: pa.Schema
    tally: NumberTally | CategoryTally = field(init=False)
    nulls: int = 0
    strange: int = 0
    bounds: list[pa.StructScalar] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Numbers and flags are counted as numbers."""
        if self.column.type in {"numeric", "boolean"}:
            self.tally = NumberTally()
        else:
            empty = derived(self.schema.empty_table(), self.name, self.column)
            self.tally = CategoryTally(empty.type)

    def add(self, part: pa.Table, positive: Flags, row: int) -> None:
        values = derived(part, self.name, self.column).combine_chunks()
        self.nulls += values.null_count
        if isinstance(self.tally, CategoryTally):
            self.tally.add(values, positive, row)
            return
        numbers = pc.cast(values, pa.float64())
        self.tally.add(pc.fill_null(numbers, np.nan).to_numpy(zero_copy_only=False), positive, row)
        if self.column.type == "numeric":
            self.strange += len(numbers) - numbers.null_count - int(pc.sum(pc.is_finite(numbers)).as_py() or 0)
            self.bounds.append(pc.min_max(numbers))

    def result(self) -> Values:
        low, high = (_extreme([bound[end] for bound in self.bounds], end) for end in ("min", "max"))
        return Values(self.nulls, self.strange, low, high, self.tally.result())


@dataclass(slots=True)
class _Split:
    """Gathers a split."""

    data: Data
    features: Sequence[_Feature]
    rows: int = 0
    key_nulls: dict[str, int] = field(default_factory=dict)
    times: list[pa.StructScalar] = field(default_factory=list)
    days: Counter[dt.date] = field(default_factory=Counter)
    positives: int = 0
    label_nulls: int = 0

    def add(self, part: pa.Table, pool: ThreadPoolExecutor) -> None:
        for name in self.data.key:
            self.key_nulls[name] = self.key_nulls.get(name, 0) + part.column(name).null_count
        times = part.column(self.data.time)
        self.times.append(pc.min_max(times))
        days = pc.value_counts(pc.cast(times.drop_null(), pa.date32()))
        self.days.update(dict(zip(days.field("values").to_pylist(), days.field("counts").to_pylist(), strict=True)))
        label = is_positive(part, self.data.label)
        self.label_nulls += label.null_count
        positive = pc.fill_null(label, fill_value=False).to_numpy().astype(np.bool_)
        self.positives += int(positive.sum())
        list(pool.map(lambda feature: feature.add(part, positive, self.rows), self.features))
        self.rows += part.num_rows

    def result(self) -> Profile:
        start, end = (_extreme([time[which] for time in self.times], which) for which in ("min", "max"))
        return Profile(
            rows=self.rows,
            key_nulls={name: self.key_nulls.get(name, 0) for name in self.data.key},
            start=start,
            end=end,
            days=self.days,
            labels=Labels(self.positives, self.rows - self.label_nulls - self.positives, self.label_nulls),
            features={feature.name: feature.result() for feature in self.features},
        )


def _extreme(found: Sequence[pa.Scalar], which: str) -> Any:
    """The smallest or the largest of what each part's `pc.min_max` found, as Arrow counts NaN; None for none."""
    return pc.min_max(pa.array(found, found[0].type))[which].as_py() if found else None
