"""How a training goes, kept after each epoch: a restarted job goes on from there, and the best epoch is not forgotten.

Keras has `BackupAndRestore` and `EarlyStopping` for this, but the one does not keep what the other knows: after a
restart the best epoch would be sought among the later ones only.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tf_keras

from plumbline.errors import ModelError

_FILE = "progress.npz"

Arrays = Sequence[npt.NDArray[np.generic]]


class Progress(tf_keras.callbacks.Callback):
    """Metrics by epoch and the weights of the best one; ends the training when no better one comes."""

    def __init__(self, folder: Path | None, *, watched: str, patience: int) -> None:
        """Keeps the progress in a folder, or nowhere.

        Args:
            folder: Where to write; None in a process that is not the chief.
            watched: The metric whose highest value marks the best epoch.
            patience: Epochs without a better one before the training ends.
        """
        super().__init__()
        self._folder, self._watched, self._patience = folder, watched, patience
        self.history: Mapping[str, Sequence[float]] = {}
        self.best: Arrays = ()

    @property
    def epochs(self) -> int:
        """How many are done."""
        return len(self.history.get(self._watched, ()))

    @property
    def is_over(self) -> bool:
        """Whether the best epoch lies so far back that training ends."""
        return self.epochs > 0 and self.epochs - 1 - self._best_epoch >= self._patience

    @property
    def _best_epoch(self) -> int:
        return int(np.argmax(self.history[self._watched]))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Takes the epoch's metrics and, where it is the best so far, its weights.

        Raises:
            ModelError: The training has come apart: a metric is not a number.
        """
        if wrong := [name for name, value in logs.items() if not math.isfinite(value)]:
            raise ModelError(f"{wrong[0]} of epoch {epoch + 1} is {logs[wrong[0]]}: try a lower learning_rate")
        self.history = {name: (*self.history.get(name, ()), float(value)) for name, value in logs.items()}
        if self._best_epoch == self.epochs - 1:
            self.best = self.model.get_weights()
        if self._folder:
            self._write(self._folder)
        self.model.stop_training = self.is_over

    def restore(self, folder: Path, network: tf_keras.Model) -> None:
        """Takes up what an earlier start of the job left; call it within the strategy's scope."""
        if not (folder / _FILE).is_file():
            return
        with np.load(folder / _FILE) as kept:
            self.history = {name: tuple(map(float, kept[f"history/{name}"])) for name in map(str, kept["names"])}
            self.best = _numbered(kept, "best")
            network.set_weights(_numbered(kept, "weights"))
            network.optimizer.build(network.trainable_variables)
            for variable, value in zip(network.optimizer.variables, _numbered(kept, "optimiser"), strict=True):
                variable.assign(value)

    def _write(self, folder: Path) -> None:
        groups = {
            "best": self.best,
            "weights": self.model.get_weights(),
            "optimiser": [variable.numpy() for variable in self.model.optimizer.variables],
        }
        arrays = {f"{group}/{i}": value for group, values in groups.items() for i, value in enumerate(values)}
        metrics = {f"history/{name}": np.array(values) for name, values in self.history.items()}
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f"unfinished-{_FILE}"
        np.savez(unfinished, allow_pickle=False, names=np.array(list(self.history)), **arrays, **metrics)
        # A job that is killed while it writes leaves the file of the epoch before.
        unfinished.replace(folder / _FILE)


def _numbered(kept: Mapping[str, npt.NDArray[np.generic]], group: str) -> Arrays:
    count = sum(name.startswith(f"{group}/") for name in kept)
    return [kept[f"{group}/{position}"] for position in range(count)]
