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
from trainer.input import evaluation_batches, training_batches
from trainer.model import build, in_float32
from trainer.progress import Progress
from trainer.rows import Rows, Share
from trainer.setup import PLAIN, Compute
from trainer.strategy import is_chief

WATCHED = "val_auc_pr"
_EVALUATION_BATCH = 8192
_THRESHOLDS = 200
_STEPS_AT_ONCE = 64
"""Steps that TensorFlow takes before Keras looks again, which nothing here needs it to do within an epoch."""


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
    """0 where an earlier start of the job had done all epochs."""


def fit(
    splits: Splits,
    training: Training,
    *,
    network: tf_keras.Model,
    strategy: tf.distribute.Strategy,
    folders: Folders,
) -> Fitted:
    """The network, fitted; its weights are those of the epoch with the best validation AUC-PR.

    A job that was started before goes on after the last epoch that it finished.
    """
    chief = is_chief(strategy)
    progress = Progress(folders.checkpoints if chief else None, watched=WATCHED, patience=training.patience)
    with strategy.scope():
        progress.restore(folders.checkpoints, network)
    first = training.epochs if progress.is_over else progress.epochs
    plan = _plan(splits.train.count, training, strategy)
    start = time.monotonic()
    network.fit(
        _stream(splits.train, plan, strategy, epochs=range(first, training.epochs), seed=training.seed),
        initial_epoch=first,
        epochs=training.epochs,
        steps_per_epoch=plan.steps,
        validation_data=evaluation_batches(splits.validation, batch=_EVALUATION_BATCH),
        validation_steps=math.ceil(splits.validation.count / _EVALUATION_BATCH),
        callbacks=[progress, *([_board(folders.logs)] if chief else [])],
        verbose=2,
    )
    seconds = time.monotonic() - start
    # To read the weights of a distributed network can need all workers.
    alone = in_float32(network)
    alone.set_weights(progress.best)
    examples = (progress.epochs - first) * plan.steps * plan.batch * strategy.num_replicas_in_sync
    return Fitted(alone, progress.history, max(0, examples) / seconds)


def compiled(
    training: Training,
    weights: Weights,
    sizes: tuple[int, tuple[int, ...]],
    *,
    positives: float,
    compute: Compute = PLAIN,
) -> tf_keras.Model:
    """A new network, ready to fit; call it within the strategy's scope.

    Args:
        training: Its settings.
        weights: Of the classes.
        sizes: Numbers a row, and codes of each categorical feature.
        positives: Share of the positive class.
        compute: How it computes. In float16 small gradients would be 0, so the loss is scaled up and they down again.
    """
    heavy = positives * weights.positive
    prior = heavy / (heavy + (1 - positives) * weights.negative)
    network = build(sizes[0], sizes[1], training.network, prior=prior, policy=compute.policy)
    metric = tf_keras.metrics.AUC(num_thresholds=_THRESHOLDS, curve="PR", name="auc_pr")
    # Left to itself, Adam compiles its update with XLA as soon as there is a GPU.
    optimiser = tf_keras.optimizers.Adam(training.learning_rate, jit_compile=compute.jit)
    if compute.policy == "mixed_float16":
        optimiser = tf_keras.mixed_precision.LossScaleOptimizer(optimiser)
    # With its variables made, the step need not be traced a second time.
    optimiser.build(network.trainable_variables)
    network.compile(
        optimiser,
        tf_keras.losses.BinaryCrossentropy(),
        metrics=[metric],
        jit_compile=compute.jit,
        steps_per_execution=_STEPS_AT_ONCE,
    )
    return network


@dataclass(frozen=True, slots=True)
class _Plan:
    batch: int
    """Rows a step on each replica."""
    steps: int
    """Of an epoch."""


def _plan(count: int, training: Training, strategy: tf.distribute.Strategy) -> _Plan:
    replicas = strategy.num_replicas_in_sync
    batch = min(training.batch_size, max(1, count // replicas))
    return _Plan(batch, max(1, count // (batch * replicas)))


def _stream(train: Rows, plan: _Plan, strategy: tf.distribute.Strategy, *, epochs: range, seed: int) -> tf.data.Dataset:
    def batches(context: tf.distribute.InputContext) -> tf.data.Dataset:
        replicas = strategy.num_replicas_in_sync // context.num_input_pipelines
        share = Share(context.input_pipeline_id, context.num_input_pipelines, plan.steps * replicas)
        return training_batches(train, batch=plan.batch, epochs=epochs, seed=seed, share=share)

    return strategy.distribute_datasets_from_function(batches)


def _board(logs: Path) -> tf_keras.callbacks.Callback:
    return tf_keras.callbacks.TensorBoard(str(logs), write_graph=False, update_freq="epoch", profile_batch=0)
