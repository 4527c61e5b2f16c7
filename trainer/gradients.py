"""Integrated gradients inside the exported model: how far each raw column moves a score, by the network's slopes."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from plumbline.features import Features, columns

STEPS = 32
"""Of the way from a background row to an instance. Source: Sundararajan et al., section 5: 20 to 300."""
_SMALL = 1e-7
"""As in `plumbline.attribution`."""

Values = Sequence[tf.Tensor]
"""What the network computes with, each (n, width): its numbers, and each lookup's embedding of the codes."""


class Lookup(tf_keras.layers.Embedding):
    """An embedding that knows which columns of the codes it embeds, and takes them as one column of codes (n,)."""

    def __init__(self, *settings: object, of: Sequence[int], **others: object) -> None:
        """Embeds one column of the codes, or the crossing of two."""
        super().__init__(*settings, **others)
        self.of = tuple(of)

    def get_config(self) -> Mapping[str, object]:
        """What Keras makes a copy of the layer from."""
        return {**super().get_config(), "of": self.of}


class Integrated:
    """Integrated gradients of the log-odds of a network, against the mean over background rows.

    The straight way from each background row to an instance is one of numbers and of embeddings: between two codes
    there is nothing, between their embeddings there is. A crossing of two columns counts half for each. The values of
    an instance add up to its log-odds less the mean of the background rows', but for the error of the steps.

    Source: Sundararajan, Taly, Yan, "Axiomatic Attribution for Deep Networks" (arXiv:1703.01365), equation 3, by the
    midpoint rule; the mean over background rows: Erion et al., "Improving performance of deep learning models with
    axiomatic attribution priors and expected gradients" (arXiv:1906.10670).
    """

    def __init__(
        self, network: tf_keras.Model, features: Features, usual: tuple[tf.Tensor, tf.Tensor], *, steps: int = STEPS
    ) -> None:
        """The network cut in two at its embeddings; `usual` are numbers (b, d) and codes (b, k) of background rows."""
        lookups = [layer for layer in network.layers if isinstance(layer, Lookup)]
        embedded = [layer.output for layer in lookups]
        self._steps = steps
        self._embed = tf_keras.Model(network.inputs, [network.inputs[0], *embedded])
        self._rest = tf_keras.Model([network.inputs[0], *embedded], network.output)
        self._usual = [value.numpy() for value in self._values(usual)]
        widths = [layer.output_dim for layer in lookups]
        self._places = _places(features, [layer.of for layer in lookups], widths)

    def __call__(self, encoded: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """The values (n, c) of instances, in the order of the c raw columns."""
        shares = ((tf.range(self._steps, dtype=tf.float32) + 0.5) / self._steps)[:, None, None, None]
        moves = [end[None] - start[:, None] for start, end in zip(self._usual, self._values(encoded), strict=True)]
        points = [start[:, None] + shares * move for start, move in zip(self._usual, moves, strict=True)]
        slopes = [tf.reduce_mean(slope, 0) for slope in self._slopes(points)]
        parts = [slope * move for slope, move in zip(slopes, moves, strict=True)]
        return tf.reduce_mean(tf.concat(parts, -1), 0) @ self._places

    def _values(self, encoded: tuple[tf.Tensor, tf.Tensor]) -> Values:
        return tf.nest.flatten(self._embed(list(encoded), training=False))

    def _slopes(self, points: Values) -> Values:
        """The gradients of the log-odds at the points, each (steps, b, n, width)."""
        count = tf.reduce_prod(tf.shape(points[0])[:-1])
        values = [tf.reshape(point, [count, point.shape[-1]]) for point in points]
        with tf.GradientTape() as tape:
            tape.watch(values)
            odds = _log_odds(tf.reduce_mean(self._rest(values, training=False), -1))
        slopes = tape.gradient(odds, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return [tf.reshape(slope, tf.shape(point)) for slope, point in zip(slopes, points, strict=True)]


def _log_odds(scores: tf.Tensor) -> tf.Tensor:
    kept = tf.clip_by_value(scores, _SMALL, 1 - _SMALL)
    return tf.math.log(kept) - tf.math.log1p(-kept)


def _places(features: Features, lookups: Sequence[Sequence[int]], widths: Sequence[int]) -> npt.NDArray[np.float32]:
    """Which raw column each encoded value belongs to, (values, c): 1, or a half where it belongs to two.

    Args:
        features: Each that is no category becomes two numbers, see `trainer.encoder.Encoder.layout`.
        lookups: The columns of the codes that each lookup embeds.
        widths: Of each lookup's embedding.
    """
    raw = list(columns(features))
    numbers = [column.column or name for name, column in features.items() if column.type != "categorical"]
    codes = [column.column or name for name, column in features.items() if column.type == "categorical"]
    rows = [[float(each == name) for each in raw] for name in numbers for _ in range(2)]
    for of, width in zip(lookups, widths, strict=True):
        owners = [codes[place] for place in of]
        rows += [[owners.count(each) / len(owners) for each in raw]] * width
    return np.array(rows, np.float32).reshape(-1, len(raw))
