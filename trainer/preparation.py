"""Before fitting: what the training rows teach the encoder, and all rows encoded, once."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from plumbline.dataset import SplitName
from plumbline.errors import DataError
from plumbline.problem import Training
from plumbline.signature import Signature
from plumbline.weighting import Weights, class_weights
from trainer.encoder import Encoder, Tally, merged, statistics, tally, tensors
from trainer.fit import Splits
from trainer.reading import Stretch, read, row_count
from trainer.rows import Layout, Records, Rows, hold, require_space, store

log = logging.getLogger("trainer")
_GB = 1e9
_EVEN = Weights(negative=1.0, positive=1.0)
"""Of validation rows: it is the rarity of positive training rows that weights make up for."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the rows give."""

    encoder: Encoder
    weights: Weights
    splits: Splits
    positives: float
    """Share of the training rows."""


def prepare(dataset: Path, signature: Signature, training: Training, scratch: Path) -> Prepared:
    """The encoder and weights that the training rows give, and both splits encoded, in memory or in a scratch folder.

    The splits are read a stretch at a time, the training rows twice: to learn the encoder, and to encode them.

    Raises:
        DataError: There is no row, or none of one of the classes.
        ModelError: The encoded rows fit neither into the memory that they may take nor on the disk.
    """
    found, rows, positives = _counted(read(dataset, "train", signature), signature)
    weights = class_weights(positives, rows - positives, training.class_weights)
    log.info("rows: %d, positive: %d, weights: %s", rows, positives, weights)
    encoder = Encoder(signature.features, statistics(found))
    keep = _keeper(rows + row_count(dataset, "validation"), encoder.layout, int(training.memory_gb * _GB), scratch)
    train = keep("train", _records(read(dataset, "train", signature), encoder, weights))
    validation = keep("validation", _records(read(dataset, "validation", signature), encoder, _EVEN))
    return Prepared(encoder, weights, Splits(train, validation), positives / rows)


def _keeper(rows: int, layout: Layout, memory: int, scratch: Path) -> Callable[[SplitName, Iterator[Records]], Rows]:
    """Where so many rows are kept: in memory as long as they fit into so many bytes."""
    needed = rows * layout.size
    if needed <= memory:
        return lambda _, records: hold(records, layout)
    log.info("the encoded rows take %.3f GB, more than memory_gb: they are kept on the disk", needed / _GB)
    require_space(scratch, needed)
    return lambda split, records: store(records, layout, scratch / split, memory=memory)


def _counted(stretches: Iterator[Stretch], signature: Signature) -> tuple[Tally, int, int]:
    """The tally of training rows, how many they are, and how many of them are positive."""
    total: Tally | None = None
    rows = positives = 0
    for stretch in stretches:
        some = tally(stretch.arrays, signature.features)
        total = merged(total, some) if total else some
        rows, positives = rows + stretch.labels.size, positives + int(stretch.labels.sum())
    if total is None:
        raise DataError("the training split has no row")
    return total, rows, positives


def _records(stretches: Iterator[Stretch], encoder: Encoder, weights: Weights) -> Iterator[Records]:
    """The stretches encoded, on the host: only batches travel to an accelerator."""
    for stretch in stretches:
        with tf.device("CPU:0"):
            numbers, codes = encoder(tensors(stretch.arrays))
        weighted = np.where(stretch.labels > 0, weights.positive, weights.negative).astype(np.float32)
        yield encoder.layout.pack((numbers.numpy(), codes.numpy()), stretch.labels, weighted)
