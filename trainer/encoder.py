"""Preprocessing as part of the model: raw columns in, numbers and category codes out.

There is one implementation, in TensorFlow operations: training applies it once to all rows, and the exported model has
it inside, so what is learnt on is what is served on.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from plumbline.features import MISSING_TIME, PERIODS, Arrays, Features, columns
from plumbline.problem import ColumnType, TimePart
from trainer.calendar import time_part
from trainer.rows import Layout

MISSING_CODE, UNSEEN_CODE, FIRST_CODE = 0, 1, 2
"""Codes of a missing category and of one that training does not know; the vocabulary follows."""
_LIMIT = 8.0
"""Standardised numbers are cut here: a delay of a day says no more than one of eight standard deviations."""

DTYPES: Mapping[ColumnType, tf.DType] = {
    "numeric": tf.float32,
    "boolean": tf.float32,
    "categorical": tf.string,
    "timestamp": tf.int64,
}


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the encoder learns from the training split."""

    means: Mapping[str, float]
    deviations: Mapping[str, float]
    """Standard deviations, 1 where a column is constant or empty."""
    vocabularies: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Moments:
    """Of the known values of a column."""

    count: int
    mean: float
    squares: float
    """Sum of the squared distances from the mean."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What some rows say of their columns; NaN and the empty text are missing values and do not count."""

    numbers: Mapping[str, Moments]
    words: Mapping[str, frozenset[str]]


def tally(arrays: Arrays, features: Features) -> Tally:
    """The tally of rows."""
    kinds = columns(features)
    return Tally(
        numbers={name: _moments(arrays[name]) for name, kind in kinds.items() if kind in {"numeric", "boolean"}},
        words={name: frozenset(arrays[name].tolist()) - {""} for name, kind in kinds.items() if kind == "categorical"},
    )


def _moments(values: npt.NDArray[np.generic]) -> Moments:
    known = values[~np.isnan(values)].astype(np.float64)
    if not known.size:
        return Moments(0, 0.0, 0.0)
    return Moments(known.size, float(known.mean()), float(known.var() * known.size))


def merged(first: Tally, second: Tally) -> Tally:
    """The tally of the rows of both."""
    return Tally(
        numbers={name: _together(first.numbers[name], second.numbers[name]) for name in first.numbers},
        words={name: first.words[name] | second.words[name] for name in first.words},
    )


def _together(first: Moments, second: Moments) -> Moments:
    """Source: Chan, Golub, LeVeque, "Algorithms for computing the sample variance", 1983, equations 2.1."""
    count = first.count + second.count
    if not count:
        return first
    distance, share = second.mean - first.mean, second.count / count
    squares = first.squares + second.squares + distance * distance * first.count * share
    return Moments(count, first.mean + distance * share, squares)


def statistics(found: Tally) -> Statistics:
    """What the encoder is to know of the rows of a tally."""
    spreads = {name: math.sqrt(each.squares / max(1, each.count)) for name, each in found.numbers.items()}
    return Statistics(
        means={name: each.mean for name, each in found.numbers.items()},
        deviations={name: spread if spread > 0 else 1.0 for name, spread in spreads.items()},
        vocabularies={name: tuple(sorted(words)) for name, words in found.words.items()},
    )


class Encoder(tf.Module):
    """Raw columns, each of shape (n,), to numbers (n, d) float32 and codes (n, k) int32."""

    def __init__(self, features: Features, statistics: Statistics) -> None:
        super().__init__(name="encoder")
        self._features = dict(features)
        self._statistics = statistics
        self._tables = {name: _lookup(words) for name, words in statistics.vocabularies.items()}

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of codes of each categorical feature, in the order of the codes."""
        names = [c.column or name for name, c in self._features.items() if c.type == "categorical"]
        return tuple(len(self._statistics.vocabularies[name]) + FIRST_CODE for name in names)

    @property
    def layout(self) -> Layout:
        """What an encoded row consists of: each column that is no category becomes two numbers."""
        kinds = [column.type for column in self._features.values()]
        return Layout(2 * sum(kind != "categorical" for kind in kinds), kinds.count("categorical"))

    @property
    def discrete(self) -> tuple[int, ...]:
        """Places of the numbers with nothing between their values: booleans, and what says that a value is missing."""
        places, found = 0, []
        for column in self._features.values():
            if column.type == "categorical":
                continue
            if not column.part:
                found += [places, places + 1] if column.type == "boolean" else [places + 1]
            places += 2
        return tuple(found)

    def __call__(self, inputs: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Numbers and codes of the rows."""
        numbers: list[tf.Tensor] = []
        codes: list[tf.Tensor] = []
        for name, column in self._features.items():
            value = inputs[column.column or name]
            if column.type == "categorical":
                codes.append(self._code(column.column or name, value))
            elif column.part:
                numbers += _cyclic(value, column.part)
            else:
                numbers += self._standardise(column.column or name, value)
        rows = tf.shape(next(iter(inputs.values())))[0]
        empty = tf.zeros([rows, 0], tf.float32)
        coded = tf.stack(codes, axis=1) if codes else tf.zeros([rows, 0], tf.int32)
        return tf.concat([empty, *(number[:, None] for number in numbers)], axis=1), coded

    def _standardise(self, name: str, value: tf.Tensor) -> list[tf.Tensor]:
        missing = tf.math.is_nan(value)
        scaled = (value - self._statistics.means[name]) / self._statistics.deviations[name]
        filled = tf.where(missing, tf.zeros_like(scaled), tf.clip_by_value(scaled, -_LIMIT, _LIMIT))
        return [filled, tf.cast(missing, tf.float32)]

    def _code(self, name: str, value: tf.Tensor) -> tf.Tensor:
        found = self._tables[name].lookup(value)
        return tf.where(tf.equal(value, ""), tf.constant(MISSING_CODE), found)


def _lookup(words: tuple[str, ...]) -> tf.lookup.StaticHashTable:
    # A table needs an entry: the empty text is one that is never looked up with effect.
    keys, values = ["", *words], [MISSING_CODE, *range(FIRST_CODE, FIRST_CODE + len(words))]
    start = tf.lookup.KeyValueTensorInitializer(keys, values, tf.string, tf.int32)
    return tf.lookup.StaticHashTable(start, default_value=UNSEEN_CODE)


def _cyclic(seconds: tf.Tensor, part: TimePart) -> list[tf.Tensor]:
    """A part of a time as a point on its circle: the last minute of a day lies beside the first."""
    missing = tf.equal(seconds, MISSING_TIME)
    known = tf.where(missing, tf.zeros_like(seconds), seconds)
    angle = tf.cast(time_part(known, part), tf.float32) * (2 * np.pi / PERIODS[part])
    present = tf.cast(~missing, tf.float32)
    return [tf.sin(angle) * present, tf.cos(angle) * present]


def tensors(arrays: Mapping[str, npt.NDArray[np.generic]]) -> Mapping[str, tf.Tensor]:
    """Raw columns as tensors."""
    return {name: tf.constant(values.tolist() if values.dtype == object else values) for name, values in arrays.items()}
