"""How fast the trainer fits, against a naive pipeline and against steps that wait for nothing.

All three train the example's network, compiled alike, on rows like the example's.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
import tf_keras

from plumbline.config import load_problem
from plumbline.features import columns
from plumbline.problem import ProblemConfig, Training
from plumbline.signature import Signature
from trainer.encoder import tensors
from trainer.fit import compiled
from trainer.input import training_batches
from trainer.preparation import Prepared, prepare
from trainer.reading import read
from trainer.rows import Rows, Share

_CONFIG = Path(__file__).parents[2] / "configs" / "flights.yaml"
_ROWS, _ROUNDS = 150_000, 7
_STEPS, _NAIVE_STEPS = 128, 24
"""Of an epoch; the naive pipeline's pace shows in fewer."""
_CATEGORIES = 100
_SHUFFLED = 10_000
"""Rows that the naive pipeline has in its shuffle buffer."""
_TINY_GB = 0.003
"""An eighth of what the rows take: they lie on the disk."""

Run = Callable[[], float]
"""Trains some steps, and returns how many seconds one takes."""


def dataset(problem: ProblemConfig, folder: Path) -> Path:
    """Random rows with the example's columns: how fast they are learnt from does not depend on their values."""
    random = np.random.default_rng(0)
    made: Mapping[str, Callable[[], pa.Array]] = {
        "numeric": lambda: pa.array(random.normal(size=_ROWS)),
        "boolean": lambda: pa.array(random.random(_ROWS) < 0.5),
        "categorical": lambda: pa.array(random.integers(0, _CATEGORIES, _ROWS).astype(str)),
        "timestamp": lambda: pa.array(random.integers(0, 10**9, _ROWS), pa.timestamp("s")),
    }
    table = {name: made[kind]() for name, kind in columns(problem.data.features).items()}
    table[problem.data.label.column] = pa.array(random.random(_ROWS) < 0.1)
    pq.write_table(pa.table(table), folder / "train.parquet")
    pq.write_table(pa.table(table).slice(0, 1000), folder / "validation.parquet")
    return folder


class Naive(tf_keras.Model):
    """Raw columns in: each step looks its strings up, again in each epoch."""

    def __init__(self, ready: Prepared, network: tf_keras.Model) -> None:
        super().__init__()
        self._encoder, self.network = ready.encoder, network

    def call(self, inputs: Mapping[str, tf.Tensor], *, training: bool | None = None) -> tf.Tensor:
        """Scores of raw rows."""
        return self.network(tf.autograph.experimental.do_not_convert(self._encoder)(inputs), training=training)


def network(ready: Prepared, training: Training) -> tf_keras.Model:
    """The example's network, as the job compiles it."""
    sizes = ready.encoder.layout.numbers, ready.encoder.cardinalities
    return compiled(training, ready.weights, sizes, positives=ready.positives)


def naive(folder: Path, signature: Signature, training: Training, ready: Prepared, *, shuffled: int = 0) -> Run:
    """Keras's fit on from_tensor_slices of raw columns, shuffled in a buffer of so many rows or not at all.

    Source: TensorFlow, "Classify structured data using Keras preprocessing layers", `df_to_dataset`.
    """
    (stretch,) = read(folder, "train", signature, rows=_ROWS)
    weights = np.where(stretch.labels > 0, ready.weights.positive, ready.weights.negative).astype(np.float32)
    rows = tf.data.Dataset.from_tensor_slices((tensors(stretch.arrays), stretch.labels[:, None], weights[:, None]))
    mixed = rows.shuffle(shuffled) if shuffled else rows
    batches = mixed.repeat().batch(training.batch_size).prefetch(tf.data.AUTOTUNE)
    model = Naive(ready, network(ready, training))
    loss, metric = tf_keras.losses.BinaryCrossentropy(), tf_keras.metrics.AUC(curve="PR")
    model.compile(tf_keras.optimizers.Adam(training.learning_rate, jit_compile=False), loss, metrics=[metric])
    return lambda: _fit(model, batches, _NAIVE_STEPS)


def ours(rows: Rows, training: Training, ready: Prepared) -> Run:
    """Keras's fit as the job does it, on rows wherever they are."""
    share = Share(worker=0, workers=1, batches=_STEPS)
    batches = training_batches(rows, batch=training.batch_size, epochs=range(10**6), seed=7, share=share)
    model = network(ready, training)
    return lambda: _fit(model, batches, _STEPS)


def waiting_for_nothing(rows: Rows, training: Training, ready: Prepared) -> Run:
    """The same steps in one loop of TensorFlow's, on batches that lie side by side in memory."""
    share = Share(worker=0, workers=1, batches=_STEPS)
    stream = training_batches(rows, batch=training.batch_size, epochs=range(1), seed=7, share=share)
    batches = tf.nest.map_structure(lambda *each: tf.stack(each), *stream)
    model = network(ready, training)

    def batch(number: tf.Tensor) -> object:
        return tf.nest.map_structure(lambda part: part[number], batches)

    @tf.function
    def steps() -> None:
        for number in tf.range(_STEPS):
            model.train_step(batch(number))

    def run() -> float:
        start = time.perf_counter()
        steps()
        return (time.perf_counter() - start) / _STEPS

    return run


class Clock(tf_keras.callbacks.Callback):
    """Seconds of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._start = 0.0

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:  # noqa: ARG002 - Keras's own signature
        """Starts to count."""
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:  # noqa: ARG002 - Keras's own signature
        """Takes the time."""
        self.seconds.append(time.perf_counter() - self._start)


def _fit(model: tf_keras.Model, batches: tf.data.Dataset, steps: int) -> float:
    """A step of a second epoch: what a training does once, at its start, is not the pace at which it goes on."""
    clock = Clock()
    model.fit(batches, steps_per_epoch=steps, epochs=2, verbose=0, callbacks=[clock])
    return clock.seconds[1] / steps


def paces(runs: Mapping[str, Run]) -> Mapping[str, float]:
    """The median seconds of a step of each in some rounds, one after the other in each, on the same machine."""
    rounds = [{name: run() for name, run in runs.items()} for _ in range(_ROUNDS)]
    return {name: statistics.median(each[name] for each in rounds) for name in runs}


def measure() -> Sequence[tuple[str, str, str]]:
    """What was wanted and what was measured."""
    problem = load_problem(_CONFIG).config
    training = problem.training
    signature = Signature(name=problem.name, features=problem.data.features, label=problem.data.label)
    with tempfile.TemporaryDirectory() as scratch:
        folder = dataset(problem, Path(scratch))
        ready = prepare(folder, signature, training, folder / "none")
        stored = prepare(folder, signature, replace(training, memory_gb=_TINY_GB), folder).splits.train
        found = paces(
            {
                "naive": naive(folder, signature, training, ready, shuffled=_SHUFFLED),
                "not shuffled": naive(folder, signature, training, ready),
                "held": ours(ready.splits.train, training, ready),
                "stored": ours(stored, training, ready),
                "bare": waiting_for_nothing(ready.splits.train, training, ready),
            }
        )
    rate = {name: training.batch_size / best for name, best in found.items()}
    told = ", ".join(f"{name} {value:,.0f}" for name, value in rate.items())
    return (
        (
            "training against string lookups in the graph",
            "at least 4 times",
            f"{rate['held'] / rate['naive']:.1f} times",
        ),
        ("the same, where those rows are not even shuffled", "", f"{rate['held'] / rate['not shuffled']:.1f} times"),
        ("training against the same steps on tensors in memory", "at least 80 %", f"{rate['held'] / rate['bare']:.0%}"),
        ("the same from the disk, with memory for an eighth of it", "", f"{rate['stored'] / rate['bare']:.0%}"),
        ("examples a second", "", told),
    )
