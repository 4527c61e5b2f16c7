"""Areas from histograms."""

import numpy as np
import pytest

from plumbline.histogram import BUCKETS, THRESHOLDS, Floats, above, pr_area, roc_area, threshold_index, thresholds


def histograms(positives: list[float], negatives: list[float]) -> tuple[Floats, Floats]:
    """One slice's histograms of the scores of each class, shape (THRESHOLDS,)."""
    counted = [np.bincount(threshold_index(np.array(s)), minlength=THRESHOLDS) for s in (positives, negatives)]
    return counted[0].astype(np.float64), counted[1].astype(np.float64)


def test_thresholds_are_even_and_reach_past_both_ends() -> None:
    """As Keras and TFMA lay them: an epsilon below 0, an epsilon above 1, and ninths between for ten of them."""
    assert thresholds(10) == pytest.approx([-1e-7, *(i / 9 for i in range(1, 9)), 1 + 1e-7], abs=1e-15)


def test_thresholds_are_as_many_as_asked_for() -> None:
    """Ten thousand, unless said otherwise."""
    assert thresholds().shape == (THRESHOLDS,)


@pytest.mark.parametrize(
    ("score", "index"),
    [
        pytest.param(0.0, 0, id="zero exceeds only the one below it"),
        pytest.param(1e-7, 0, id="in the first bucket"),
        pytest.param(1.0, THRESHOLDS - 1, id="one is in the open bucket at the end"),
        pytest.param(0.99995, THRESHOLDS - 3, id="its bucket begins at 0.9999, just below 9998/9999 + epsilon"),
        # Bucket 5000 begins at 0.4999, bucket 5001 at 0.5; threshold 4999 is 4999/9999 = 0.49995.
        pytest.param(0.49999, 4998, id="above its threshold, but its bucket begins below"),
        pytest.param(0.5, 4999, id="its bucket begins above the threshold"),
    ],
)
def test_a_score_counts_where_its_bucket_begins(score: float, index: int) -> None:
    """TFMA first puts scores into buckets of a ten-thousandth and then compares the buckets' starts."""
    assert threshold_index(np.array([score])).tolist() == [index]


def test_scores_in_one_bucket_are_tied() -> None:
    """However they differ: a positive just above a negative earns half."""
    positives, negatives = histograms([0.30009], [0.30001])
    assert roc_area(positives, negatives) == pytest.approx(0.5)


def test_nothing_lies_above_the_last_threshold() -> None:
    """A score of 1 counts above all thresholds but the last."""
    histogram = np.bincount(threshold_index(np.array([0.0, 1.0, 1.0])), minlength=THRESHOLDS).astype(np.float64)
    found = above(histogram)
    assert (found[0], found[1], found[-2], found[-1]) == (3.0, 2.0, 2.0, 0.0)


def test_the_roc_area_is_the_share_of_pairs_in_the_right_order() -> None:
    """Positives at 0.9 and 0.4, negatives at 0.4 and 0.1: three of four pairs right, one tied."""
    assert roc_area(*histograms([0.9, 0.4], [0.4, 0.1])) == pytest.approx(3.5 / 4)


def test_the_pr_area_interpolates_true_positives_not_precision() -> None:
    """By hand, after Davis and Goadrich.

    From the top: (1 positive), then (1 positive, 1 negative) together. The first step adds precision 1 over recall 1/2.
    In the second, a of 1 positive and d = 2 rows on top of t = 1 and q = 1: slope 1/2, intercept 1/2, so it adds
    1/2 (1 + 1/2 ln 3) / 2.
    """
    expected = 0.5 + 0.5 * (1 + 0.5 * np.log(3)) / 2
    assert pr_area(*histograms([0.9, 0.4], [0.4])) == pytest.approx(expected, abs=1e-12)


def test_perfect_and_reversed_order_have_the_areas_1_and_0() -> None:
    """The ROC area; with one positive at the very end the PR area is small, not 0."""
    assert roc_area(*histograms([0.8, 0.9], [0.1, 0.2])) == pytest.approx(1.0)
    assert roc_area(*histograms([0.1], [0.8, 0.9])) == pytest.approx(0.0)
    assert pr_area(*histograms([0.8, 0.9], [0.1, 0.2])) == pytest.approx(1.0)


@pytest.mark.parametrize("scores", [([0.5], []), ([], [0.5]), ([], [])])
def test_one_class_has_no_area(scores: tuple[list[float], list[float]]) -> None:
    """NaN, where TFMA says 0.0."""
    positives, negatives = histograms(*scores)
    assert np.isnan(roc_area(positives, negatives))
    assert np.isnan(pr_area(positives, negatives))


def test_slices_do_not_touch_each_other() -> None:
    """Areas of many histograms at once are those of each alone."""
    one, other = histograms([0.9, 0.4], [0.4, 0.1]), histograms([0.2], [0.1, 0.7])
    positives, negatives = np.stack([one[0], other[0]]), np.stack([one[1], other[1]])
    assert roc_area(positives, negatives) == pytest.approx([3.5 / 4, 0.5])
    assert pr_area(positives, negatives) == pytest.approx([float(pr_area(*one)), float(pr_area(*other))])


def test_every_bucket_has_a_threshold_in_order() -> None:
    """A higher score never counts lower, at any bucket's start."""
    found = threshold_index(np.arange(BUCKETS + 1) / BUCKETS)
    assert (np.diff(found) >= 0).all()
    assert (found[0], found[-1]) == (0, THRESHOLDS - 1)
