"""The network, and the exported model around it."""

import math
from collections.abc import Mapping, Sequence

import tensorflow as tf
import tf_keras

from plumbline.features import Features, columns
from plumbline.problem import Network
from trainer.encoder import DTYPES, UNSEEN_CODE, Encoder
from trainer.setup import Policy

_FORGET = 0.01
"""Share of categories that training replaces by "unseen", so that the code for it means something."""
_BYTES = 256
"""Values of a byte."""


class Forget(tf_keras.layers.Layer):
    """In training, makes a random share of codes unknown."""

    def call(self, codes: tf.Tensor, *, training: bool | None = None) -> tf.Tensor:
        """Codes (n, k) int32, some of them replaced."""
        if not training:
            return codes
        forgotten = tf.random.uniform(tf.shape(codes)) < _FORGET
        return tf.where(forgotten, tf.constant(UNSEEN_CODE), codes)


class Drop(tf_keras.layers.Layer):
    """Dropout that draws one random byte a value, not a random float: Keras's takes a third of a step on a CPU."""

    def __init__(self, rate: float, **settings: object) -> None:
        """Drops a share of the values; the rate is rounded to 1/256."""
        super().__init__(**settings)
        self._rate = rate
        self._below = min(_BYTES - 1, round(rate * _BYTES))

    def call(self, values: tf.Tensor, *, training: bool | None = None) -> tf.Tensor:
        """Values (n, d), in training some of them 0 and the others larger, so that their sum is expected to stay."""
        if not training or not self._below:
            return values
        rows, width = tf.shape(values)[0], values.shape[1]
        words = tf.random.uniform([rows, math.ceil(width / 4)], tf.int32.min, tf.int32.max, tf.int32)
        drawn = tf.reshape(tf.bitcast(words, tf.uint8), [rows, -1])[:, :width]
        kept = tf.cast(drawn >= tf.constant(self._below, tf.uint8), values.dtype)
        return values * kept * tf.constant(_BYTES / (_BYTES - self._below), values.dtype)

    def get_config(self) -> Mapping[str, object]:
        """What Keras makes a copy of the layer from."""
        return {**super().get_config(), "rate": self._rate}


def build(
    numbers: int, cardinalities: Sequence[int], network: Network, *, prior: float, policy: Policy = "float32"
) -> tf_keras.Model:
    """A network from numbers (n, d) and codes (n, k) to the probability of the positive class (n, 1).

    Args:
        numbers: d.
        cardinalities: Number of codes of each of the k categorical features.
        network: Its shape.
        prior: Share of the positive class in the loss, where training starts.
        policy: What the hidden layers compute in. The score is float32 in any case: a probability near 0 has too few
            digits in 16 bits.
    """
    number_input = tf_keras.Input((numbers,), name="numbers")
    code_input = tf_keras.Input((len(cardinalities),), dtype="int32", name="codes")
    codes = Forget()(code_input)
    embedded = [
        tf_keras.layers.Embedding(size, min(network.embedding, (size + 1) // 2), dtype=policy)(codes[:, position])
        for position, size in enumerate(cardinalities)
    ]
    hidden = tf_keras.layers.Concatenate(dtype=policy)([number_input, *embedded]) if embedded else number_input
    for width in network.hidden:
        hidden = tf_keras.layers.Dense(width, activation="relu", dtype=policy)(hidden)
        hidden = Drop(network.dropout, dtype=policy)(hidden)
    start = tf_keras.initializers.Constant(float(tf.math.log(prior / (1 - prior))))
    last = tf_keras.layers.Dense(1, activation="sigmoid", bias_initializer=start, name="score", dtype="float32")
    score = last(hidden)
    return tf_keras.Model([number_input, code_input], score)


def in_float32(network: tf_keras.Model) -> tf_keras.Model:
    """A network of its own, not of the strategy, that computes in float32; its weights are not yet those of the other.

    Serving is on other machines than training, and most CPUs compute in 16 bits slowly.
    """

    def plain(layer: tf_keras.layers.Layer) -> tf_keras.layers.Layer:
        config = layer.get_config()
        is_mixed = layer.dtype_policy.name.startswith("mixed")
        return type(layer).from_config({**config, "dtype": "float32"} if is_mixed else config)

    return tf_keras.models.clone_model(network, clone_function=plain)


class Exported(tf.Module):
    """Raw columns in, score out."""

    def __init__(self, encoder: Encoder, network: tf_keras.Model, features: Features) -> None:
        super().__init__(name="exported")
        self.encoder = encoder
        # Not the network itself: Keras would trace and save every function of every layer, and nobody calls them.
        self.weights = network.weights
        wanted = {name: tf.TensorSpec([None], DTYPES[kind], name=name) for name, kind in columns(features).items()}

        def score(inputs: Mapping[str, tf.Tensor]) -> Mapping[str, tf.Tensor]:
            numbers, codes = encoder(inputs)
            return {"score": tf.reshape(network([numbers, codes], training=False), [-1])}

        self.serve = tf.function(score, input_signature=[wanted], autograph=False)


def export(encoder: Encoder, network: tf_keras.Model, features: Features, path: str) -> None:
    """Writes the SavedModel whose signature takes one tensor a raw column and gives `score` (n,)."""
    model = Exported(encoder, network, features)
    tf.saved_model.save(model, path, signatures={"serving_default": model.serve})
