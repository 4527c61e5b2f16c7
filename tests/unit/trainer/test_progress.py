"""The progress of a training: kept, taken up again, ended in time, and never without its best epoch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tf_keras

from plumbline.errors import ModelError
from plumbline.problem import Network, Training
from plumbline.weighting import Weights
from trainer.fit import compiled
from trainer.progress import Progress


def network() -> tf_keras.Model:
    """A network of one number and one category."""
    settings = Training(network=Network(hidden=(2,)))
    model = compiled(settings, Weights(negative=1.0, positive=1.0), (1, (4,)), positives=0.5)
    model.optimizer.build(model.trainable_variables)
    return model


def fill(model: tf_keras.Model, value: float) -> None:
    """Gives all weights one value."""
    model.set_weights([np.full_like(weight, value) for weight in model.get_weights()])


def go(progress: Progress, model: tf_keras.Model, scores: Sequence[float]) -> None:
    """Goes through epochs with these scores; the weights of epoch n are all n."""
    progress.set_model(model)
    for score in scores:
        epoch = progress.epochs
        fill(model, float(epoch))
        progress.on_epoch_end(epoch, {"loss": 1.0, "val_auc_pr": score})


def test_the_best_epoch_is_remembered() -> None:
    """The first of the highest scores counts, not the last epoch."""
    progress = Progress(None, watched="val_auc_pr", patience=9)
    go(progress, network(), [0.2, 0.5, 0.5, 0.3])
    assert all((weight == 1.0).all() for weight in progress.best)
    assert progress.history == {"loss": (1.0,) * 4, "val_auc_pr": (0.2, 0.5, 0.5, 0.3)}


@pytest.mark.parametrize(
    ("scores", "over"), [([0.5], False), ([0.5, 0.4], False), ([0.5, 0.4, 0.5], True), ([0.5, 0.4, 0.6], False)]
)
def test_training_ends_when_nothing_gets_better(scores: list[float], over: bool) -> None:
    """After two epochs that are not above the best one."""
    progress, model = Progress(None, watched="val_auc_pr", patience=2), network()
    go(progress, model, scores)
    assert progress.is_over is over
    assert model.stop_training is over


def test_a_restart_knows_all_that_was_known(tmp_path: Path) -> None:
    """Weights, the optimiser's state, history and the best epoch come back."""
    before, model = Progress(tmp_path, watched="val_auc_pr", patience=3), network()
    model.fit([np.ones((8, 1)), np.ones((8, 1))], np.ones((8, 1)), batch_size=2, verbose=0)
    go(before, model, [0.5, 0.4])
    after, again = Progress(tmp_path, watched="val_auc_pr", patience=3), network()
    after.restore(tmp_path, again)
    assert (after.epochs, after.history) == (2, before.history)
    assert all((weight == 1.0).all() for weight in again.get_weights())
    assert all((weight == 0.0).all() for weight in after.best)
    assert int(again.optimizer.iterations) == 4
    for kept, variable in zip(model.optimizer.variables, again.optimizer.variables, strict=True):
        np.testing.assert_array_equal(kept.numpy(), variable.numpy())


def test_patience_counts_across_a_restart(tmp_path: Path) -> None:
    """One epoch before the restart and one after it are two without a better one."""
    go(Progress(tmp_path, watched="val_auc_pr", patience=2), network(), [0.5, 0.4])
    after, model = Progress(tmp_path, watched="val_auc_pr", patience=2), network()
    after.restore(tmp_path, model)
    stops = [after.is_over]
    go(after, model, [0.45])
    assert [*stops, after.is_over] == [False, True]
    assert all((weight == 0.0).all() for weight in after.best)


def test_a_first_start_finds_nothing(tmp_path: Path) -> None:
    """Without an earlier start everything begins at 0."""
    progress = Progress(tmp_path, watched="val_auc_pr", patience=2)
    progress.restore(tmp_path / "none", network())
    assert (progress.epochs, progress.is_over, progress.best) == (0, False, ())


def test_only_who_has_a_folder_writes(tmp_path: Path) -> None:
    """A worker keeps its progress to itself; the chief leaves one whole file."""
    go(Progress(None, watched="val_auc_pr", patience=2), network(), [0.5])
    assert list(tmp_path.iterdir()) == []
    go(Progress(tmp_path, watched="val_auc_pr", patience=2), network(), [0.5])
    assert [path.name for path in tmp_path.iterdir()] == ["progress.npz"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_training_that_has_come_apart_fails(value: float) -> None:
    """A loss that is no number ends the job with what to do about it, before such weights are kept."""
    progress = Progress(None, watched="val_auc_pr", patience=2)
    progress.set_model(network())
    with pytest.raises(ModelError, match=f"loss of epoch 1 is {value}: try a lower learning_rate"):
        progress.on_epoch_end(0, {"loss": value, "val_auc_pr": 0.5})
