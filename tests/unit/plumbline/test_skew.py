"""Skew and drift: verdicts by hand, distances by scipy."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import rv_histogram

from plumbline.errors import DataError
from plumbline.problem import Column
from plumbline.shift import Histogram
from plumbline.skew import Counted, WatchReport, distance_between, judge, kinds, table
from plumbline.skew_counts import count


def numbers(values: Sequence[float | None]) -> Counted:
    """A counted number."""
    return count(lambda: [pa.table({"x": pa.array(values, pa.float64())})], {"x": "number"})["x"]


def categories(values: Sequence[str | None]) -> Counted:
    """A counted category."""
    return count(lambda: [pa.table({"x": pa.array(values, pa.string())})], {"x": "category"})["x"]


def report(before: Counted, now: Counted, threshold: float, minimum_rows: int = 1) -> WatchReport:
    """The judgement of one category."""
    sides = {"x": before}, {"x": now}
    return WatchReport(
        tuple(judge("skew", *sides, kinds={"x": "category"}, thresholds={"x": threshold}, minimum_rows=minimum_rows))
    )


def test_an_equal_distance_is_no_anomaly() -> None:
    """3/4 against 1/2 is a distance of 1/4: an anomaly above it, none at it, and none ever at a threshold of 0."""
    sides = categories(["a", "b"]), categories(["a", "a", "a", "b"])
    assert [bool(report(*sides, threshold).anomalies) for threshold in (0.2499, 0.25, 0.0)] == [True, False, False]
    assert report(*sides, 0.25).distances[0].value == 0.25
    assert (report(*sides, 0.25).passed, report(*sides, 0.2).passed) == (True, False)


def test_too_few_values_are_not_judged_and_have_not_passed() -> None:
    """Each side needs them; missing values are none."""
    found = report(categories(["a"] * 5), categories(["a"] * 4 + [None]), 0.1, minimum_rows=5)
    (distance,) = found.distances
    assert (distance.value, distance.before, distance.now, distance.missing) == (None, 5, 4, 1)
    assert distance.reason == "5 values before and 4 now, wanted at least 5 of each"
    assert (found.passed, found.anomalies, len(found.not_judged)) == (False, (), 1)
    assert not WatchReport(()).passed


def test_a_threshold_for_no_column_is_refused() -> None:
    """It would be looked at by nobody."""
    with pytest.raises(DataError, match=r"\['y'\], which are none of the columns \['x'\]"):
        judge("drift", {}, {}, kinds={"x": "number"}, thresholds={"y": 0.1}, minimum_rows=1)


def test_a_column_that_changes_its_kind_is_not_judged() -> None:
    """A number has no distance from a category."""
    sides = {"x": numbers([1.0])}, {"x": categories(["a"])}
    (found,) = judge("drift", *sides, kinds={"x": "number"}, thresholds={"x": 0.1}, minimum_rows=1)
    assert (found.value, found.reason) == (None, "a number cannot be compared with a category")


def test_time_is_not_compared() -> None:
    """Serving asks about later days than training knew; all else is, by raw column."""
    features = {
        "price": Column(type="numeric", column="amount"),
        "gift": Column(type="boolean"),
        "hour": Column(type="timestamp", column="at", part="hour"),
    }
    assert kinds(features) == {"amount": "number", "gift": "category"}


def test_the_table_says_what_was_found() -> None:
    """A line a distance."""
    moved = report(categories(["a", "b"]), categories(["a", "a", "a", "b", None]), 0.1)
    assert table(moved) == [
        "  skew              x  0.2500, threshold 0.1  ANOMALY  L-infinity, 2 values before, 4 now, 1 missing"
    ]
    assert "not judged: 1 values before" in table(report(categories(["a"]), categories(["a"]), 0.1, minimum_rows=2))[0]


def test_nan_and_infinities_match_nothing() -> None:
    """Half of each side is NaN: that half counts as fully apart, though it is the same on both sides."""
    half = numbers([1.0, float("nan")])
    assert distance_between(half, half) == pytest.approx(0.5)
    infinite = numbers([1.0, float("inf"), float("-inf"), 1.0])
    assert distance_between(infinite, infinite) == pytest.approx(0.5)
    assert distance_between(numbers([float("nan")]), numbers([float("nan")])) == pytest.approx(1.0)


def test_two_histograms_by_hand() -> None:
    """[0, 1] and [0, 2] even: densities 1, 0 and 1/2, 1/2: (log2(4/3) + 1/2 log2(2/3) + 1/2) / 2 = 0.311278."""
    one, other = (Histogram(np.array([0.0, high]), np.array([4])) for high in (1.0, 2.0))
    sides = [Counted(4, 4, each) for each in (one, other)]
    assert distance_between(*sides) == pytest.approx(0.3112781245)


VALUES = st.lists(st.floats(-100, 100), min_size=2, max_size=60).filter(lambda each: max(each) - min(each) > 1e-3)


@given(VALUES, VALUES)
def test_numbers_agree_with_scipy(one: list[float], other: list[float]) -> None:
    """Scipy's distribution of each histogram, over all edges of both, and scipy's distance of the two."""
    made = [rv_histogram(np.histogram(side, bins=10), density=False) for side in (one, other)]
    edges = np.unique(np.concatenate([each._hbins for each in made]))
    wanted = jensenshannon(*(np.diff(each.cdf(edges)) for each in made), base=2) ** 2
    found = distance_between(numbers(one), numbers(other))
    assert found == pytest.approx(0.0 if np.isnan(wanted) else wanted, abs=1e-9)


@given(st.lists(st.sampled_from("abcd"), min_size=1), st.lists(st.sampled_from("abcd"), min_size=1))
def test_categories_agree_with_counting(one: list[str], other: list[str]) -> None:
    """The largest difference of a share."""
    first, second = Counter(one), Counter(other)
    wanted = max(abs(first[each] / len(one) - second[each] / len(other)) for each in "abcd")
    assert distance_between(categories(one), categories(other)) == pytest.approx(wanted, abs=1e-12)
