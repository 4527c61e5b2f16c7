"""Wide-and-deep networks and ensembles: they train, survive a restart and are exported like any other."""

import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
import tf_keras

from plumbline.adapters.savedmodel import load
from plumbline.features import from_table
from plumbline.problem import Column, Network
from plumbline.section import from_json
from plumbline.training import History
from tests.unit.trainer import orders
from trainer.encoder import Encoder, statistics, tally
from trainer.model import Cross, build, export, in_float32, moved
from trainer.task import parse, run

WIDE = Network(hidden=(8,), dropout=0.1, embedding=3, architecture="wide_and_deep")
ENSEMBLE = Network(hidden=(8,), dropout=0.1, embedding=3, architecture="ensemble", members=3)
NUMBERS, CODES = tf.constant([[0.5, -1.0], [2.0, 0.0]]), tf.constant([[1, 4], [0, 2]])


def test_the_members_of_an_ensemble_are_different_networks() -> None:
    """Each has weights of its own, and a score of its own."""
    tf_keras.utils.set_random_seed(1)
    scores = build(2, (5, 6), ENSEMBLE, prior=0.2)([NUMBERS, CODES]).numpy()
    assert scores.shape == (2, 3)
    assert len(np.unique(scores[0])) == 3


def test_the_exported_score_is_the_mean_of_the_members(tmp_path: Path) -> None:
    """Of their probabilities, moved once afterwards: e^-ln 9 takes even odds to 1 in 9."""
    tf_keras.utils.set_random_seed(1)
    found = tally({"price": np.array([0.0, 1.0])}, {"price": Column(type="numeric")})
    encoder = Encoder({"price": Column(type="numeric")}, statistics(found))
    network, price = build(2, (), ENSEMBLE, prior=0.5), tf.constant([0.25, 3.0])
    members = network(list(encoder({"price": price}))).numpy()
    mean = members.mean(axis=1)
    for shift, expected in ((0.0, mean), (-math.log(9), mean / 9 / (mean / 9 + 1 - mean))):
        path = str(tmp_path / str(shift))
        export(encoder, network, {"price": Column(type="numeric")}, path, shift=shift)
        exported = tf.saved_model.load(path).signatures["serving_default"](price=price)["score"]
        np.testing.assert_allclose(exported.numpy(), expected, atol=1e-6)


def test_an_even_score_at_a_tenth_of_positives_is_a_tenth() -> None:
    """Odds of 1 become 1 in 9; certainty stays."""
    np.testing.assert_allclose(moved(tf.constant([0.0, 0.5, 0.9, 1.0]), -math.log(9)), [0.0, 0.1, 0.5, 1.0], atol=1e-6)


@pytest.mark.parametrize("network", [WIDE, ENSEMBLE])
def test_a_new_network_starts_near_the_prior(network: Network) -> None:
    """The linear part of a wide one is 0 at first."""
    tf_keras.utils.set_random_seed(1)
    made = build(2, (5, 6), network, prior=0.2)
    nothing = made([tf.zeros([1, 2]), tf.zeros([1, 2], tf.int32)]).numpy()
    np.testing.assert_allclose(nothing, 0.2, atol=0.05)


def test_every_pair_of_categories_has_a_place_of_its_own() -> None:
    """As long as there are as many buckets; beyond, pairs share them."""
    first, second = (tf.constant(column) for column in zip(*[(a, b) for a in range(3) for b in range(4)], strict=True))
    assert sorted(Cross(4, 12)([first, second]).numpy().tolist()) == list(range(12))
    assert set(Cross(4, 5)([first, second]).numpy().tolist()) == set(range(5))


@pytest.mark.parametrize("network", [WIDE, ENSEMBLE], ids=["wide_and_deep", "ensemble"])
def test_it_trains_and_is_exported(tmp_path: Path, network: Network) -> None:
    """It learns; a second start trains no more and gives the same."""
    orders.write_dataset(tmp_path / "bucket" / "dataset")
    task = parse(orders.arguments(orders.training(network=network)), orders.environment(tmp_path))
    run(task, {})
    rows = pq.read_table(task.dataset / "validation.parquet")
    scores = load(task.model).score(from_table(rows, orders.SIGNATURE.features))
    assert scores.shape == (400,)
    positive = orders.returned(rows)
    assert scores[positive].mean() > scores[~positive].mean() + 0.1
    epochs = from_json(History, task.history.read_text(encoding="utf-8")).epochs["val_auc_pr"]
    assert epochs[-1] > positive.mean()
    run(task, {})
    again = load(task.model).score(from_table(rows, orders.SIGNATURE.features))
    np.testing.assert_allclose(again, scores, atol=1e-6)


@pytest.mark.parametrize("network", [WIDE, ENSEMBLE])
def test_a_copy_in_float32_has_the_same_layers(network: Network) -> None:
    """What is exported after training in 16 bits."""
    made = build(2, (5, 6), network, prior=0.2, policy="mixed_float16")
    copy = in_float32(made)
    copy.set_weights(made.get_weights())
    np.testing.assert_allclose(copy([NUMBERS, CODES]).numpy(), made([NUMBERS, CODES]).numpy(), atol=2e-3)
