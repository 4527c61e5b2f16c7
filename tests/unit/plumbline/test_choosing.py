"""The decision threshold by each rule, against every threshold tried one by one."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.choosing import choose
from plumbline.errors import ModelError
from plumbline.operating_point import Costs, Rule

SCORES = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.8])
POSITIVE = np.array([False, True, False, False, True, True])
"""Above 0.5: 2 of 2 right, 2 of 3 found. Above 0.15: 3 of 5 right, all found."""


@pytest.mark.parametrize(
    ("rule", "threshold"),
    [
        (Rule(precision=0.9), 0.5),
        (Rule(precision=0.6), 0.15),
        (Rule(recall=0.9), 0.15),
        (Rule(recall=0.5), 0.5),
        (Rule(costs=Costs(false_positive=1, false_negative=1)), 0.5),
        (Rule(costs=Costs(false_positive=1, false_negative=5)), 0.15),
        # F1: 0.8 above 0.5, 0.75 above 0.15. F3 counts recall nine times: 30 / 45 and 30 / 32.
        (Rule(f_beta=1), 0.5),
        (Rule(f_beta=3), 0.15),
    ],
)
def test_each_rule_by_hand(rule: Rule, threshold: float) -> None:
    """In the middle between two scores."""
    found = choose(SCORES, POSITIVE, None, rule)
    assert found.threshold == pytest.approx(threshold)
    assert found.reached


def test_what_was_reached_is_told() -> None:
    """In the words that report and card print."""
    told = choose(SCORES, POSITIVE, None, Rule(precision=0.9)).explanation
    assert (
        told == "highest recall at a precision of at least 0.9: precision 1.000, recall 0.667 on the validation split"
    )


def test_a_precision_out_of_reach_is_told() -> None:
    """The nearest threshold is taken, and the rule is not met."""
    found = choose(np.array([0.9, 0.5, 0.1]), np.array([False, True, False]), None, Rule(precision=0.8))
    assert not found.reached
    assert "so the rule is not met" in found.explanation
    assert found.threshold == pytest.approx(0.3)


@pytest.mark.parametrize("positive", [[True, True], [False, False], []])
def test_one_class_alone_gives_no_threshold(positive: list[bool]) -> None:
    """Nothing can be chosen, and that is told, not raised."""
    found = choose(np.full(len(positive), 0.4), np.array(positive, bool), None, Rule(recall=0.5))
    assert not found.reached
    assert "no threshold can be chosen" in found.explanation


def test_weights_count() -> None:
    """A negative row at 0.7 that weighs nothing does not spoil the precision."""
    scores, positive = np.append(SCORES, 0.7), np.append(POSITIVE, False)
    weights = np.append(np.ones(6), 0.0)
    assert choose(scores, positive, weights, Rule(precision=0.9)).threshold == pytest.approx(0.5)


@pytest.mark.parametrize("wrong", [np.nan, -0.1, 1.1])
def test_a_score_that_is_none_is_refused(wrong: float) -> None:
    """As everywhere."""
    with pytest.raises(ModelError, match="not a number"):
        choose(np.array([0.1, wrong]), np.array([True, False]), None, Rule(recall=0.5))


def brute(scores: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_], least: float) -> float:
    """The highest recall at a precision, over all thresholds that tell some rows apart."""
    best = -1.0
    for threshold in {0.0, *scores.tolist()} - {1.0}:
        above = scores > threshold
        if above.any() and positive[above].mean() >= least:
            best = max(best, positive[above].sum() / positive.sum())
    return best


@given(
    st.lists(st.tuples(st.integers(1, 19), st.booleans()), min_size=2, max_size=40), st.sampled_from([0.2, 0.5, 0.8])
)
def test_no_threshold_is_better(rows: list[tuple[int, bool]], least: float) -> None:
    """By trying all of them; decisions are by `score > threshold`."""
    scores, positive = np.array([n / 20 for n, _ in rows]), np.array([p for _, p in rows])
    if not 0 < positive.sum() < positive.size:
        return
    found = choose(scores, positive, None, Rule(precision=least))
    wanted = brute(scores, positive, least)
    assert found.reached == (wanted >= 0)
    above = scores > found.threshold
    assert 0 < found.threshold < 1
    if found.reached:
        assert positive[above].mean() >= least
        assert positive[above].sum() / positive.sum() == pytest.approx(wanted)
