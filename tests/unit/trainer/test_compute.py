"""Mixed precision, XLA and several replicas: as much of them as a CPU can show."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
import tf_keras

from plumbline.adapters.savedmodel import load
from plumbline.features import from_table
from plumbline.problem import Network, Training
from plumbline.weighting import Weights
from tests.unit.trainer import orders, two_replicas
from trainer.fit import compiled
from trainer.model import build, in_float32
from trainer.preparation import prepare
from trainer.progress import Progress
from trainer.setup import Compute, Policy
from trainer.task import parse, run

_TIMEOUT_S = 180.0
NETWORK = Network(hidden=(8,), dropout=0.0, embedding=4)
POLICIES: tuple[Policy, ...] = ("mixed_float16", "mixed_bfloat16")


def small(policy: Policy) -> tf_keras.Model:
    """A network of two numbers and one category, ready to fit."""
    settings, weights = Training(network=NETWORK), Weights(negative=1.0, positive=1.0)
    return compiled(settings, weights, (2, (5,)), positives=0.5, compute=Compute(policy=policy))


def inputs(rows: int) -> list[tf.Tensor]:
    """Numbers and codes."""
    return [
        tf.random.stateless_normal([rows, 2], (1, 2)),
        tf.random.stateless_uniform([rows, 1], (3, 4), 0, 5, tf.int32),
    ]


@pytest.mark.parametrize("policy", POLICIES)
def test_the_hidden_layers_compute_in_16_bits_and_the_score_in_32(policy: Policy) -> None:
    """The weights are float32 in any case."""
    network = build(2, (5,), NETWORK, prior=0.5, policy=policy)
    narrow = policy.removeprefix("mixed_")
    by_kind = {type(layer).__name__: layer.compute_dtype for layer in network.layers if layer.name != "score"}
    assert {by_kind[kind] for kind in ("Dense", "Drop", "Lookup", "Concatenate")} == {narrow}
    assert network.get_layer("score").compute_dtype == "float32"
    assert network.output.dtype == tf.float32
    assert {weight.dtype for weight in network.weights} == {tf.float32}


@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_exported_computes_in_float32(policy: Policy) -> None:
    """With the same weights it scores as a network that never knew of 16 bits, digit by digit."""
    mixed, plain = small(policy), build(2, (5,), NETWORK, prior=0.5)
    alone = in_float32(mixed)
    alone.set_weights(mixed.get_weights())
    plain.set_weights(mixed.get_weights())
    assert {layer.compute_dtype for layer in alone.layers if layer.weights} == {"float32"}
    np.testing.assert_array_equal(alone(inputs(64)).numpy(), plain(inputs(64)).numpy())
    # About three digits are left in 16 bits: near, and not the same.
    difference = np.abs(mixed(inputs(64)).numpy() - plain(inputs(64)).numpy()).max()
    assert 0 < difference < 0.02


def test_float16_scales_its_loss() -> None:
    """Small gradients would be 0 in float16; bfloat16 has the range of float32 and needs no scaling."""
    scaled = tf_keras.mixed_precision.LossScaleOptimizer
    assert isinstance(small("mixed_float16").optimizer, scaled)
    assert not isinstance(small("mixed_bfloat16").optimizer, scaled)
    assert not isinstance(small("float32").optimizer, scaled)


def test_a_restart_takes_up_a_training_in_float16(tmp_path: Path) -> None:
    """Weights and the state of the optimiser within the scaled one come back."""
    before, after = small("mixed_float16"), small("mixed_float16")
    kept = Progress(tmp_path, watched="val_auc_pr", patience=3)
    kept.set_model(before)
    before.fit(inputs(32), np.arange(32)[:, None] % 2, batch_size=8, verbose=0)
    kept.on_epoch_end(0, {"val_auc_pr": 0.5})
    Progress(None, watched="val_auc_pr", patience=3).restore(tmp_path, after)
    assert int(after.optimizer.iterations) == 4
    for wanted, got in zip(before.optimizer.variables, after.optimizer.variables, strict=True):
        np.testing.assert_array_equal(wanted.numpy(), got.numpy())


def test_options_of_an_accelerator_do_no_harm_on_a_cpu(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The job trains, warns twice, and tells in its history what it did instead."""
    orders.write_dataset(tmp_path / "bucket" / "dataset")
    settings = orders.training(epochs=2, mixed_precision=True, xla=True)
    task = parse(orders.arguments(settings), orders.environment(tmp_path))
    with caplog.at_level("INFO", logger="trainer"):
        run(task, {})
    told = json.loads(task.history.read_text(encoding="utf-8"))
    assert (told["precision"], told["xla"], told["devices"]) == ("float32", True, "CPU alone")
    said = [r.getMessage() for r in caplog.records if (r.name, r.levelname) == ("trainer", "WARNING")]
    assert [text.partition(" is ")[0] for text in said] == ["mixed_precision", "xla"]
    assert "found CPU alone; strategy one_device, 1 replicas in sync, float32, XLA on" in caplog.text
    rows = from_table(pq.read_table(task.dataset / "validation.parquet"), orders.SIGNATURE.features)
    compiled_scores = load(task.model).score(rows)
    run(plain := parse(orders.arguments(orders.training(epochs=2)), orders.environment(plain_mount(tmp_path))), {})
    np.testing.assert_allclose(compiled_scores, load(plain.model).score(rows), atol=0.05)


def plain_mount(folder: Path) -> Path:
    """A second mount, with the same rows."""
    mount = folder / "plain"
    orders.write_dataset(mount / "bucket" / "dataset")
    return mount


@pytest.fixture(scope="module")
def mount(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mount of a training in each policy on two replicas."""
    mount = tmp_path_factory.mktemp("two_replicas")
    orders.write_dataset(mount / "bucket" / "dataset")
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "tests.unit.trainer.two_replicas", str(mount)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return mount


@pytest.mark.parametrize("case", two_replicas.POLICIES)
def test_two_replicas_train_one_model(mount: Path, case: str) -> None:
    """In each precision the loss falls, and the model takes raw rows and gives float32 scores."""
    told = json.loads((mount / case / "told.json").read_text(encoding="utf-8"))
    assert told["replicas"] == 2
    assert len(told["loss"]) == two_replicas.EPOCHS
    assert told["loss"][-1] < told["loss"][0]
    signature = tf.saved_model.load(str(mount / case / "model")).signatures["serving_default"]
    assert signature.structured_outputs["score"].dtype == tf.float32
    assert {spec.dtype for spec in signature.structured_input_signature[1].values()} == {
        tf.float32,
        tf.string,
        tf.int64,
    }
    rows = pq.read_table(mount / "bucket" / "dataset" / "validation.parquet")
    scores = load(mount / case / "model").score(from_table(rows, orders.SIGNATURE.features))
    positive = orders.returned(rows)
    assert scores[positive].mean() > scores[~positive].mean() + 0.05


@pytest.mark.parametrize("case", two_replicas.POLICIES)
def test_the_exported_model_is_the_best_epoch_in_float32(mount: Path, case: str) -> None:
    """Raw rows through the SavedModel score as encoded rows through a plain network with the kept weights."""
    task = parse(orders.arguments(orders.training(epochs=two_replicas.EPOCHS)), orders.environment(mount))
    ready = prepare(task.dataset, task.signature, task.training, mount)
    network = build(ready.encoder.layout.numbers, ready.encoder.cardinalities, task.training.network, prior=0.5)
    kept = np.load(mount / case / "checkpoints" / "progress.npz")
    count = sum(name.startswith("best/") for name in kept.files)
    network.set_weights([kept[f"best/{position}"] for position in range(count)])
    wanted = network(orders.inputs(ready.splits.validation)).numpy()[:, 0]
    rows = pq.read_table(task.dataset / "validation.parquet")
    got = load(mount / case / "model").score(from_table(rows, orders.SIGNATURE.features))
    np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_replicas_in_16_bits_learn_the_same(mount: Path) -> None:
    """The losses of the first epoch agree to two per cent: how they compute is not what they learn."""
    wide, narrow = [
        json.loads((mount / case / "told.json").read_text(encoding="utf-8"))["loss"][0]
        for case in two_replicas.POLICIES
    ]
    assert narrow == pytest.approx(wide, rel=0.02)
