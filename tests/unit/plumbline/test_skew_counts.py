"""Counts of rows in Arrow: what is counted, whatever the batches."""

import itertools
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.errors import DataError
from plumbline.shift import RANKS, Histogram
from plumbline.skew import Kind
from plumbline.skew_counts import count

KINDS: dict[str, Kind] = {"x": "number", "c": "category"}


def test_numbers_and_categories_by_hand() -> None:
    """0 to 10 in ten buckets, the last with its upper edge; NaN, an infinity and nothing apart from them."""
    values = pa.array([*range(11), math.nan, math.inf, None], pa.float64())
    names = pa.array(["a"] * 3 + ["b"] * 10 + [None])
    found = count(lambda: [pa.table({"x": values, "c": names})], KINDS)
    histogram = found["x"].values
    assert isinstance(histogram, Histogram)
    assert histogram.edges.tolist() == list(range(11))
    assert histogram.counts.tolist() == [1] * 9 + [2]
    assert (histogram.not_numbers, histogram.infinite, found["x"].present, found["x"].rows) == (1, 1, 13, 14)
    assert (found["c"].values, found["c"].present) == ({"b": 10, "a": 3}, 13)


def test_a_constant_is_a_point_and_an_absent_column_has_no_value() -> None:
    """Two equal edges; no edge."""
    found = count(lambda: [pa.table({"x": [2.0, 2.0]})], KINDS)
    histogram = found["x"].values
    assert isinstance(histogram, Histogram)
    assert (histogram.edges.tolist(), histogram.counts.tolist()) == ([2.0, 2.0], [2])
    assert (found["c"].present, found["c"].rows) == (0, 2)


def test_text_is_no_number() -> None:
    """The error names the column."""
    with pytest.raises(DataError, match="x is to be a number"):
        count(lambda: [pa.table({"x": ["a"]})], {"x": "number"})


def test_the_categories_of_the_most_rows_are_told_apart() -> None:
    """As many as TFDV keeps; of as many rows the first by name. All count as present."""
    names = [f"{number:05}" for number in range(RANKS + 500)] + ["99999"] * 2
    found = count(lambda: [pa.table({"c": names})], {"c": "category"})["c"]
    assert isinstance(found.values, dict)
    assert list(found.values) == ["99999", *names[: RANKS - 1]]
    assert found.present == RANKS + 502


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32) | st.none(), max_size=40),
    st.lists(st.integers(0, 40), max_size=4),
)
def test_batches_do_not_matter(values: list[float | None], cuts: list[int]) -> None:
    """Cut anywhere, encoded or not, the counts are those of one table."""
    names = [None if value is None else str(value)[:2] for value in values]
    rows = pa.table({"x": pa.array(values, pa.float64()), "c": pa.array(names, pa.string())})
    bounds = [0, *sorted(min(cut, len(values)) for cut in cuts), len(values)]
    parts = [rows.slice(low, high - low) for low, high in itertools.pairwise(bounds)]
    encoded = [part.set_column(1, "c", part.column("c").dictionary_encode()) for part in parts]
    whole, cut = count(lambda: [rows], KINDS), count(lambda: encoded, KINDS)
    assert (whole["c"], whole["x"].present) == (cut["c"], cut["x"].present)
    one, other = whole["x"].values, cut["x"].values
    assert isinstance(one, Histogram)
    assert isinstance(other, Histogram)
    assert np.array_equal(one.edges, other.edges)
    assert np.array_equal(one.counts, other.counts)
