"""Preprocessing as part of the model: raw columns in, numbers and category codes out.

There is one implementation, in TensorFlow operations: training applies it once to all rows, and the exported model has
it inside, so what is learnt on is what is served on.
"""

import math
from collections.abc import Mapping, Sequence
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
        """Numbers and codes of the rows.

        Columns of a kind are computed as one matrix: an operation takes longer to begin than to compute a row.
        """
        plain, parts, codes = list[str](), list[tuple[str, TimePart]](), list[tf.Tensor]()
        places: list[tuple[bool, int]] = []
        for name, column in self._features.items():
            raw = column.column or name
            if column.type == "categorical":
                codes.append(self._code(raw, inputs[raw]))
            elif column.part:
                places.append((True, len(parts)))
                parts.append((raw, column.part))
            else:
                places.append((False, len(plain)))
                plain.append(raw)
        rows = tf.shape(next(iter(inputs.values())))[0]
        pairs = [tf.zeros([rows, 0, 2], tf.float32)]
        if plain:
            pairs.append(self._standardise(plain, tf.stack([inputs[name] for name in plain], axis=1)))
        if parts:
            pairs.append(_cyclic(tf.stack([inputs[name] for name, _ in parts], axis=1), [part for _, part in parts]))
        # In the order of the features: times may stand between the others.
        order = [place + len(plain) if is_part else place for is_part, place in places]
        numbers = tf.gather(tf.concat(pairs, axis=1), tf.constant(order, tf.int32), axis=1)
        coded = tf.stack(codes, axis=1) if codes else tf.zeros([rows, 0], tf.int32)
        return tf.reshape(numbers, [rows, 2 * len(order)]), coded

    def _standardise(self, names: Sequence[str], values: tf.Tensor) -> tf.Tensor:
        """Of numbers (n, c) each in standard deviations, and whether it is missing: (n, c, 2)."""
        means, deviations = (
            tf.constant([of[name] for name in names], tf.float32)
            for of in (self._statistics.means, self._statistics.deviations)
        )
        missing = tf.math.is_nan(values)
        scaled = tf.clip_by_value((values - means) / deviations, -_LIMIT, _LIMIT)
        return tf.stack([tf.where(missing, tf.zeros_like(scaled), scaled), tf.cast(missing, tf.float32)], axis=2)

    def _code(self, name: str, value: tf.Tensor) -> tf.Tensor:
        found = self._tables[name].lookup(value)
        return tf.where(tf.equal(value, ""), tf.constant(MISSING_CODE), found)


def _lookup(words: tuple[str, ...]) -> tf.lookup.StaticHashTable:
    # A table needs an entry: the empty text is one that is never looked up with effect.
    keys, values = ["", *words], [MISSING_CODE, *range(FIRST_CODE, FIRST_CODE + len(words))]
    start = tf.lookup.KeyValueTensorInitializer(keys, values, tf.string, tf.int32)
    return tf.lookup.StaticHashTable(start, default_value=UNSEEN_CODE)


def _cyclic(seconds: tf.Tensor, parts: Sequence[TimePart]) -> tf.Tensor:
    """Parts of times (n, c) as points on their circles, (n, c, 2): the last minute of a day lies beside the first."""
    missing = tf.equal(seconds, MISSING_TIME)
    known = tf.unstack(tf.where(missing, tf.zeros_like(seconds), seconds), num=len(parts), axis=1)
    turns = tf.stack([time_part(each, part) for each, part in zip(known, parts, strict=True)], axis=1)
    angles = tf.cast(turns, tf.float32) * tf.constant([2 * np.pi / PERIODS[part] for part in parts], tf.float32)
    present = tf.cast(~missing, tf.float32)[:, :, None]
    return tf.stack([tf.sin(angles), tf.cos(angles)], axis=2) * present


def tensors(arrays: Mapping[str, npt.NDArray[np.generic]]) -> Mapping[str, tf.Tensor]:
    """Raw columns as tensors."""
    return {name: tf.constant(values.tolist() if values.dtype == object else values) for name, values in arrays.items()}
