"""Rows as the matrix that simple models learn from: a number a feature, categories by their code."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.features import Features, columns, derived
from plumbline.ingestion import is_positive
from plumbline.problem import Data

Floats = npt.NDArray[np.float64]
_CATEGORIES = 250
"""Of a feature, the most frequent ones; the others count as missing. The trees of scikit-learn know 255."""

Vocabularies = Mapping[str, Mapping[str, int]]
"""The code of each category, by feature."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """n rows."""

    values: Floats
    """A column a feature, in the config's order; NaN where a value is missing or its category unknown; shape (n, d)."""
    positive: npt.NDArray[np.bool_]
    """Shape (n,)."""


def needed(data: Data) -> list[str]:
    """The columns of a split that a matrix is made from."""
    return list(dict.fromkeys([*columns(data.features), data.label.column]))


def vocabularies(rows: pa.Table, features: Features) -> Vocabularies:
    """The codes of the categories of some rows: the most frequent one is 0."""
    found = {}
    for name, column in features.items():
        if column.type == "categorical":
            counted = pc.value_counts(_text(derived(rows, name, column)).drop_null())
            order = sorted(counted.to_pylist(), key=lambda each: (-each["counts"], each["values"]))
            found[name] = {each["values"]: code for code, each in enumerate(order[:_CATEGORIES])}
    return found


def matrix(rows: pa.Table, data: Data, known: Vocabularies) -> Matrix:
    """The matrix of some rows, with the codes of others."""
    values = np.column_stack([_column(rows, name, data.features, known) for name in data.features])
    return Matrix(values, pc.fill_null(is_positive(rows, data.label), fill_value=False).to_numpy())


def categorical(features: Features) -> list[bool]:
    """Which columns of a matrix are codes."""
    return [column.type == "categorical" for column in features.values()]


def spread(parts: Iterable[pa.Table], rows: int, total: int) -> pa.Table:
    """At most so many of all rows, as evenly as can be; the same each time.

    Args:
        parts: The rows, in parts.
        rows: How many to take.
        total: How many there are.
    """
    chosen = (
        np.unique(np.linspace(0, total - 1, min(rows, total)).round().astype(np.int64)) if total else np.zeros(0, int)
    )
    taken, first = [], 0
    for part in parts:
        within = chosen[(chosen >= first) & (chosen < first + part.num_rows)] - first
        taken.append(part.take(pa.array(within)))
        first += part.num_rows
    return pa.concat_tables(taken)


def _column(rows: pa.Table, name: str, features: Features, known: Vocabularies) -> Floats:
    column = features[name]
    values = derived(rows, name, column)
    if column.type == "categorical":
        codes = known[name]
        place = pc.index_in(_text(values), pa.array(list(codes), pa.string()))
        return pc.fill_null(pc.cast(place, pa.float64()), np.nan).to_numpy()
    return pc.fill_null(pc.cast(values, pa.float64()), np.nan).to_numpy()


def _text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(values, pa.string())
