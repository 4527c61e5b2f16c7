"""Keys that are there twice, in a split or in two of them, found without holding all keys in memory."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.dataset import SPLITS, Rows, SplitName
from plumbline.external_sort import SIZES, Sizes, sorted_rows

Counts = npt.NDArray[np.int64]
_SPLIT = "/split"
"""No column is called so."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """How often keys repeat."""

    within: Mapping[SplitName, int]
    """Rows beyond the first of each key."""
    between: Mapping[tuple[SplitName, SplitName], int]
    """Rows of the first split whose key is in the second as well; a key with a missing part equals no other."""


def repeats(splits: Mapping[SplitName, Rows], key: Sequence[str], sizes: Sizes = SIZES) -> Repeats:
    """Counts repeated keys: all keys are sorted, so equal ones lie side by side."""
    within, between = np.zeros(len(SPLITS), np.int64), np.zeros((len(SPLITS), len(SPLITS)), np.int64)
    batches = chain.from_iterable(_keys(splits[split], place, key) for place, split in enumerate(SPLITS))
    for counts, comparable in _counts(sorted_rows(batches, key, sizes), key):
        within += (counts - (counts > 0)).sum(axis=0)
        between += counts[comparable].T @ (counts[comparable] > 0)
    pairs = {(SPLITS[i], SPLITS[j]): int(between[i, j]) for i, j in combinations(range(len(SPLITS)), 2)}
    return Repeats(dict(zip(SPLITS, within.tolist(), strict=True)), pairs)


def _keys(rows: Rows, place: int, key: Sequence[str]) -> Iterator[pa.RecordBatch]:
    for part in rows.parts(key):
        split = pa.array(np.full(part.num_rows, place, np.int8))
        names = [*key, _SPLIT]
        yield from pa.table([*(part.column(name) for name in key), split], names=names).to_batches()


@dataclass(frozen=True, slots=True)
class _Keys:
    """Different keys in order, how many rows of each split have each, shape (keys, splits)."""

    rows: pa.RecordBatch
    counts: Counts


def _counts(batches: Iterator[pa.RecordBatch], key: Sequence[str]) -> Iterator[tuple[Counts, npt.NDArray[np.bool_]]]:
    """Counts of different keys, shape (keys, splits), and whether no part of the key is missing, shape (keys,)."""
    held: _Keys | None = None
    for batch in batches:
        found = _distinct(batch, key)
        if held is not None:
            found = _joined(held, found, key)
        # The next rows may have the last key as well.
        done = found.rows.num_rows - 1
        yield found.counts[:done], _comparable(found.rows.slice(0, done), key)
        held = _Keys(found.rows.slice(done), found.counts[done:])
    if held is not None:
        yield held.counts, _comparable(held.rows, key)


def _distinct(rows: pa.RecordBatch, key: Sequence[str]) -> _Keys:
    starts = np.flatnonzero(_first(rows, key))
    splits = rows.column(_SPLIT).to_numpy()
    each = (splits[:, None] == np.arange(len(SPLITS))).astype(np.int64)
    return _Keys(rows.select([*key]).take(pa.array(starts)), np.add.reduceat(each, starts))


def _joined(before: _Keys, after: _Keys, key: Sequence[str]) -> _Keys:
    rows = pa.concat_batches([before.rows, after.rows])
    counts = np.concatenate([before.counts, after.counts])
    starts = np.flatnonzero(_first(rows, key))
    return _Keys(rows.take(pa.array(starts)), np.add.reduceat(counts, starts))


def _first(rows: pa.RecordBatch, key: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Whether a row's key is another than that of the row before."""
    first = np.ones(rows.num_rows, np.bool_)
    first[1:] = False
    for name in key:
        now, before = rows.column(name).slice(1), rows.column(name).slice(0, rows.num_rows - 1)
        same = pc.or_(pc.fill_null(pc.equal(now, before), False), pc.and_(pc.is_null(now), pc.is_null(before)))  # noqa: FBT003 - Arrow's own argument
        first[1:] |= ~same.to_numpy(zero_copy_only=False)
    return first


def _comparable(rows: pa.RecordBatch, key: Sequence[str]) -> npt.NDArray[np.bool_]:
    there = np.ones(rows.num_rows, np.bool_)
    for name in key:
        there &= rows.column(name).is_valid().to_numpy(zero_copy_only=False)
    return there
