"""Distances: by hand where the numbers are small, by scipy where they are not."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from plumbline.distance import jensen_shannon, l_infinity
from plumbline.errors import DataError


def test_equal_samples_have_no_distance() -> None:
    """A sample has the distance 0 from itself."""
    sample = np.array([1.0, 2.0, 2.0, 5.0])
    assert jensen_shannon(sample, sample) == pytest.approx(0.0, abs=1e-12)


def test_disjoint_samples_have_the_distance_one() -> None:
    """Samples without a common value are as far apart as can be."""
    assert jensen_shannon(np.array([0.0, 1.0]), np.array([5.0, 6.0])) == pytest.approx(1.0)


def test_two_constants() -> None:
    """Equal constants are at distance 0, different ones at 1: each is a point."""
    assert jensen_shannon(np.array([3.0, 3.0]), np.array([3.0])) == pytest.approx(0.0)
    assert jensen_shannon(np.array([3.0, 3.0]), np.array([4.0])) == pytest.approx(1.0)


def test_missing_numbers_are_left_out() -> None:
    """NaN stands for a missing value and counts for nothing."""
    one = np.array([1.0, 2.0, np.nan])
    assert jensen_shannon(one, np.array([1.0, 2.0])) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("sample", [np.array([]), np.array([np.nan]), np.array([1.0, np.inf])])
def test_what_has_no_distance_is_refused(sample: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    """Nothing, and infinity, have no distance."""
    with pytest.raises(DataError, match="finite values"):
        jensen_shannon(sample, np.array([1.0]))


@given(st.lists(st.integers(0, 100), min_size=11, max_size=11), st.lists(st.integers(0, 100), min_size=11, max_size=11))
def test_histograms_over_one_range_agree_with_scipy(one: list[int], other: list[int]) -> None:
    """On a common range the buckets are common too, and scipy gives the square root of the same divergence."""
    values = np.arange(11) / 10
    samples = [
        np.repeat(values, [count + 1, *counts[1:-1], counts[-1] + 1])
        for count, counts in ((one[0], one), (other[0], other))
    ]
    shares = [np.histogram(sample, bins=10, range=(0, 1))[0] / sample.size for sample in samples]
    wanted = float(jensenshannon(*shares, base=2)) ** 2
    assert jensen_shannon(*samples) == pytest.approx(0.0 if math.isnan(wanted) else wanted, abs=1e-9)


def test_categories_by_hand() -> None:
    """a: 2/4 against 1/4; b: 2/4 against 1/4; c: 0 against 2/4."""
    one, other = pa.chunked_array([["a", "a", "b", "b", None]]), pa.chunked_array([["a", "b", "c", "c"]])
    assert l_infinity(one, other) == pytest.approx(0.5)


def test_no_categories_are_refused() -> None:
    """A sample of nulls has no distance."""
    nothing = pa.chunked_array([pa.array([None], pa.string())])
    with pytest.raises(DataError, match="needs values"):
        l_infinity(nothing, pa.chunked_array([["a"]]))
