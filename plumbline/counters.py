"""Sums by key over as many rows as come: in counters while these fit into memory, among the keys that occur beyond."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Summed = tuple[Integers, Floats]
"""Keys, ascending, shape (entries,), and their sums, shape (sums, entries)."""

_DENSE_KEYS = 2**23
"""Up to so many counters are held at once (64 MiB)."""
_BLOCK = 2**18
"""Rows that stay in the processor's cache."""


class Counters:
    """Several sums for each key; a key occurs when its first sum is not 0."""

    def __init__(self, sums: int, *, dense_keys: int = _DENSE_KEYS) -> None:
        self._dense_keys = dense_keys
        self._dense: Floats | None = np.zeros((sums, 0))
        self._blocks: list[Summed] = []
        self._total: Summed | None = None

    def add(self, keys: Integers, values: Sequence[Floats | None], *, size: int) -> None:
        """Adds n rows.

        Args:
            keys: The key of each row, 0 to size - 1; shape (n,).
            values: What each sum gains by a row, shape (n,); None for 1 each.
            size: One more than the largest key there may be; no less than in the call before.
        """
        self._total = None
        if self._dense is not None and size > self._dense_keys:
            self._blocks, self._dense = [_occurring(self._dense)], None
        if self._dense is None:
            self._add_sparse(keys, values)
            return
        if size > self._dense.shape[1]:
            self._dense = np.pad(self._dense, ((0, 0), (0, size - self._dense.shape[1])))
        for total, value in zip(self._dense, values, strict=True):
            _add_dense(total, keys, value)

    def total(self) -> Summed:
        """The keys that occur and their sums."""
        if self._total is None:
            keys, sums = _occurring(self._dense) if self._dense is not None else _merged(self._blocks)
            occurs = sums[0] != 0
            self._total = (keys, sums) if occurs.all() else (keys[occurs], sums[:, occurs])
        return self._total

    def _add_sparse(self, keys: Integers, values: Sequence[Floats | None]) -> None:
        each = np.stack([np.ones(keys.size) if value is None else value for value in values])
        self._blocks.append(_merged([(keys, each)]))
        # Merging when what is new outweighs what is merged already costs each row a few times, however many there are.
        if sum(block.size for block, _ in self._blocks[1:]) > self._blocks[0][0].size:
            self._blocks = [_merged(self._blocks)]


def add_up(keys: Integers, values: Floats, *, size: int) -> Floats:
    """The sum of the values of each key, 0 to size - 1; shape (size,)."""
    return np.bincount(keys, values, minlength=size).astype(np.float64, copy=False)


def _add_dense(total: Floats, keys: Integers, value: Floats | None) -> None:
    if keys.size * 4 < total.size:
        np.add.at(total, keys, 1.0 if value is None else value)
        return
    # Blocks must outweigh the adding of all counters.
    step = max(_BLOCK, total.size // 4)
    for start in range(0, keys.size, step):
        rows = slice(start, start + step)
        total += np.bincount(keys[rows], None if value is None else value[rows], minlength=total.size)


def _occurring(dense: Floats) -> Summed:
    keys = np.flatnonzero(dense[0])
    return keys, dense[:, keys]


def _merged(blocks: Sequence[Summed]) -> Summed:
    """All blocks as one, each key once."""
    keys, place = np.unique(np.concatenate([keys for keys, _ in blocks]), return_inverse=True)
    values = np.concatenate([sums for _, sums in blocks], axis=1)
    return keys, np.stack([add_up(place, value, size=keys.size) for value in values])
