"""Before fitting: what the training rows teach the encoder, and all rows encoded, once."""

import itertools
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from plumbline.balancing import Copies, balance, copies, counts, taken
from plumbline.dataset import SplitName
from plumbline.errors import DataError
from plumbline.imbalance import Balance
from plumbline.problem import Training
from plumbline.signature import Signature
from plumbline.weighting import EVEN, Weights, class_weights
from trainer.encoder import Encoder, Tally, merged, statistics, tally, tensors
from trainer.fit import Splits
from trainer.reading import Stretch, read, row_count
from trainer.rows import Layout, Records, Rows, hold, require_space, store
from trainer.smote import require, smote

log = logging.getLogger("trainer")
_GB = 1e9
_ALL = Copies(1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the rows give."""

    encoder: Encoder
    weights: Weights
    splits: Splits
    positives: float
    """Share of the rows that are trained on."""
    balance: Balance


def prepare(dataset: Path, signature: Signature, training: Training, scratch: Path) -> Prepared:
    """The encoder and weights that the training rows give, and both splits encoded, in memory or in a scratch folder.

    The splits are read a stretch at a time, the training rows twice: to learn the encoder, and to encode them.

    Raises:
        DataError: There is no row, or none of one of the classes, or too few for SMOTE.
        ModelError: The encoded rows fit neither into the memory that they may take nor on the disk.
    """
    found, rows, positives = _counted(read(dataset, "train", signature), signature)
    imbalance, known = training.imbalance, (positives, rows - positives)
    weights, of = class_weights(*known, imbalance), copies(*known, imbalance)
    encoder = Encoder(signature.features, statistics(found))
    memory = int(training.memory_gb * _GB)
    if imbalance.method == "smote":
        require(known, encoder.layout, encoder.discrete, encoder.cardinalities, imbalance, memory=memory)
    keep = _keeper(sum(counts(*known, of)) + row_count(dataset, "validation"), encoder.layout, memory, scratch)
    records = _records(read(dataset, "train", signature), encoder, weights, of)
    if imbalance.method == "smote":
        records = iter([_with_made_ones(records, encoder, training)])
    train = keep("train", records)
    # It is the rarity of positive training rows that is made up for.
    validation = keep("validation", _records(read(dataset, "validation", signature), encoder, EVEN, _ALL))
    trained = _trained(train.count, known, of)
    balanced = balance(imbalance, weights, known=known, trained=trained)
    log.info("rows: %d, positive: %d, weights: %s, %s", rows, positives, weights, balanced)
    return Prepared(encoder, weights, Splits(train, validation), trained[0] / sum(trained), balanced)


def _trained(rows: int, known: tuple[int, int], of: Copies) -> tuple[int, int]:
    """Positive and negative rows among those that are trained on; SMOTE makes positive ones only."""
    negatives = counts(*known, of)[1]
    return rows - negatives, negatives


def _with_made_ones(stretches: Iterator[Records], encoder: Encoder, training: Training) -> Records:
    """The rows of all stretches, and those that SMOTE makes of them."""
    records = np.concatenate([np.zeros((0, encoder.layout.width), np.float32), *stretches])
    return smote(records, encoder.layout, encoder.discrete, training.imbalance, seed=training.seed)


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


def _records(stretches: Iterator[Stretch], encoder: Encoder, weights: Weights, of: Copies) -> Iterator[Records]:
    """The stretches encoded, rows left out or repeated, on the host: only batches travel to an accelerator."""
    first, second = itertools.tee(stretches)
    for stretch, chosen in zip(first, taken((each.labels for each in second), of), strict=True):
        with tf.device("CPU:0"):
            numbers, codes = encoder(tensors(stretch.arrays))
        weighted = np.where(stretch.labels > 0, weights.positive, weights.negative).astype(np.float32)
        records = encoder.layout.pack((numbers.numpy(), codes.numpy()), stretch.labels, weighted)
        yield records if of == _ALL else records[chosen]
