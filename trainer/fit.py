"""Fitting: weighted, watched by the area under the precision-recall curve, stopped early, resumable."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras

from plumbline.problem import Training
from plumbline.tuning import METRIC
from plumbline.weighting import Weights
from trainer.input import evaluation_batches, training_batches
from trainer.model import build, in_float32
from trainer.progress import Progress
from trainer.reporting import Pace, Reporting, Tuner
from trainer.rows import Rows, Share
from trainer.setup import PLAIN, Compute
from trainer.strategy import is_chief

WATCHED = METRIC
_EVALUATION_BATCH = 8192
_THRESHOLDS = 200
_STEPS_AT_ONCE = 64
"""Steps that TensorFlow takes before Keras looks again, which nothing here needs it to do within an epoch."""

_STRETCHES = 4
"""Of steps without waiting that are timed after one that is not."""


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
    waited: float | None
    """Share of the steps' time in which they waited for rows; None in a trial, and of too few epochs to tell."""


class MeanAuc(tf_keras.metrics.AUC):
    """The area under a curve of the mean of the members' scores."""

    def update_state(self, y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None = None) -> None:
        """Takes labels (n, 1) and scores (n, m)."""
        super().update_state(y_true, tf.reduce_mean(y_pred, axis=-1, keepdims=True), sample_weight)


def fit(  # noqa: PLR0913 - what is fitted, on what, and who is told
    splits: Splits,
    training: Training,
    *,
    network: tf_keras.Model,
    strategy: tf.distribute.Strategy,
    folders: Folders,
    tuner: Tuner | None = None,
) -> Fitted:
    """The network, fitted; its weights are those of the epoch with the best validation AUC-PR.

    A job that was started before goes on after the last epoch that it finished.
    """
    chief = is_chief(strategy)
    progress = Progress(folders.checkpoints if chief else None, watched=WATCHED, patience=training.patience)
    with strategy.scope():
        progress.restore(folders.checkpoints, network)
    first = training.epochs if progress.is_over else progress.epochs
    plan, coming = _plan(splits.train.count, training, strategy), range(first, training.epochs)
    rows = plan.steps * plan.batch * strategy.num_replicas_in_sync
    reporting = Reporting(epochs=coming, rows=rows, tuner=tuner if chief else None)
    start = time.monotonic()
    network.fit(
        _stream(splits.train, plan, strategy, epochs=coming, seed=training.seed),
        initial_epoch=first,
        epochs=training.epochs,
        steps_per_epoch=plan.steps,
        validation_data=evaluation_batches(splits.validation, batch=_EVALUATION_BATCH),
        validation_steps=math.ceil(splits.validation.count / _EVALUATION_BATCH),
        callbacks=[progress, reporting, *([_board(folders.logs)] if chief else [])],
        verbose=0,
    )
    seconds = time.monotonic() - start
    # To read the weights of a distributed network can need all workers.
    alone = in_float32(network)
    alone.set_weights(progress.best)
    examples = max(0, progress.epochs - first) * rows
    # The first epoch traces its steps. Nobody asks a trial how long it waited.
    paces = () if tuner is not None else reporting.paces[1:]
    waited = _waited(network, splits.train, plan, strategy, paces=paces)
    return Fitted(alone, progress.history, examples / seconds, waited)


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
        positives: Share of the positive class in the rows.
        compute: How it computes. In float16 small gradients would be 0, so the loss is scaled up and they down again.
    """
    heavy = positives * weights.positive
    prior = heavy / (heavy + (1 - positives) * weights.negative)
    network = build(sizes[0], sizes[1], training.network, prior=prior, policy=compute.policy)
    metric = MeanAuc(num_thresholds=_THRESHOLDS, curve="PR", name="auc_pr")
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


def _waited(
    network: tf_keras.Model, train: Rows, plan: _Plan, strategy: tf.distribute.Strategy, *, paces: Sequence[float]
) -> float | None:
    """Share of the steps' time that they would not take if their rows were always there.

    Some steps are taken on one and the same batch, which nothing has to be done for; of a few such stretches it is the
    median that counts, as it is of the epochs. The network is not used after.
    """
    if not paces:
        return None
    steps = min(plan.steps, _STEPS_AT_ONCE)

    def one(context: tf.distribute.InputContext) -> tf.data.Dataset:
        share = Share(context.input_pipeline_id, context.num_input_pipelines, plan.steps)
        batches = training_batches(train, batch=plan.batch, epochs=range(1), seed=0, share=share)
        return batches.take(1).cache().repeat()

    bare = Pace()
    stream = strategy.distribute_datasets_from_function(one)
    network.fit(stream, epochs=1 + _STRETCHES, steps_per_epoch=steps, callbacks=[bare], verbose=0)
    usual = float(np.median(paces)) / plan.steps
    return max(0.0, 1 - float(np.median(bare.paces[1:])) / steps / usual)


def _board(logs: Path) -> tf_keras.callbacks.Callback:
    return tf_keras.callbacks.TensorBoard(str(logs), write_graph=False, update_freq="epoch", profile_batch=0)
