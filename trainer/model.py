"""The network, and the exported model around it."""

import itertools
import math
from collections.abc import Mapping, Sequence

import tensorflow as tf
import tf_keras

from plumbline.attribution import ATTRIBUTIONS
from plumbline.features import Arrays, Features, columns
from plumbline.problem import Network
from trainer.encoder import DTYPES, UNSEEN_CODE, Encoder, tensors
from trainer.gradients import Integrated, Lookup
from trainer.setup import Policy

_FORGET = 0.01
"""Share of categories that training replaces by "unseen", so that the code for it means something."""
_BUCKETS = 4096
"""Of the pairs of two categorical features, at most."""
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
    """A network from numbers (n, d) and codes (n, k) to the probability of the positive class, (n, m) by m members.

    Args:
        numbers: d.
        cardinalities: Number of codes of each of the k categorical features.
        network: Its shape; m is 1 unless it is an ensemble.
        prior: Share of the positive class in the loss, where training starts.
        policy: What the hidden layers compute in. The score is float32 in any case: a probability near 0 has too few
            digits in 16 bits.
    """
    number_input = tf_keras.Input((numbers,), name="numbers")
    code_input = tf_keras.Input((len(cardinalities),), dtype="int32", name="codes")
    codes = Forget()(code_input)
    start = tf_keras.initializers.Constant(float(tf.math.log(prior / (1 - prior))))
    scores = []
    for member in range(network.members if network.architecture == "ensemble" else 1):
        hidden = _tower(number_input, codes, cardinalities, network, policy)
        name = f"score_{member}" if member else "score"
        if network.architecture == "wide_and_deep":
            logits = tf_keras.layers.Dense(1, bias_initializer=start, dtype="float32")(hidden)
            linear = _wide(number_input, codes, cardinalities)
            sum_of = tf_keras.layers.Add(dtype="float32")([logits, *linear])
            scores.append(tf_keras.layers.Activation("sigmoid", dtype="float32", name=name)(sum_of))
        else:
            last = tf_keras.layers.Dense(1, activation="sigmoid", bias_initializer=start, name=name, dtype="float32")
            scores.append(last(hidden))
    every = scores[0] if len(scores) == 1 else tf_keras.layers.Concatenate(dtype="float32")(scores)
    return tf_keras.Model([number_input, code_input], every)


def _tower(
    numbers: tf.Tensor, codes: tf.Tensor, cardinalities: Sequence[int], network: Network, policy: Policy
) -> tf.Tensor:
    """The hidden layers over numbers and embedded codes."""
    embedded = [
        Lookup(size, min(network.embedding, (size + 1) // 2), of=[position], dtype=policy)(codes[:, position])
        for position, size in enumerate(cardinalities)
    ]
    hidden = tf_keras.layers.Concatenate(dtype=policy)([numbers, *embedded]) if embedded else numbers
    for width in network.hidden:
        hidden = tf_keras.layers.Dense(width, activation="relu", dtype=policy)(hidden)
        hidden = Drop(network.dropout, dtype=policy)(hidden)
    return hidden


class Cross(tf_keras.layers.Layer):
    """Two codes as one of a number of buckets: every pair has its own where there are as many buckets as pairs."""

    def __init__(self, size: int, buckets: int, **settings: object) -> None:
        """Crosses codes of which the second is below `size`."""
        super().__init__(**settings)
        self._size, self._buckets = size, buckets

    def call(self, pair: Sequence[tf.Tensor]) -> tf.Tensor:
        """Buckets (n,) of two columns of codes (n,)."""
        return (pair[0] * self._size + pair[1]) % self._buckets

    def get_config(self) -> Mapping[str, object]:
        """What Keras makes a copy of the layer from."""
        return {**super().get_config(), "size": self._size, "buckets": self._buckets}


def _wide(numbers: tf.Tensor, codes: tf.Tensor, cardinalities: Sequence[int]) -> list[tf.Tensor]:
    """The terms of a linear model of numbers, codes and pairs of codes, each (n, 1); they start at 0.

    Source: Cheng et al., "Wide & Deep Learning for Recommender Systems", 2016, section 3.1.
    """
    columns = [codes[:, position] for position in range(len(cardinalities))]
    looked_up = [(columns[place], size, [place]) for place, size in enumerate(cardinalities)]
    for one, other in itertools.combinations(range(len(columns)), 2):
        size = min(cardinalities[one] * cardinalities[other], _BUCKETS)
        looked_up.append((Cross(cardinalities[other], size)([columns[one], columns[other]]), size, [one, other]))
    terms = [
        Lookup(size, 1, of=of, embeddings_initializer="zeros", dtype="float32")(column)
        for column, size, of in looked_up
    ]
    linear = tf_keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", dtype="float32")(numbers)
    return [linear, *terms]


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
    """Raw columns in, score out; and reasons of the score, where there are background rows."""

    def __init__(
        self, encoder: Encoder, network: tf_keras.Model, features: Features, shift: float, background: Arrays | None
    ) -> None:
        super().__init__(name="exported")
        self.encoder = encoder
        # Not the network itself: Keras would trace and save every function of every layer, and nobody calls them.
        self.weights = network.weights
        wanted = {name: tf.TensorSpec([None], DTYPES[kind], name=name) for name, kind in columns(features).items()}

        def score(inputs: Mapping[str, tf.Tensor]) -> Mapping[str, tf.Tensor]:
            numbers, codes = encoder(inputs)
            members = network([numbers, codes], training=False)
            return {"score": moved(tf.reduce_mean(members, axis=-1), shift)}

        self.serve = tf.function(score, input_signature=[wanted], autograph=False)
        self.attribute: tf.types.experimental.PolymorphicFunction | None = None
        if background is None:
            return
        # The shift moves the log-odds of all rows alike, so it is in none of the reasons.
        integrated = Integrated(network, features, encoder(tensors(background)))

        def attribute(inputs: Mapping[str, tf.Tensor]) -> Mapping[str, tf.Tensor]:
            return {ATTRIBUTIONS: integrated(encoder(inputs))}

        self.attribute = tf.function(attribute, input_signature=[wanted], autograph=False)


def moved(scores: tf.Tensor, shift: float) -> tf.Tensor:
    """Scores whose log-odds are larger by a shift."""
    if not shift:
        return scores
    odds = scores * math.exp(shift)
    return odds / (odds + (1 - scores))


def export(  # noqa: PLR0913 - everything that the exported model has in it
    encoder: Encoder,
    network: tf_keras.Model,
    features: Features,
    path: str,
    *,
    shift: float = 0.0,
    background: Arrays | None = None,
) -> None:
    """Writes the SavedModel whose signature takes one tensor a raw column and gives `score` (n,).

    Args:
        encoder: From raw columns.
        network: To scores.
        features: That the model takes.
        path: The folder.
        shift: Added to the log-odds of each score: see `plumbline.balancing.shift`.
        background: Raw columns of rows that scores are explained against. With them there is a second signature, which
            takes the same and gives `attributions` (n, c), one a raw column: see `trainer.gradients`.
    """
    model = Exported(encoder, network, features, shift, background)
    reasons = {ATTRIBUTIONS: model.attribute} if model.attribute else {}
    tf.saved_model.save(model, path, signatures={"serving_default": model.serve, **reasons})
