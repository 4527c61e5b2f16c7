"""The curves of a scoreboard."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pytest

from plumbline.drawing import draw
from plumbline.scoreboard import Curve
from plumbline.sums import Request, sum_up


def drawn(scores: list[float], labels: list[int]) -> Mapping[str, Curve]:
    """The curves by kind."""
    table = pa.table({"label": pa.array(labels, pa.int64()), "candidate": pa.array(scores, pa.float64())})
    request = Request(models={"candidate": "candidate"}, slices=((),), thresholds=(0.5,))
    return {curve.kind: curve for curve in draw("candidate", sum_up([table], request).overall("candidate"))}


def test_curves_by_hand() -> None:
    """From the highest score down: a positive, a negative, a positive and a negative tied."""
    found = drawn([0.9, 0.6, 0.3, 0.3], [1, 0, 1, 0])
    assert (found["roc"].x, found["roc"].y) == ((0.0, 0.0, 0.5, 1.0), (0.0, 0.5, 0.5, 1.0))
    assert found["precision_recall"].x == (0.5, 0.5, 1.0)
    assert found["precision_recall"].y == (1.0, 0.5, 0.5)


def test_precision_and_recall_over_the_threshold_by_hand() -> None:
    """Above 0.3 and a bit there are two rows, one positive; above a bit less all four, two of them positive."""
    found = drawn([0.9, 0.6, 0.3, 0.3], [1, 0, 1, 0])
    assert found["precision"].x == found["recall"].x == pytest.approx((0.3, 0.6, 0.9), abs=1e-4)
    assert found["precision"].y == (0.5, 0.5, 1.0)
    assert found["recall"].y == (1.0, 0.5, 0.5)


def test_calibration_is_rate_by_mean_score_in_rising_order() -> None:
    """Forty rows in twenty groups: scores i / 40, every second a positive, so each pair's rate is a half."""
    found = drawn([i / 40 for i in range(40)], [i % 2 for i in range(40)])["calibration"]
    assert found.x == pytest.approx([(2 * i + 0.5) / 40 for i in range(20)], abs=1e-5)
    assert found.y == (0.5,) * 20


@pytest.mark.parametrize("labels", [[0, 0], [1, 1]])
def test_one_class_has_no_curves(labels: list[int]) -> None:
    """There is nothing to rank."""
    assert drawn([0.1, 0.2], labels) == {}


def test_no_rows_have_no_curves() -> None:
    """An empty test split is the gates' business."""
    assert drawn([], []) == {}


def test_curves_are_thin_enough_to_draw() -> None:
    """Ten thousand scores: a few hundred points, both ends among them, rising."""
    scores = np.random.default_rng(1).random(10_000)
    found = drawn(scores.tolist(), (scores > 0.7).astype(int).tolist())
    for kind in ("roc", "precision_recall"):
        assert 100 < len(found[kind].x) <= 201
        assert (np.diff(found[kind].x) >= 0).all()
        assert found[kind].x[-1] == 1.0
    assert (found["roc"].x[0], found["roc"].y[0]) == (0.0, 0.0)


def test_equal_scores_are_one_point() -> None:
    """A model that says the same of every row has one threshold."""
    found = drawn([0.2] * 10, [1] + [0] * 9)
    assert (found["precision_recall"].x, found["precision_recall"].y) == ((1.0,), (0.1,))
    assert (found["roc"].x, found["roc"].y) == ((0.0, 1.0), (0.0, 1.0))
