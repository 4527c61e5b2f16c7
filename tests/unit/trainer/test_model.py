"""The network: where it starts, what it forgets in training only, and which shapes it takes."""

import numpy as np
import pytest
import tensorflow as tf

from plumbline.problem import Network, Training
from plumbline.weighting import Weights
from trainer.encoder import UNSEEN_CODE
from trainer.fit import compiled
from trainer.model import Drop, Forget, build

NETWORK = Network(hidden=(4,), dropout=0.0, embedding=3)


def test_a_new_network_starts_at_the_prior() -> None:
    """Where nothing is known (all inputs 0), the score is the positives' share: the first steps need not find it."""
    network = build(2, (), NETWORK, prior=0.1)
    score = network([tf.zeros([3, 2]), tf.zeros([3, 0], tf.int32)])
    np.testing.assert_allclose(score.numpy(), np.full((3, 1), 0.1), atol=1e-6)


def test_weights_move_the_prior() -> None:
    """10 % positives that weigh nine times as much start at a half."""
    weights = Weights(negative=1.0, positive=9.0)
    network = compiled(Training(network=NETWORK), weights, (1, ()), positives=0.1)
    score = network([tf.zeros([1, 1]), tf.zeros([1, 0], tf.int32)])
    assert float(score[0, 0]) == pytest.approx(0.5, abs=1e-6)


def test_each_category_has_an_embedding_of_its_own_size() -> None:
    """As many rows as codes; no wider than half of them."""
    network = build(1, (2, 30), NETWORK, prior=0.5)
    assert [weight.shape for weight in network.get_weights()[:2]] == [(2, 1), (30, 3)]


def test_scores_are_probabilities() -> None:
    """One an input row, between 0 and 1, whatever comes in."""
    network = build(2, (5,), NETWORK, prior=0.3)
    numbers, codes = tf.random.normal([50, 2], stddev=8.0), tf.random.uniform([50, 1], 0, 5, tf.int32)
    scores = network([numbers, codes]).numpy()
    assert scores.shape == (50, 1)
    assert ((scores >= 0) & (scores <= 1)).all()


def test_categories_are_forgotten_in_training_alone() -> None:
    """About one code of a hundred becomes "unseen"; when scoring, none does."""
    codes = tf.fill([20_000, 1], 5)
    found = Forget()(codes, training=True).numpy()
    assert set(found.ravel().tolist()) == {5, UNSEEN_CODE}
    # Binomial: 200 on average, a standard deviation of 14.
    assert 100 < (found == UNSEEN_CODE).sum() < 300
    np.testing.assert_array_equal(Forget()(codes, training=False).numpy(), codes.numpy())


@pytest.mark.parametrize(("rate", "share"), [(0.5, 0.5), (0.2, 51 / 256), (0.999, 255 / 256)])
def test_dropped_values_are_a_share_and_the_others_make_up_for_them(rate: float, share: float) -> None:
    """Of 1,000 x 30 ones; 30 bytes are no whole number of words."""
    tf.random.set_seed(7)
    layer = Drop(rate)
    found = layer(tf.ones([1000, 30]), training=True).numpy()
    assert (found == 0).mean() == pytest.approx(share, abs=0.01)
    assert found[found > 0] == pytest.approx(1 / (1 - share))
    # Each place is dropped as often as any other, and no draw is like the one before.
    assert (found == 0).mean(axis=0) == pytest.approx([share] * 30, abs=0.07)
    assert (layer(tf.ones([1000, 30]), training=True).numpy() != found).any()


@pytest.mark.parametrize(("rate", "training"), [(0.5, False), (0.5, None), (0.0, True)])
def test_nothing_is_dropped_but_in_training(rate: float, training: bool | None) -> None:
    """The values come out as they went in."""
    values = tf.random.stateless_normal([10, 3], (1, 2))
    np.testing.assert_array_equal(Drop(rate)(values, training=training).numpy(), values.numpy())


def test_a_copy_drops_as_the_layer_does() -> None:
    """The rate is part of what Keras copies."""
    assert Drop.from_config(Drop(0.25).get_config()).get_config()["rate"] == 0.25
