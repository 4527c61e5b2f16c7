"""Which slice each row is in, found batch by batch.

Rows are grouped by the values of a set of columns, a missing value among them. The slices by those columns, and by any
part of them, follow from the groups alone: that is what lets one pass over the rows serve several sets of slices.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.scoreboard import OVERALL, SliceKey
from plumbline.section import Names

Codes = npt.NDArray[np.int32]
Group = tuple[str | None, ...]
"""A value a column, as text; None where it is missing."""


_FEW = 2**16
"""Pairs of values that are looked up in a table; more are sorted."""


@dataclass(frozen=True, slots=True)
class Slices:
    """The slices of one set of columns, in the order of their values, and the place of rows or groups among them."""

    keys: tuple[SliceKey, ...]
    codes: Codes
    """Shape (n,); len(keys) where one of the columns is null: as in TFMA, such a row is in none of these slices."""


class Grouping:
    """The groups that the batches so far have had, in the order in which they came."""

    def __init__(self, by: Names) -> None:
        self.by = by
        self._values: tuple[dict[str | None, int], ...] = tuple({} for _ in by)
        self._groups: dict[tuple[int, ...], int] = {}

    @property
    def groups(self) -> Sequence[Group]:
        """The values of each group by its code."""
        texts = [list(values) for values in self._values]
        return [tuple(text[i] for text, i in zip(texts, group, strict=True)) for group in self._groups]

    @property
    def size(self) -> int:
        """How many groups there are."""
        return len(self._groups)

    def codes(self, rows: pa.Table | pa.RecordBatch) -> Codes:
        """The group of each row, shape (n,); groups that are new get the next codes."""
        if not rows.num_rows:
            return np.zeros(0, np.int32)
        codes = np.zeros(rows.num_rows, np.int64)
        found: list[tuple[int, ...]] = [()]
        for name, values in zip(self.by, self._values, strict=True):
            column = _encode(rows.column(name), values)
            codes, found = _cross(codes, found, column, len(values))
        places = [self._groups.setdefault(group, len(self._groups)) for group in found]
        return np.array(places, np.int32)[codes]


def slices_of(grouping: Grouping, by: Names) -> Slices:
    """The slices by some of the grouping's columns; `codes` is the place of each group, shape (groups,)."""
    places = [grouping.by.index(name) for name in by]
    values = [tuple(group[place] for place in places) for group in grouping.groups]
    order = sorted({value for value in values if None not in value}, key=_sortable)
    rank = {value: place for place, value in enumerate(order)}
    keys = tuple(OVERALL if not by else tuple(zip(by, map(str, value), strict=True)) for value in order)
    return Slices(keys, np.array([rank.get(value, len(order)) for value in values], np.int32))


def widest(entries: Sequence[Names]) -> Sequence[Names]:
    """The entries that are part of no other, which the slices of all of them follow from."""
    return tuple(
        names
        for place, names in enumerate(entries)
        if not any(_covers(other, names, later=i > place) for i, other in enumerate(entries) if i != place)
    )


def sortable(value: str) -> tuple[int, str]:
    """What to sort a slice's value by: numbers in the order of their size."""
    return (len(value), value) if value.isdigit() else (0, value)


def _covers(other: Names, names: Names, *, later: bool) -> bool:
    """Whether the other holds all of the names, and more; of two with the same names the first one stays."""
    return set(names) < set(other) or (set(names) == set(other) and not later)


def _sortable(group: Group) -> tuple[tuple[int, str], ...]:
    return tuple(sortable(str(value)) for value in group)


def _encode(column: pa.ChunkedArray | pa.Array, values: dict[str | None, int]) -> npt.NDArray[np.int64]:
    """The code of each row's value, shape (n,), by a dictionary that learns new ones."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return np.concatenate([_codes(chunk, values) for chunk in chunks])


def _codes(column: pa.Array, values: dict[str | None, int]) -> npt.NDArray[np.int64]:
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    texts = pc.cast(encoded.dictionary, pa.string()).to_pylist()
    absent = [None] if encoded.indices.null_count else []
    known = np.array([values.setdefault(text, len(values)) for text in [*texts, *absent]], np.int64)
    return known[pc.fill_null(encoded.indices, len(texts)).to_numpy(zero_copy_only=False)]


def _cross(
    codes: npt.NDArray[np.int64], groups: Sequence[tuple[int, ...]], column: npt.NDArray[np.int64], width: int
) -> tuple[npt.NDArray[np.int64], list[tuple[int, ...]]]:
    """The rows' groups, one column longer: each row's place among those that occur, and what they are."""
    pairs = codes * width + column if len(groups) > 1 else column
    possible = len(groups) * width
    if possible <= _FEW:
        occurring = np.flatnonzero(np.bincount(pairs, minlength=possible))
        place = np.zeros(possible, np.int64)
        place[occurring] = np.arange(occurring.size)
        places = place[pairs]
    else:
        occurring, places = np.unique(pairs, return_inverse=True)
    return places, [(*groups[left], right) for left, right in (divmod(pair, width) for pair in occurring.tolist())]
