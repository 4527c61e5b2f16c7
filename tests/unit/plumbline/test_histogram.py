"""Histograms of scores: TFMA's segments, areas by hand, and errors by finite differences and by resampling."""

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from plumbline.counters import Counters
from plumbline.histogram import (
    BUCKETS,
    SEGMENTS,
    Area,
    Histogram,
    cells,
    gather,
    pr_area,
    roc_area,
    segments,
    totals,
)

AREAS: list[Callable[[Histogram], Area]] = [pr_area, roc_area]


def count(
    codes: npt.NDArray[np.int32], segment: npt.NDArray[np.int16], positive: npt.NDArray[np.bool_], *, slices: int
) -> Histogram:
    """The histogram of n rows that weigh 1.

    Args:
        codes: The slice of each row, 0 to slices - 1, or `slices` for a row that is in none; shape (n,).
        segment: From `segments`; shape (n,).
        positive: Whether the label is positive; shape (n,).
        slices: How many slices there are.
    """
    counters = Counters(1)
    counters.add(cells(codes, segment, positive), [None], size=2 * (slices + 1) * SEGMENTS)
    keys, sums = counters.total()
    inside = keys < 2 * slices * SEGMENTS
    return gather(keys[inside], sums[:, inside], slices=slices)


def histogram(positives: list[float], negatives: list[float]) -> Histogram:
    """One slice's histogram of the scores of each class."""
    scores = np.array([*positives, *negatives], np.float64)
    positive = np.array([True] * len(positives) + [False] * len(negatives), np.bool_)
    return count(np.zeros(scores.size, np.int32), segments(scores), positive, slices=1)


def drawn(rows: int) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.bool_]]:
    """Segments and labels of random rows, better than chance and with ties."""
    random = np.random.default_rng(0)
    positive = random.random(rows) < 0.3
    scores = np.clip(random.beta(2, 5, rows) + 0.2 * positive, 0, 1)
    scores[:20] = scores[20]
    return segments(scores), positive


@pytest.mark.parametrize(
    ("score", "segment"),
    [
        pytest.param(0.0, 0, id="zero exceeds only the threshold below it"),
        pytest.param(1e-7, 0, id="in the first bucket"),
        pytest.param(1.0, SEGMENTS - 1, id="one counts in the last segment"),
        # Bucket 5000 begins at 0.4999, bucket 5001 at 0.5; threshold 4999 is 4999/9999 = 0.49995.
        pytest.param(0.49999, 4998, id="above its threshold, but its bucket begins below"),
        pytest.param(0.5, 4999, id="its bucket begins above the threshold"),
    ],
)
def test_a_score_counts_where_its_bucket_begins(score: float, segment: int) -> None:
    """TFMA first puts scores into buckets of a ten-thousandth and then compares the buckets' starts."""
    assert segments(np.array([score])).tolist() == [segment]


def test_a_higher_score_never_counts_lower() -> None:
    """At any bucket's start."""
    found = segments(np.arange(BUCKETS + 1) / BUCKETS)
    assert (np.diff(found) >= 0).all()


def test_the_roc_area_is_the_share_of_pairs_in_the_right_order() -> None:
    """Positives at 0.9 and 0.4, negatives at 0.4 and 0.1: three of four pairs right, one tied."""
    assert roc_area(histogram([0.9, 0.4], [0.4, 0.1])).value == pytest.approx([3.5 / 4])


def test_scores_in_one_bucket_are_tied() -> None:
    """However they differ: a positive just above a negative earns half."""
    assert roc_area(histogram([0.30009], [0.30001])).value == pytest.approx([0.5])


def test_the_pr_area_interpolates_true_positives_not_precision() -> None:
    """By hand, after Davis and Goadrich.

    From the top: (1 positive), then (1 positive, 1 negative) together. The first step adds precision 1 over recall 1/2.
    In the second, a of 1 positive and d = 2 rows on top of t = 1 and q = 1: slope 1/2, intercept 1/2, so it adds
    1/2 (1 + 1/2 ln 3) / 2.
    """
    expected = 0.5 + 0.5 * (1 + 0.5 * np.log(3)) / 2
    assert pr_area(histogram([0.9, 0.4], [0.4])).value == pytest.approx([expected], abs=1e-12)


def test_perfect_and_reversed_order_have_the_areas_1_and_0() -> None:
    """Of the ROC curve."""
    assert roc_area(histogram([0.8, 0.9], [0.1, 0.2])).value == pytest.approx([1.0])
    assert roc_area(histogram([0.1], [0.8, 0.9])).value == pytest.approx([0.0])
    assert pr_area(histogram([0.8, 0.9], [0.1, 0.2])).value == pytest.approx([1.0])


@pytest.mark.parametrize("scores", [([0.5], []), ([], [0.5]), ([], [])])
@pytest.mark.parametrize("area", AREAS)
def test_one_class_has_no_area(area: Callable[[Histogram], Area], scores: tuple[list[float], list[float]]) -> None:
    """NaN, where TFMA says 0.0."""
    assert np.isnan(area(histogram(*scores)).value).all()


@pytest.mark.parametrize("area", AREAS)
def test_slices_do_not_touch_each_other(area: Callable[[Histogram], Area]) -> None:
    """Areas of many slices at once are those of each alone; rows in none of them count nowhere."""
    segment, positive = drawn(600)
    codes = np.arange(600, dtype=np.int32) % 3
    both = area(count(codes, segment, positive, slices=2))
    for code in (0, 1):
        rows = codes == code
        alone = area(count(np.zeros(rows.sum(), np.int32), segment[rows], positive[rows], slices=1))
        assert both.value[code] == pytest.approx(alone.value[0])
        assert both.error[code] == pytest.approx(alone.error[0])


@pytest.mark.parametrize("area", AREAS)
def test_the_error_is_the_sum_of_each_row_s_influence(area: Callable[[Histogram], Area]) -> None:
    """By finite differences: a little more weight on each cell, squared and added up over the rows in it."""
    segment, positive = drawn(300)
    base = count(np.zeros(300, np.int32), segment, positive, slices=1)
    variance, step = 0.0, 1e-5
    for name in ("positive", "negative"):
        rows = getattr(base, name)
        for cell in np.flatnonzero(rows):
            heavier = rows.astype(np.float64)
            heavier[cell] += step
            moved = area(dataclasses.replace(base, **{name: heavier})).value[0] - area(base).value[0]
            variance += rows[cell] * (moved / step) ** 2
    assert np.sqrt(variance) == pytest.approx(area(base).error[0], rel=1e-3)


@pytest.mark.parametrize("area", AREAS)
def test_the_error_is_that_of_resampling(area: Callable[[Histogram], Area]) -> None:
    """The Poisson bootstrap, which TFMA uses, spreads as much."""
    random, rows = np.random.default_rng(1), 3000
    segment, positive = drawn(rows)
    base = area(count(np.zeros(rows, np.int32), segment, positive, slices=1))
    values = []
    for _ in range(200):
        again = np.repeat(np.arange(rows), random.poisson(1, rows))
        values.append(area(count(np.zeros(again.size, np.int32), segment[again], positive[again], slices=1)).value[0])
    assert np.std(values) == pytest.approx(base.error[0], rel=0.15)


def test_every_row_of_a_slice_is_counted_once() -> None:
    """The sum over the cells of a slice is its rows."""
    segment, positive = drawn(500)
    codes = np.random.default_rng(2).integers(0, 4, 500).astype(np.int32)
    made = count(codes, segment, positive, slices=3)
    found = totals(made, made.positive + made.negative)
    assert found.tolist() == [int((codes == code).sum()) for code in range(3)]
