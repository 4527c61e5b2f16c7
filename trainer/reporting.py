"""What a training tells while it goes: a line an epoch in the log, and the metric of a trial to Vertex AI."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import tf_keras

from plumbline.tuning import METRIC

log = logging.getLogger("trainer")
TRIAL = "CLOUD_ML_TRIAL_ID"
"""The variable that a trial of a tuning job has. Source: Vertex AI, "Create a hyperparameter tuning job"."""


def is_trial(environ: Mapping[str, str]) -> bool:
    """Whether this training is a trial of a search: nobody wants its model."""
    return bool(environ.get(TRIAL))


class Tuner(Protocol):
    """cloudml-hypertune's, which has no types."""

    def report_hyperparameter_tuning_metric(self, tag: str, value: float, step: int) -> None:
        """Writes the metric down, where Vertex AI looks for it."""
        ...


class Pace(tf_keras.callbacks.Callback):
    """Keeps how long the steps of an epoch take, without the validation after them."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Keeps the pace by a clock in seconds."""
        super().__init__()
        self._clock = clock
        self._begin = self._last = 0.0
        self.paces: list[float] = []
        """Seconds of the steps, by epoch."""

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:  # noqa: ARG002 - Keras's
        """Starts the epoch's clock."""
        self._begin = self._clock()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:  # noqa: ARG002 - Keras's
        """Notes when the steps so far were done."""
        self._last = self._clock()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:  # noqa: ARG002 - Keras's
        """Keeps the epoch's seconds."""
        self.paces.append(self._last - self._begin)


class Reporting(Pace):
    """Tells after each epoch how it went and how long the rest may take."""

    def __init__(
        self, *, epochs: range, rows: int, tuner: Tuner | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Tells of some epochs.

        Args:
            epochs: Numbers of the epochs to come, from 0.
            rows: Of an epoch, over all workers.
            tuner: What the metric of a trial is told to.
            clock: Seconds.
        """
        super().__init__(clock=clock)
        self._epochs, self._rows, self._tuner = epochs, rows, tuner
        self._start = 0.0

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:  # noqa: ARG002 - Keras's
        """Starts the clock."""
        self._start = self._clock()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Tells of the epoch."""
        super().on_epoch_end(epoch, logs)
        done = epoch + 1 - self._epochs.start
        left = (self._clock() - self._start) / done * (self._epochs.stop - epoch - 1)
        metrics = ", ".join(f"{name} {value:.4f}" for name, value in logs.items())
        rate = self._rows / self.paces[-1] if self.paces[-1] > 0 else 0.0
        said = "epoch %d of %d: %s; %.0f examples a second, at most %.0f s left"
        log.info(said, epoch + 1, self._epochs.stop, metrics, rate, left)
        if self._tuner is not None:
            self._tuner.report_hyperparameter_tuning_metric(METRIC, logs[METRIC], epoch + 1)


def tuner(environ: Mapping[str, str]) -> Tuner | None:
    """What a trial tells its metric; None for a training that is none."""
    if not is_trial(environ):
        return None
    from hypertune import HyperTune  # noqa: PLC0415 - only a trial needs it

    return HyperTune()
