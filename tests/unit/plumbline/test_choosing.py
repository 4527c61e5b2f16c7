"""The decision threshold by each rule, against every threshold tried one by one."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.choosing import Choice, Division, choose
from plumbline.operating_point import Costs, Rule

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

SCORES = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.8])
POSITIVE = np.array([False, True, False, False, True, True])
"""Above 0.5: 2 of 2 right, 2 of 3 found. Above 0.15: 3 of 5 right, all found."""


def divided(scores: Floats, positive: Flags, weights: Floats | None = None) -> Division:
    """The rows, counted three at a time."""
    division = Division()
    for start in range(0, scores.size, 3):
        rows = slice(start, start + 3)
        division.add(scores[rows], positive[rows], None if weights is None else weights[rows])
    return division


def chosen(scores: Floats, positive: Flags, rule: Rule, weights: Floats | None = None) -> Choice:
    """What the rule asks for."""
    return choose(divided(scores, positive, weights), rule)


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
    found = chosen(SCORES, POSITIVE, rule)
    assert found.threshold == pytest.approx(threshold)
    assert found.reached


def test_what_was_reached_is_told() -> None:
    """In the words that report and card print."""
    told = chosen(SCORES, POSITIVE, Rule(precision=0.9)).explanation
    assert (
        told == "highest recall at a precision of at least 0.9: precision 1.000, recall 0.667 on the validation split"
    )


def test_a_precision_out_of_reach_is_told() -> None:
    """The nearest threshold is taken, and the rule is not met."""
    found = chosen(np.array([0.9, 0.5, 0.1]), np.array([False, True, False]), Rule(precision=0.8))
    assert not found.reached
    assert "so the rule is not met" in found.explanation
    assert found.threshold == pytest.approx(0.3)


@pytest.mark.parametrize("positive", [[True, True], [False, False], []])
def test_one_class_alone_gives_no_threshold(positive: list[bool]) -> None:
    """Nothing can be chosen, and that is told, not raised."""
    found = chosen(np.full(len(positive), 0.4), np.array(positive, bool), Rule(recall=0.5))
    assert not found.reached
    assert "no threshold can be chosen" in found.explanation


def test_weights_count() -> None:
    """A negative row at 0.7 that weighs nothing does not spoil the precision."""
    scores, positive = np.append(SCORES, 0.7), np.append(POSITIVE, False)
    weights = np.append(np.ones(6), 0.0)
    assert chosen(scores, positive, Rule(precision=0.9), weights).threshold == pytest.approx(0.5)


def test_positive_rows_that_weigh_nothing_are_none() -> None:
    """There is one class left, so nothing can be chosen."""
    found = chosen(np.array([0.2, 0.6]), np.array([False, True]), Rule(recall=0.5), np.array([1.0, 0.0]))
    assert not found.reached


def test_too_few_rows_are_told() -> None:
    """Three positive rows say little of a precision: the threshold is the rule's, and the rule is not met."""
    found = choose(divided(SCORES, POSITIVE), Rule(precision=0.9), rows=6, positives=4)
    assert found.threshold == pytest.approx(0.5)
    assert not found.reached
    assert found.explanation.endswith("on too few rows: 3 of 6 validation rows are positive, wanted 4 of 6")
    assert choose(divided(SCORES, POSITIVE), Rule(precision=0.9), rows=6, positives=3).reached


@pytest.mark.parametrize(
    ("scores", "threshold"),
    [
        ([0.3, 0.3, 0.3], 0.15),
        ([0.0, 0.0, 0.0], 0.5),
        ([1.0, 1.0, 1.0], 0.5),
        ([1e-40, 0.0, 0.0], 0.5),
        ([1.0, 1e-12, 1e-13], 0.5),
    ],
)
def test_a_threshold_lies_within_0_and_1(scores: list[float], threshold: float) -> None:
    """Scores that are all the same, or at the ends of what a score can be; the first row alone is positive."""
    found = chosen(np.array(scores), np.array([True, False, False]), Rule(recall=0.5))
    assert found.threshold == pytest.approx(threshold)


def test_neighbouring_numbers_are_one_segment() -> None:
    """Scores that differ in the last digit are decided alike; those a ten-thousandth apart are told apart."""
    near = chosen(np.array([0.5, np.nextafter(0.5, 1)]), np.array([False, True]), Rule(precision=0.9))
    assert not near.reached
    apart = chosen(np.array([0.5, 0.50005]), np.array([False, True]), Rule(precision=0.9))
    assert apart.threshold == pytest.approx(0.500025)
    assert apart.reached


def test_many_rows_are_chosen_from_nearly_as_well_as_one_by_one() -> None:
    """Recall at a precision over 100,000 different scores, against all of them sorted."""
    random = np.random.default_rng(5)
    positive = random.random(100_000) < 0.1
    scores = np.clip(random.beta(2, 18, positive.size) + 0.08 * positive, 0, 1)
    order = np.argsort(-scores)
    true = np.cumsum(positive[order])
    wanted = (true / positive.sum())[true / np.arange(1, positive.size + 1) >= 0.3].max()
    above = scores > chosen(scores, positive, Rule(precision=0.3)).threshold
    assert positive[above].mean() >= 0.3
    assert positive[above].sum() / positive.sum() == pytest.approx(wanted, abs=2e-4)


def brute(scores: Floats, positive: Flags, least: float) -> float:
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
    found = chosen(scores, positive, Rule(precision=least))
    wanted = brute(scores, positive, least)
    assert found.reached == (wanted >= 0)
    above = scores > found.threshold
    assert 0 < found.threshold < 1
    if found.reached:
        assert positive[above].mean() >= least
        assert positive[above].sum() / positive.sum() == pytest.approx(wanted)
