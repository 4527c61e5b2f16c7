"""Counting by parts gives what counting the whole column gives."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.shift import jensen_shannon
from plumbline.tally import Categories, CategoryTally, Numbers, NumberTally, area, grouped, merged, rates

ROWS = 3000


def numbers(
    values: np.ndarray[tuple[int], np.dtype[np.float64]],
    positive: np.ndarray[tuple[int], np.dtype[np.bool_]],
    tally: NumberTally | None = None,
) -> Numbers:
    """Counted seven hundred at a time."""
    counted = tally or NumberTally()
    for start in range(0, values.size, 700):
        counted.add(values[start : start + 700], positive[start : start + 700], start)
    return counted.result()


def categories(values: list[str | None], positive: list[bool]) -> Categories:
    """Counted three at a time."""
    counted = CategoryTally(pa.string())
    for start in range(0, len(values), 3):
        part = pa.array(values[start : start + 3], pa.string())
        counted.add(part, np.array(positive[start : start + 3], np.bool_), start)
    return counted.result()


def test_numbers_are_counted_by_class() -> None:
    """By hand: 1 twice, 2 once, and two missing ones; an infinity is the largest number."""
    found = numbers(
        np.array([2.0, 1.0, np.nan, 1.0, np.inf, np.nan]), np.array([True, True, True, False, False, False])
    )
    assert found.values.tolist() == [1.0, 2.0, np.finfo(np.float64).max]
    assert found.counts.tolist() == [[1, 1], [0, 1], [1, 0]]
    assert found.missing.tolist() == [1, 1]


def test_categories_are_counted_by_row_and_class() -> None:
    """By hand: even rows and odd rows apart, null a value of its own, in parts of an odd size as well."""
    found = categories(["a", "b", "a", "a", None], [True, False, False, True, False])
    counts = dict(zip(found.values.to_pylist(), found.counts.tolist(), strict=True))
    assert counts == {"a": [[1, 1], [0, 1]], "b": [[0, 0], [1, 0]], None: [[1, 0], [0, 0]]}


def test_nothing_counted_is_nothing() -> None:
    """No value, and an area that says nothing."""
    found = numbers(np.empty(0), np.empty(0, np.bool_))
    assert (found.values.size, found.missing.sum(), area(found.values, found.counts)) == (0, 0, 0.5)
    assert len(categories([], []).values) == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_the_area_is_the_share_of_pairs_in_order(rows: list[tuple[int, bool]]) -> None:
    """Each pair of a positive and a negative counts 1 in order, 1/2 when tied; no pair at all is 1/2."""
    scores, positive = np.array([float(score) for score, _ in rows]), np.array([flag for _, flag in rows])
    pairs = [(a > b) + (a == b) / 2 for a in scores[positive] for b in scores[~positive]]
    found = numbers(scores, positive)
    assert area(found.values, found.counts) == pytest.approx(float(np.mean(pairs)) if pairs else 0.5)


def test_a_category_is_rated_by_the_other_half() -> None:
    """By hand: rows 0 and 2 have the rate of row 1, which has theirs; a category without other half has the prior."""
    found, counts = rates(categories(["a", "a", "a", "b"], [True, False, True, False]))
    # a in even and in odd rows, b in even ones, where it is not, and in odd ones.
    assert found.tolist() == [0.0, 1.0, 0.0, 0.5]
    assert counts.tolist() == [[0, 2], [1, 0], [0, 0], [1, 0]]


def test_too_many_numbers_become_groups() -> None:
    """Both ends stay, no row is lost, and area and distance move by no more than the share of a group."""
    random = np.random.default_rng(8)
    scores = random.normal(size=20_000)
    positive = random.random(20_000) < 1 / (1 + np.exp(-scores))
    exact = numbers(scores, positive)
    coarse = numbers(scores, positive, NumberTally(maximum=2000, pending=500))
    assert coarse.values.size <= 2000
    assert (coarse.values[0], coarse.values[-1]) == (scores.min(), scores.max())
    assert coarse.counts.sum(axis=0).tolist() == exact.counts.sum(axis=0).tolist()
    assert area(coarse.values, coarse.counts) == pytest.approx(area(exact.values, exact.counts), abs=1 / 1000)
    assert jensen_shannon(exact, coarse) < 1e-3


def test_groups_have_about_as_many_rows_each() -> None:
    """By hand: four rows of one value are two groups' worth, and stay one."""
    values, counts = grouped(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([[1], [1], [4], [1], [1]]), 4)
    assert values.tolist() == [1.0, 3.0, 5.0]
    assert counts.tolist() == [[2], [4], [2]]


def test_equal_values_are_put_together() -> None:
    """By hand; -0.0 and 0.0 are the same number."""
    values, counts = merged(np.array([1.0, -0.0, 1.0, 0.0]), np.array([[1], [2], [3], [4]]))
    assert values.tolist() == [0.0, 1.0]
    assert counts.tolist() == [[6], [4]]
