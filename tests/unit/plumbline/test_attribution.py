"""Shapley values: exact where they can be computed, and with their axioms."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.attribution import Floats, evaluations, log_odds, sampled_shapley
from plumbline.features import Arrays


def squashed(values: Floats) -> Floats:
    """Log-odds as scores."""
    return 1 / (1 + np.exp(-values))


def interacting(rows: Arrays) -> Floats:
    """A model whose columns do not simply add up; the last one does nothing."""
    a, b, c = (np.asarray(rows[name], np.float64) for name in "abc")
    return squashed(0.8 * a - 0.5 * b + 1.2 * a * b + np.where(c > 0, a, -b))


def exact(rows: Arrays, background: Arrays) -> Floats:
    """The Shapley values of one instance against one background row, by their definition."""
    names, count = list(rows), len(rows)

    def value(known: tuple[str, ...]) -> float:
        mixed = {name: (rows if name in known else background)[name] for name in names}
        return float(log_odds(interacting(mixed))[0])

    found = []
    for name in names:
        others, total = [other for other in names if other != name], 0.0
        for size in range(count):
            for known in itertools.combinations(others, size):
                weight = math.factorial(size) * math.factorial(count - size - 1) / math.factorial(count)
                total += weight * (value((*known, name)) - value(known))
        found.append(total)
    return np.array(found)


def columns(*rows: tuple[float, ...]) -> Arrays:
    """Rows of a, b, c and one that nothing depends on."""
    return {name: np.array([row[place] for row in rows]) for place, name in enumerate("abcd")}


ROW, USUAL = columns((1.0, -0.5, 2.0, 3.0)), columns((0.2, 0.4, -1.0, 0.0))


def test_all_orders_give_the_exact_values() -> None:
    """2,000 random orders of four columns come within a hundredth of what the definition says."""
    found = sampled_shapley(interacting, ROW, USUAL, permutations=2000, seed=1)
    np.testing.assert_allclose(found.values[0], exact(ROW, USUAL), atol=0.01)


@given(st.lists(st.tuples(*[st.floats(-2, 2)] * 4), min_size=1, max_size=4), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_the_values_add_up(rows: list[tuple[float, ...]], permutations: int) -> None:
    """To the log-odds less the base, exactly, however few orders there are; what does nothing gets nothing."""
    instances, background = columns(*rows), columns((0.1, 0.2, 0.3, 0.4), (-1.0, 1.0, -1.0, 1.0))
    found = sampled_shapley(interacting, instances, background, permutations=permutations, seed=3)
    np.testing.assert_allclose(found.values.sum(axis=1), log_odds(interacting(instances)) - found.base, atol=1e-9)
    np.testing.assert_allclose(found.values[:, 3], 0.0, atol=1e-12)


def test_the_base_is_the_mean_of_the_background_rows() -> None:
    """Each row is used as often as every other, when there are as many orders."""
    background = columns((0.1, 0.2, 0.3, 0.4), (-1.0, 1.0, -1.0, 1.0))
    found = sampled_shapley(interacting, ROW, background, permutations=2, seed=3)
    assert found.base == pytest.approx(log_odds(interacting(background)).mean())


def test_alike_columns_get_alike_values() -> None:
    """Two columns that do the same have the same value: an order and its reverse treat them alike."""

    def alike(rows: Arrays) -> Floats:
        return squashed(rows["a"].astype(np.float64) + rows["b"].astype(np.float64))

    rows, usual = columns((1.0, 1.0, 0.0, 0.0)), columns((0.0, 0.0, 0.0, 0.0))
    found = sampled_shapley(alike, rows, usual, permutations=3, seed=5)
    np.testing.assert_allclose(found.values[0], [1.0, 1.0, 0.0, 0.0], atol=1e-9)


def test_texts_and_missing_values_are_values_as_any() -> None:
    """A category that is missing in the background row, and NaN."""

    def by_word(rows: Arrays) -> Floats:
        return squashed(np.where(rows["word"] == "late", 1.0, 0.0) + np.where(np.isnan(rows["number"]), 0.5, 0.0))

    rows = {"word": np.array(["late"], object), "number": np.array([2.0])}
    usual = {"word": np.array([""], object), "number": np.array([np.nan])}
    found = sampled_shapley(by_word, rows, usual, permutations=2, seed=5)
    np.testing.assert_allclose(found.values[0], [1.0, -0.5], atol=1e-9)


def test_scores_of_0_and_1_have_log_odds() -> None:
    """Large ones, and finite."""
    assert np.isfinite(log_odds(np.array([0.0, 1.0]))).all()


def test_the_cost_is_what_is_said() -> None:
    """Scores an instance: every order and its reverse, each with one step more than there are columns."""
    seen = []

    def counting(rows: Arrays) -> Floats:
        seen.append(len(rows["a"]))
        return interacting(rows)

    sampled_shapley(counting, ROW, USUAL, permutations=7, seed=1)
    assert sum(seen) == evaluations(4, 7) == 70
