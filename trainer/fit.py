"""Fitting: weighted, watched by the area under the precision-recall curve, stopped early, resumable."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf
import tf_keras

from plumbline.problem import Training
from plumbline.weighting import Weights
from trainer.input import Rows, evaluation_batches, steps, training_batches
from trainer.model import build

WATCHED = "val_auc_pr"
_EVALUATION_BATCH = 8192
_THRESHOLDS = 200


@dataclass(frozen=True, slots=True)
class Folders:
    """Where a job keeps what outlives it."""

    checkpoints: Path
    logs: Path


@dataclass(frozen=True, slots=True)
class Splits:
    """Encoded rows to learn from, and to choose the best epoch by."""

    train: Rows
    validation: Rows


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted network and how it got there."""

    network: tf_keras.Model
    history: Mapping[str, Sequence[float]]
    """By epoch: loss, val_loss, val_auc_pr."""
    examples_per_second: float


def fit(
    splits: Splits,
    training: Training,
    *,
    network: tf_keras.Model,
    strategy: tf.distribute.Strategy,
    folders: Folders,
) -> Fitted:
    """The network, fitted; its weights are those of the epoch with the best validation AUC-PR."""
    train, validation, workers = splits.train, splits.validation, strategy.num_replicas_in_sync
    batch = min(training.batch_size, max(1, train.count // workers))
    per_epoch = steps(train, batch=batch, workers=workers)

    def batches(context: tf.distribute.InputContext) -> tf.data.Dataset:
        shard = (context.input_pipeline_id, context.num_input_pipelines)
        each = context.get_per_replica_batch_size(batch * workers)
        epochs = range(training.epochs)
        return training_batches(train, batch=each, epochs=epochs, seed=training.seed, shard=shard)

    start = time.monotonic()
    history = network.fit(
        strategy.distribute_datasets_from_function(batches),
        epochs=training.epochs,
        steps_per_epoch=per_epoch,
        validation_data=evaluation_batches(validation, batch=_EVALUATION_BATCH),
        validation_steps=math.ceil(validation.count / _EVALUATION_BATCH),
        callbacks=_callbacks(training, folders),
        verbose=2,
    )
    seconds = time.monotonic() - start
    done = len(history.epoch) * per_epoch * batch * workers
    return Fitted(network, {name: list(map(float, v)) for name, v in history.history.items()}, done / seconds)


def compiled(
    training: Training, weights: Weights, sizes: tuple[int, tuple[int, ...]], *, positives: float
) -> tf_keras.Model:
    """A new network, ready to fit; call it within the strategy's scope.

    Args:
        training: Its settings.
        weights: Of the classes.
        sizes: Numbers a row, and codes of each categorical feature.
        positives: Share of the positive class.
    """
    heavy = positives * weights.positive
    prior = heavy / (heavy + (1 - positives) * weights.negative)
    network = build(sizes[0], sizes[1], training.network, prior=prior)
    metric = tf_keras.metrics.AUC(num_thresholds=_THRESHOLDS, curve="PR", name="auc_pr")
    optimiser = tf_keras.optimizers.Adam(training.learning_rate)
    network.compile(optimiser, tf_keras.losses.BinaryCrossentropy(), metrics=[metric])
    return network


def _callbacks(training: Training, folders: Folders) -> list[tf_keras.callbacks.Callback]:
    return [
        tf_keras.callbacks.BackupAndRestore(str(folders.checkpoints)),
        tf_keras.callbacks.EarlyStopping(
            WATCHED, mode="max", patience=training.patience, restore_best_weights=True, verbose=1
        ),
        tf_keras.callbacks.TensorBoard(str(folders.logs), write_graph=False, update_freq="epoch", profile_batch=0),
    ]
