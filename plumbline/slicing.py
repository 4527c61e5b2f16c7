"""Which slice each row of a table is in."""

from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.scoreboard import OVERALL, SliceKey

Codes = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Slices:
    """The slices of one set of columns, in the order of their values, and each row's place among them."""

    keys: tuple[SliceKey, ...]
    codes: Codes
    """Shape (n,); len(keys) where one of the columns is null: as in TFMA, such a row is in none of these slices."""


def slice_rows(table: pa.Table, by: tuple[str, ...]) -> Slices:
    """The slices by these columns that have at least one row; all rows together when there is no column."""
    if not by:
        return Slices((OVERALL,) if table.num_rows else (), np.zeros(table.num_rows, np.int32))
    parts = [_slice_column(table, name) for name in by]
    return reduce(_cross, parts)


def sortable(value: str) -> tuple[int, str]:
    """What to sort a slice's value by: numbers in the order of their size."""
    return (len(value), value) if value.isdigit() else (0, value)


def _slice_column(table: pa.Table, name: str) -> Slices:
    encoded = pc.cast(table.column(name), pa.string()).combine_chunks().dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    order = sorted(range(len(texts)), key=lambda place: sortable(texts[place]))
    return Slices(tuple(((name, texts[place]),) for place in order), _ranked(encoded, np.array(order, np.int64)))


def _cross(left: Slices, right: Slices) -> Slices:
    """The slices by the columns of both, without those that no row is in."""
    wide = max(len(right.keys), 1)
    absent = (left.codes == len(left.keys)) | (right.codes == len(right.keys))
    encoded = pa.array(left.codes.astype(np.int64) * wide + right.codes, mask=absent).dictionary_encode()
    pairs = encoded.dictionary.to_numpy()
    order = np.argsort(pairs)
    places = (divmod(int(pair), wide) for pair in pairs[order])
    return Slices(tuple(left.keys[i] + right.keys[j] for i, j in places), _ranked(encoded, order))


def _ranked(encoded: pa.DictionaryArray, order: npt.NDArray[np.int64]) -> Codes:
    """Each row's place in the ordered dictionary; the dictionary's size for null."""
    rank = np.empty(order.size + 1, np.int32)
    rank[order], rank[-1] = np.arange(order.size), order.size
    return rank[pc.fill_null(encoded.indices, order.size).to_numpy(zero_copy_only=False)]
