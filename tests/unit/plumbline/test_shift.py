"""Shift: by hand where the numbers are small, by scipy where they are not."""

import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from plumbline import shift
from plumbline.errors import DataError
from plumbline.tally import CategoryTally, Floats, NumberTally


def jensen_shannon(*samples: Floats) -> float:
    """The divergence of two samples, counted first."""
    found = []
    for sample in samples:
        counted = NumberTally()
        counted.add(sample.astype(np.float64), np.zeros(sample.size, np.bool_), 0)
        found.append(counted.result())
    one, other = found
    return shift.jensen_shannon(one, other)


def l_infinity(*samples: Sequence[str | None]) -> float:
    """The largest difference of two samples' shares, counted first."""
    found = []
    for sample in samples:
        counted = CategoryTally(pa.string())
        counted.add(pa.array(sample, pa.string()), np.zeros(len(sample), np.bool_), 0)
        found.append(counted.result())
    one, other = found
    return shift.l_infinity(one, other)


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
    assert l_infinity(["a", "a", "b", "b", None], ["a", "b", "c", "c"]) == pytest.approx(0.5)


def test_no_categories_are_refused() -> None:
    """A sample of nulls has no distance."""
    with pytest.raises(DataError, match="needs values"):
        l_infinity([None], ["a"])


def test_ranges_that_differ_by_hand() -> None:
    """Uniform on [0, 1] against uniform on [0, 2]: half of the second lies where the first has nothing.

    P = (1, 0), Q = (1/2, 1/2), M = (3/4, 1/4); KL(P||M) = log2(4/3), KL(Q||M) = log2(2/3)/2 + log2(2)/2.
    """
    one = (np.arange(1001)) / 1000
    wanted = (math.log2(4 / 3) + (math.log2(2 / 3) + 1) / 2) / 2
    assert jensen_shannon(one, 2 * one) == pytest.approx(wanted, abs=2e-3)


def test_a_point_within_a_range() -> None:
    """A constant is a point, which has no share of a range around it: as far apart as can be."""
    assert jensen_shannon(np.array([0.0, 2.0]), np.array([1.0, 1.0])) == pytest.approx(1.0)


@pytest.mark.parametrize("sample", [[0.3, 0.1 + 0.2], [1e16, 1e16 + 2], [0.0, 5e-324]])
def test_a_constant_up_to_rounding_is_a_point(sample: list[float]) -> None:
    """A range too narrow for ten buckets is no range."""
    assert jensen_shannon(np.array(sample), np.array(sample[:1])) == pytest.approx(0.0)


def test_a_range_beyond_numbers_is_refused() -> None:
    """The width of a histogram is a number, too."""
    with pytest.raises(DataError, match="finite values"):
        jensen_shannon(np.array([-1.7e308, 1.7e308]), np.array([0.0]))


NUMBERS = st.lists(st.floats(-1e300, 1e300) | st.integers(-5, 5).map(float), min_size=1, max_size=30)


@given(NUMBERS, NUMBERS)
def test_a_distance_is_symmetric_and_between_0_and_1(one: list[float], other: list[float]) -> None:
    """Whatever the samples, and 0 from a sample to itself in another order."""
    first, second = np.array(one), np.array(other)
    found = jensen_shannon(first, second)
    assert 0 <= found <= 1
    assert jensen_shannon(second, first) == pytest.approx(found, abs=1e-12)
    assert jensen_shannon(first, first[::-1]) == pytest.approx(0.0, abs=1e-12)


LETTERS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=30)


@given(LETTERS, LETTERS)
def test_the_largest_difference_of_shares(one: list[str], other: list[str]) -> None:
    """As counted one category at a time."""
    wanted = max(abs(one.count(name) / len(one) - other.count(name) / len(other)) for name in "abcd")
    assert l_infinity(one, other) == pytest.approx(wanted, abs=1e-12)


def test_a_share_too_small_to_be_halved_adds_nothing() -> None:
    """Found by the test of symmetry: over 35 digits, a share is at the end of what a number can hold."""
    one, other = np.array([0.0] * 9 + [-1.0932232137285956e18]), np.array([2.251799813685248e16, -1.0])
    assert 0.0 <= jensen_shannon(one, other) <= 1.0
