"""The network, and the exported model around it."""

from collections.abc import Mapping, Sequence

import tensorflow as tf
import tf_keras

from plumbline.features import Features, columns
from plumbline.problem import Network
from trainer.encoder import DTYPES, UNSEEN_CODE, Encoder
from trainer.setup import Policy

_FORGET = 0.01
"""Share of categories that training replaces by "unseen", so that the code for it means something."""


class Forget(tf_keras.layers.Layer):
    """In training, makes a random share of codes unknown."""

    def call(self, codes: tf.Tensor, *, training: bool | None = None) -> tf.Tensor:
        """Codes (n, k) int32, some of them replaced."""
        if not training:
            return codes
        forgotten = tf.random.uniform(tf.shape(codes)) < _FORGET
        return tf.where(forgotten, tf.constant(UNSEEN_CODE), codes)


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
        hidden = tf_keras.layers.Dropout(network.dropout, dtype=policy)(hidden)
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
        self.network = network
        wanted = {name: tf.TensorSpec([None], DTYPES[kind], name=name) for name, kind in columns(features).items()}
        self.serve = tf.function(self._score, input_signature=[wanted], autograph=False)

    def _score(self, inputs: Mapping[str, tf.Tensor]) -> Mapping[str, tf.Tensor]:
        numbers, codes = self.encoder(inputs)
        return {"score": tf.reshape(self.network([numbers, codes], training=False), [-1])}


def export(encoder: Encoder, network: tf_keras.Model, features: Features, path: str) -> None:
    """Writes the SavedModel whose signature takes one tensor a raw column and gives `score` (n,)."""
    model = Exported(encoder, network, features)
    tf.saved_model.save(model, path, signatures={"serving_default": model.serve})
