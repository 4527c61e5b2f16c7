"""Batches: rows are encoded once, held as tensors, and gathered by index, so that the device never waits for them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf

_AHEAD = 4
"""Batches prepared ahead."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Encoded rows: numbers (n, d) float32, codes (n, k) int32, labels (n, 1) float32, weights (n, 1) float32."""

    numbers: tf.Tensor
    codes: tf.Tensor
    labels: tf.Tensor
    weights: tf.Tensor

    @property
    def count(self) -> int:
        """How many, n."""
        return int(self.labels.shape[0])


@dataclass(frozen=True, slots=True)
class Share:
    """What one of several workers takes of each epoch."""

    worker: int
    """From 0."""
    workers: int
    """It takes each `workers`-th row of the shuffled order."""
    batches: int
    """At most, so that all workers end an epoch together."""


def rows(
    encoded: tuple[tf.Tensor, tf.Tensor], labels: npt.NDArray[np.float32], weights: npt.NDArray[np.float32]
) -> Rows:
    """Rows of encoded columns, labels (n,) and weights (n,)."""
    return Rows(*encoded, tf.constant(labels[:, None]), tf.constant(weights[:, None]))


def training_batches(data: Rows, *, batch: int, epochs: range, seed: int, share: Share) -> tf.data.Dataset:
    """Shuffled batches of all epochs in one stream, the same for the same seed, also after a restart in the middle.

    Args:
        data: The rows.
        batch: Rows a batch; a last, smaller one of an epoch is left out.
        epochs: Numbers of the epochs still to come.
        seed: Of the shuffling.
        share: This worker's part of each epoch.
    """

    def order(epoch: tf.Tensor) -> tf.data.Dataset:
        mixed = tf.random.experimental.stateless_shuffle(tf.range(data.count), seed=tf.stack([seed, epoch]))
        own = tf.data.Dataset.from_tensor_slices(mixed[share.worker :: share.workers])
        return own.batch(batch, drop_remainder=True).take(share.batches)

    stream = tf.data.Dataset.from_tensor_slices(tf.constant(list(epochs), tf.int32)).flat_map(order)
    return stream.map(lambda chosen: _gather(data, chosen), num_parallel_calls=2).prefetch(_AHEAD)


def evaluation_batches(data: Rows, *, batch: int) -> tf.data.Dataset:
    """All rows in their order, once."""
    columns = ((data.numbers, data.codes), data.labels)
    return tf.data.Dataset.from_tensor_slices(columns).batch(batch).prefetch(_AHEAD)


def _gather(data: Rows, chosen: tf.Tensor) -> tuple[tuple[tf.Tensor, tf.Tensor], tf.Tensor, tf.Tensor]:
    inputs = tf.gather(data.numbers, chosen), tf.gather(data.codes, chosen)
    return inputs, tf.gather(data.labels, chosen), tf.gather(data.weights, chosen)
