"""What a training tells: epochs with the time that is left, and a trial's metric where Vertex AI looks for it."""

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from plumbline.section import from_json
from plumbline.training import History
from tests.unit.trainer import orders
from trainer.fit import Folders, Splits, compiled, fit
from trainer.preparation import prepare
from trainer.reporting import Reporting, is_trial, tuner
from trainer.rows import Layout, Rows, Share
from trainer.task import parse, run

ROOT = Path(__file__).parents[3]


class Told:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.values: list[tuple[str, float, int]] = []

    def report_hyperparameter_tuning_metric(self, tag: str, value: float, step: int) -> None:
        """Keeps it."""
        self.values.append((tag, value, step))


def test_an_epoch_is_told_with_the_time_that_is_left(caplog: pytest.LogCaptureFixture) -> None:
    """Two epochs of 4 s, of which 2 s are steps: 500 of 1,000 rows a second, and 4 s for the third."""
    times, told = iter([0.0, 0.0, 2.0, 4.0, 4.0, 6.0, 8.0]), Told()
    reporting = Reporting(epochs=range(1, 4), rows=1000, tuner=told, clock=lambda: next(times))
    with caplog.at_level("INFO", logger="trainer"):
        reporting.on_train_begin()
        for epoch in (1, 2):
            reporting.on_epoch_begin(epoch)
            reporting.on_train_batch_end(0)
            reporting.on_epoch_end(epoch, {"loss": 0.5, "val_auc_pr": 0.25 * epoch})
    assert [record.getMessage() for record in caplog.records] == [
        "epoch 2 of 4: loss 0.5000, val_auc_pr 0.2500; 500 examples a second, at most 8 s left",
        "epoch 3 of 4: loss 0.5000, val_auc_pr 0.5000; 500 examples a second, at most 4 s left",
    ]
    assert told.values == [("val_auc_pr", 0.25, 2), ("val_auc_pr", 0.5, 3)]
    assert reporting.paces == [2.0, 2.0]


def test_only_a_trial_has_a_tuner() -> None:
    """Vertex AI says so in the environment."""
    assert tuner({}) is None
    assert not is_trial({"CLOUD_ML_TRIAL_ID": ""})
    assert is_trial({"CLOUD_ML_TRIAL_ID": "3"})


def test_a_training_tells_how_long_it_waited_for_rows(tmp_path: Path) -> None:
    """A share of its steps' time; after one epoch alone it is not known."""
    orders.write_dataset(tmp_path / "bucket" / "dataset")
    for epochs in (3, 1):
        task = parse(orders.arguments(orders.training(epochs=epochs)), orders.environment(tmp_path))
        run(task, {})
        waited = from_json(History, task.history.read_text(encoding="utf-8")).waited
        assert waited is None if epochs == 1 else waited is not None and 0 <= waited < 1
        (task.folders.checkpoints / "progress.npz").unlink()


@dataclasses.dataclass(frozen=True, slots=True)
class Slow:
    """Rows that take a tenth of a second a batch to come."""

    rows: Rows
    batch: int

    @property
    def layout(self) -> Layout:
        """Theirs."""
        return self.rows.layout

    @property
    def count(self) -> int:
        """Theirs."""
        return self.rows.count

    def shuffled(self, seed: tf.Tensor, *, share: Share, step: int) -> tf.data.Dataset:
        """Theirs, late."""

        def late(records: tf.Tensor) -> tf.Tensor:
            return tf.ensure_shape(tf.numpy_function(_nap, [records], tf.float32), records.shape)

        return self.rows.shuffled(seed, share=share, step=step).rebatch(self.batch).map(late)

    def in_order(self) -> tf.data.Dataset:
        """Theirs."""
        return self.rows.in_order()


def _nap(records: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    time.sleep(0.1)
    return records


def test_steps_that_wait_for_rows_are_found_out(tmp_path: Path) -> None:
    """A tiny network is done in milliseconds with what takes 0.1 s to come; a trial is not asked."""
    orders.write_dataset(tmp_path / "dataset")
    training = orders.training(epochs=2)
    ready = prepare(tmp_path / "dataset", orders.SIGNATURE, training, tmp_path)
    splits = Splits(Slow(ready.splits.train, training.batch_size), ready.splits.validation)
    sizes = (ready.encoder.layout.numbers, ready.encoder.cardinalities)
    found = []
    for told in (None, Told()):
        folder = tmp_path / ("plain" if told is None else "trial")
        fitted = fit(
            splits,
            training,
            network=compiled(training, ready.weights, sizes, positives=ready.positives),
            strategy=tf.distribute.get_strategy(),
            folders=Folders(folder / "checkpoints", folder / "logs"),
            tuner=told,
        )
        found.append(fitted.waited)
    assert found[0] is not None
    assert found[0] > 0.5
    assert found[1] is None


def test_a_trial_reports_its_metric_and_leaves_no_model(tmp_path: Path) -> None:
    """As cloudml-hypertune writes it, with the flags that Vertex AI adds to the command."""
    orders.write_dataset(tmp_path / "bucket" / "dataset")
    metrics = tmp_path / "metrics" / "file"
    environ = {**os.environ, **orders.environment(tmp_path), "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    environ |= {"CLOUD_ML_TRIAL_ID": "4", "CLOUD_ML_HP_METRIC_FILE": str(metrics)}
    command = [sys.executable, "-m", "trainer.task", *orders.arguments(orders.training(epochs=2))]
    command += ["--learning_rate=0.02", "--width=12", "--layers=2", "--dropout=0.0"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    assert [(each["trial"], each["global_step"]) for each in told] == [("4", "1"), ("4", "2")]
    assert all(0 < float(each["val_auc_pr"]) < 1 for each in told)
    assert not (tmp_path / "bucket" / "job" / "model").exists()


def test_flags_take_the_place_of_the_section(tmp_path: Path) -> None:
    """Whole numbers stay whole; what is not said stays as it was."""
    given = [*orders.arguments(orders.training()), "--batch_size=31.7", "--width=5.0", "--embedding=2"]
    training = parse(given, orders.environment(tmp_path)).training
    assert (training.batch_size, training.network.hidden, training.network.embedding) == (32, (5,), 2)
    assert training.learning_rate == 0.01
