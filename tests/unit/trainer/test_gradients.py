"""Integrated gradients of the exported model: by hand where it is linear, and by their axioms where it is not."""

import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
import tf_keras

from plumbline.adapters.savedmodel import Scorer, load
from plumbline.attribution import Floats, log_odds, sampled_shapley
from plumbline.background import USED, read_background
from plumbline.features import MISSING_TIME, Arrays, from_table
from plumbline.problem import Column, Label, Network
from plumbline.signature import Signature, write_signature
from tests.unit.trainer import orders
from trainer.encoder import Encoder, statistics, tally, tensors
from trainer.gradients import Integrated
from trainer.model import build, export
from trainer.task import parse, run

FEATURES = {
    "size": Column(type="numeric"),
    "colour": Column(type="categorical"),
    "shop": Column(type="categorical"),
    "hour": Column(type="timestamp", column="at", part="hour"),
    "weekday": Column(type="timestamp", column="at", part="weekday"),
}
DEEP = Network(hidden=(8, 4), dropout=0.1, embedding=3)
WIDE = Network(hidden=(8,), dropout=0.0, embedding=3, architecture="wide_and_deep")
ENSEMBLE = Network(hidden=(8,), dropout=0.0, embedding=3, architecture="ensemble", members=3)


def rows(sizes: list[float], colours: list[str], shops: list[str], times: list[int]) -> Arrays:
    """Raw columns."""
    return {
        "size": np.array(sizes, np.float32),
        "colour": np.array(colours, object),
        "shop": np.array(shops, object),
        "at": np.array(times, np.int64),
    }


USUAL = rows([1.0, 4.0, math.nan], ["red", "blue", ""], ["a", "b", "a"], [0, 40_000, MISSING_TIME])
INSTANCES = rows(
    [3.0, math.nan, 9.0, 1.0], ["blue", "green", "red", ""], ["b", "a", "c", "a"], [7200, 1, 10**9, 50_000]
)


def scattered(network: Network) -> tf_keras.Model:
    """A network with weights as if it had learnt something."""
    tf_keras.utils.set_random_seed(3)
    made, random = build(6, (4, 4), network, prior=0.2), np.random.default_rng(3)
    made.set_weights([random.normal(0, 0.5, weight.shape).astype(np.float32) for weight in made.get_weights()])
    return made


def exported(folder: Path, network: Network, *, shift: float = 0.0) -> Scorer:
    """A model's directory, loaded."""
    encoder = Encoder(FEATURES, statistics(tally(USUAL, FEATURES)))
    export(encoder, scattered(network), FEATURES, str(folder), shift=shift, background=USUAL)
    write_signature(folder, Signature(name="orders", features=FEATURES, label=Label(column="late", positive=True)))
    return load(folder)


@pytest.mark.parametrize("network", [DEEP, WIDE, ENSEMBLE], ids=["deep", "wide_and_deep", "ensemble"])
@pytest.mark.parametrize("shift", [0.0, -2.0])
def test_the_values_add_up(tmp_path: Path, network: Network, shift: float) -> None:
    """To the log-odds of the score less the mean of the background rows', but for the error of the steps."""
    model = exported(tmp_path, network, shift=shift)
    found = model.gradients(INSTANCES)
    assert found.shape == (4, 4)
    moved = log_odds(model.score(INSTANCES)) - log_odds(model.score(USUAL)).mean()
    np.testing.assert_allclose(found.sum(axis=1), moved, atol=0.03)
    assert np.abs(moved).max() > 0.3


def test_the_error_of_the_steps_vanishes() -> None:
    """With 1,024 of them the values add up within a thousandth."""
    network, encoder = scattered(DEEP), Encoder(FEATURES, statistics(tally(USUAL, FEATURES)))
    given, usual = encoder(tensors(INSTANCES)), encoder(tensors(USUAL))
    found = Integrated(network, FEATURES, usual, steps=1024)(given).numpy().sum(axis=1)
    scores = [log_odds(network(list(rows)).numpy()[:, 0].astype(np.float64)) for rows in (given, usual)]
    np.testing.assert_allclose(found, scores[0] - scores[1].mean(), atol=0.001)


def linear(numbers: Floats, colour: Floats, shop: Floats) -> tf_keras.Model:
    """A wide-and-deep network of which only the wide part is there, and no pairs."""
    made = build(2, (4, 4), WIDE, prior=0.5)
    for layer in made.layers:
        layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    looks = [layer for layer in made.layers if getattr(layer, "of", None) and layer.output_dim == 1]
    for layer in looks:
        if layer.of in {(0,), (1,)}:
            layer.set_weights([(colour if layer.of == (0,) else shop)[:, None]])
    (plain,) = [layer for layer in made.layers if isinstance(layer, tf_keras.layers.Dense) and not layer.use_bias]
    plain.set_weights([numbers[:, None]])
    return made


def test_a_linear_model_is_explained_exactly() -> None:
    """Weight times distance, each column by itself, and the mean over background rows: computed by hand.

    The size is 2 against 0 and 1, by 0.5: mean (1.0 + 0.5) / 2. The colour is 1.0 against 0.0 and 0.4: mean 0.8.
    """
    features = {"size": Column(type="numeric"), "colour": FEATURES["colour"], "shop": FEATURES["shop"]}
    network = linear(np.array([0.5, 0.0]), np.array([0.0, 0.4, 1.0, 0.0]), np.array([0.1, 0.1, 0.3, 0.7]))
    usual = (tf.constant([[0.0, 0.0], [1.0, 0.0]]), tf.constant([[0, 0], [1, 1]]))
    found = Integrated(network, features, usual)((tf.constant([[2.0, 0.0]]), tf.constant([[2, 3]])))
    np.testing.assert_allclose(found.numpy(), [[0.75, 0.8, 0.6]], atol=1e-5)


def test_a_pair_counts_half_for_each_of_its_columns() -> None:
    """A crossing that is worth 1.0 more than the background row's."""
    features = {"size": Column(type="numeric"), "colour": FEATURES["colour"], "shop": FEATURES["shop"]}
    network = linear(np.zeros(2), np.zeros(4), np.zeros(4))
    (pair,) = [layer for layer in network.layers if getattr(layer, "of", ()) == (0, 1)]
    crossed = np.zeros((16, 1), np.float32)
    crossed[2 * 4 + 3] = 1.0
    pair.set_weights([crossed])
    usual = (tf.zeros([1, 2]), tf.constant([[0, 0]]))
    found = Integrated(network, features, usual)((tf.zeros([1, 2]), tf.constant([[2, 3]])))
    np.testing.assert_allclose(found.numpy(), [[0.0, 0.5, 0.5]], atol=1e-5)


@pytest.mark.parametrize("kind", ["categorical", "numeric"])
def test_columns_of_one_kind_alone_are_explained(kind: str) -> None:
    """Without a number, and without a category."""
    is_category = kind == "categorical"
    features = {"colour": FEATURES["colour"]} if is_category else {"size": FEATURES["size"]}
    numbers, codes = (0, (4,)) if is_category else (2, ())
    network = build(numbers, codes, DEEP, prior=0.5)
    usual = (tf.zeros([2, numbers]), tf.zeros([2, len(codes)], tf.int32))
    given = (tf.ones([5, numbers]), tf.ones([5, len(codes)], tf.int32))
    found = Integrated(network, features, usual)(given).numpy()[:, 0]
    scores = [log_odds(network(list(rows)).numpy()[:, 0].astype(np.float64)) for rows in (given, usual)]
    np.testing.assert_allclose(found, scores[0] - scores[1].mean(), atol=0.01)


def test_rows_do_not_depend_on_each_other(tmp_path: Path) -> None:
    """One by one they get what they get together."""
    model = exported(tmp_path, DEEP)
    single = [model.gradients({name: values[[row]] for name, values in INSTANCES.items()})[0] for row in range(4)]
    np.testing.assert_allclose(single, model.gradients(INSTANCES), atol=1e-5)


def test_a_trained_model_explains_itself_like_shapley(tmp_path: Path) -> None:
    """The job leaves a model with gradients, and they say nearly what sampled Shapley values say of it."""
    orders.write_dataset(tmp_path / "bucket" / "dataset")
    task = parse(orders.arguments(orders.training()), orders.environment(tmp_path))
    run(task, {})
    model, features = load(task.model), orders.SIGNATURE.features
    rows = from_table(pq.read_table(task.dataset / "validation.parquet").slice(0, 100), features)
    usual = read_background(task.model, features, rows=USED)
    shapley = sampled_shapley(model.score, rows, usual, permutations=50, seed=1).values
    assert np.corrcoef(model.gradients(rows).ravel(), shapley.ravel())[0, 1] > 0.9
