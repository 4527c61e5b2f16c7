"""Encoded rows: encoded once, then held in memory or, where they are too many for it, kept on the disk.

A row is one record of 32-bit words, numbers first, then codes, label and weight, so that a row is moved at once.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from plumbline.errors import ModelError

Records: TypeAlias = npt.NDArray[np.float32]
"""Rows of shape (n, width); the bits of the codes are those of an int32."""
Parts: TypeAlias = tuple[tuple[tf.Tensor, tf.Tensor], tf.Tensor, tf.Tensor]
"""Numbers (n, d) float32 and codes (n, k) int32, labels (n, 1) float32, weights (n, 1) float32."""

_WINDOW = 1 << 16
"""Rows in memory that are put into a new order at once."""
_AT_ONCE = 8
"""Windows' worth of memory that reading, mixing, waiting and using them takes, as measured."""
_BLOCKS = 64
"""Of them a window is put together: as many places of the split lie in it side by side."""
_MARGIN = 1.05
"""Disk for the encoded rows, and for what a file system needs for itself."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What a row consists of."""

    numbers: int
    """d, at least 0."""
    codes: int
    """k, at least 0."""

    @property
    def width(self) -> int:
        """Words of a row."""
        return self.numbers + self.codes + 2

    @property
    def size(self) -> int:
        """Bytes of a row."""
        return self.width * np.dtype(np.float32).itemsize

    def pack(
        self,
        encoded: tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]],
        labels: npt.NDArray[np.float32],
        weights: npt.NDArray[np.float32],
    ) -> Records:
        """Rows of numbers (n, d), codes (n, k), labels (n,) and weights (n,)."""
        numbers, codes = encoded
        return np.concatenate([numbers, codes.view(np.float32), labels[:, None], weights[:, None]], axis=1)

    def parts(self, records: tf.Tensor) -> Parts:
        """Numbers, codes, labels and weights of rows."""
        numbers, codes, labels, weights = tf.split(records, [self.numbers, self.codes, 1, 1], axis=1)
        return (numbers, tf.bitcast(codes, tf.int32)), labels, weights


@dataclass(frozen=True, slots=True)
class Share:
    """What one of several workers takes of each epoch."""

    worker: int
    """From 0."""
    workers: int
    """It takes each `workers`-th row of the shuffled order."""
    batches: int
    """At most, so that all workers end an epoch together."""


class Rows(Protocol):
    """Encoded rows, wherever they are."""

    @property
    def layout(self) -> Layout:
        """What a row consists of."""

    @property
    def count(self) -> int:
        """How many rows."""

    def shuffled(self, seed: tf.Tensor, *, share: Share, step: int) -> tf.data.Dataset:
        """The worker's rows in an order that the seed, int32 of shape (2,), decides: tensors (n, width).

        Together the workers have each row once. All of them take the same number of rows from each tensor but the
        last, a multiple of `step` / `workers`.
        """

    def in_order(self) -> tf.data.Dataset:
        """All rows as they came: tensors (n, width), each of as many rows as is convenient."""


@dataclass(frozen=True, slots=True)
class Held:
    """Rows in memory."""

    layout: Layout
    records: tf.Tensor
    """Shape (n, width), on the host: only batches travel to an accelerator."""

    @property
    def count(self) -> int:
        """How many, n."""
        return int(self.records.shape[0])

    def shuffled(self, seed: tf.Tensor, *, share: Share, step: int) -> tf.data.Dataset:
        """See Rows: each row can come to any place."""
        order = tf.random.experimental.stateless_shuffle(tf.range(self.count), seed=seed)
        windows = tf.data.Dataset.from_tensors(order).rebatch(_whole(_WINDOW, step))
        return windows.map(lambda chosen: tf.gather(self.records, chosen[share.worker :: share.workers])).prefetch(1)

    def in_order(self) -> tf.data.Dataset:
        """See Rows."""
        return tf.data.Dataset.from_tensors(self.records)


@dataclass(frozen=True, slots=True)
class Stored:
    """Rows in files, a block of neighbouring rows each."""

    layout: Layout
    folder: Path
    blocks: int
    count: int
    window: int
    """Rows that may be in memory to be mixed."""

    def shuffled(self, seed: tf.Tensor, *, share: Share, step: int) -> tf.data.Dataset:
        """See Rows: blocks come in any order, and within a window of many blocks each row can come to any place."""

        def mixed(number: tf.Tensor, records: tf.Tensor) -> tf.Tensor:
            own = tf.random.fold_in(seed, number)
            order = tf.random.experimental.stateless_shuffle(tf.range(tf.shape(records)[0]), seed=own)
            return tf.gather(records, order[share.worker :: share.workers])

        order = tf.random.experimental.stateless_shuffle(tf.range(self.blocks), seed=seed)
        windows = self._read(tf.data.Dataset.from_tensor_slices(order)).rebatch(_whole(self.window, step))
        return windows.enumerate().map(mixed).prefetch(1)

    def in_order(self) -> tf.data.Dataset:
        """See Rows."""
        return self._read(tf.data.Dataset.range(self.blocks))

    def _read(self, blocks: tf.data.Dataset) -> tf.data.Dataset:
        def read(number: tf.Tensor) -> tf.Tensor:
            path = tf.strings.join([f"{self.folder}/", tf.strings.as_string(number)])
            words = tf.io.decode_raw(tf.io.read_file(path), tf.float32)
            return tf.reshape(words, [-1, self.layout.width])

        return blocks.map(read, num_parallel_calls=2)


def _whole(rows: int, step: int) -> int:
    """The multiple of `step` nearest below a number of rows, at least one."""
    return max(1, rows // step) * step


def hold(stretches: Iterable[Records], layout: Layout) -> Held:
    """The rows in memory; while they are put together they are there twice."""
    records = np.concatenate([np.zeros((0, layout.width), np.float32), *stretches])
    with tf.device("CPU:0"):
        return Held(layout, tf.constant(records))


def store(stretches: Iterable[Records], layout: Layout, folder: Path, *, memory: int) -> Stored:
    """The rows in a folder of their own, to be mixed in windows that together fit into `memory` bytes."""
    window = max(1, memory // (_AT_ONCE * layout.size))
    block = max(1, window // _BLOCKS)
    folder.mkdir(parents=True)
    blocks = count = 0
    for records in stretches:
        for start in range(0, len(records), block):
            records[start : start + block].tofile(folder / str(blocks))
            blocks += 1
        count += len(records)
    return Stored(layout, folder, blocks, count, window)


def require_space(folder: Path, needed: int) -> None:
    """Nothing, where a folder's disk has room for so many bytes of rows.

    Raises:
        ModelError: It has not.
    """
    free = shutil.disk_usage(folder).free
    if free < needed * _MARGIN:
        raise ModelError(
            f"the encoded rows take {needed / 1e9:.1f} GB, more than training.memory_gb, and {folder} has "
            f"{free / 1e9:.1f} GB free: raise training.hardware.disk_gb or training.memory_gb"
        )
