"""Gates: what is good enough passes, and whatever cannot be judged does not."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.gates import Verdict, decide
from plumbline.problem import Evaluation, Gate
from plumbline.scoreboard import Confusion, Estimate, Scoreboard, SliceKey, SliceResult

EWR: SliceKey = (("origin", "EWR"),)
JFK: SliceKey = (("origin", "JFK"),)
MINIMUM = Gate(metric="auc_pr", minimum=0.3)
AGAINST_TODAY = Gate(metric="auc_pr", against="today", margin=0.05)
AGAINST_CHAMPION = Gate(metric="auc_pr", against="champion", margin=-0.01)
BY_ORIGIN = Gate(metric="auc_pr", by=("origin",), minimum=0.2)


def result(
    model: str, value: float | None, key: SliceKey = (), *, count: int = 1000, positives: int = 100
) -> SliceResult:
    """A model's result on a slice."""
    cells = Confusion(true_positives=1, false_positives=1, true_negatives=1, false_negatives=1)
    return SliceResult(
        model=model,
        slice=key,
        count=count,
        positives=positives,
        metrics={"auc_pr": Estimate(value=value)},
        confusion=cells,
    )


def verdict(results: Sequence[SliceResult], *gates: Gate, expected: Sequence[SliceKey] = ((),)) -> Verdict:
    """The verdict of gates on results."""
    evaluation = Evaluation(
        slices=((), ("origin",)), gates=gates, minimum_count=200, minimum_positives=20, confidence=0.95
    )
    board = Scoreboard(threshold=0.5, confidence=0.95, engine="test", results=tuple(results), curves=())
    return decide(board, evaluation, expected)


@pytest.mark.parametrize(("value", "passed"), [(0.3, True), (0.31, True), (0.2999, False)])
def test_a_minimum_is_inclusive(value: float, passed: bool) -> None:
    """A value that equals the minimum passes."""
    assert verdict([result("candidate", value)], MINIMUM).passed is passed


@pytest.mark.parametrize(("value", "passed"), [(0.3, True), (0.31, False)])
def test_a_maximum_is_inclusive(value: float, passed: bool) -> None:
    """A value that equals the maximum passes."""
    assert verdict([result("candidate", value)], Gate(metric="auc_pr", maximum=0.3)).passed is passed


@pytest.mark.parametrize(("value", "passed"), [(0.25, True), (0.2499, False)])
def test_today_must_be_beaten_by_the_margin(value: float, passed: bool) -> None:
    """0.20 of today's way and a margin of 0.05 ask for 0.25."""
    found = verdict([result("candidate", value), result("today", 0.2)], AGAINST_TODAY)
    assert found.passed is passed


@pytest.mark.parametrize(("value", "passed"), [(0.29, True), (0.2899, False)])
def test_a_negative_margin_allows_a_drop(value: float, passed: bool) -> None:
    """0.30 of the champion and a margin of -0.01 allow 0.29."""
    found = verdict([result("candidate", value), result("champion", 0.3)], AGAINST_CHAMPION)
    assert found.passed is passed


def test_the_first_model_has_no_champion_to_beat() -> None:
    """Without a champion its gate does not block, and the verdict says so."""
    found = verdict([result("candidate", 0.5)], MINIMUM, AGAINST_CHAMPION)
    assert found.passed
    assert [each.result for each in found.results] == ["passed", "no champion yet"]


def test_a_verdict_without_any_judgement_blocks() -> None:
    """A gate against a champion that is not there is no judgement, and alone it passes nothing."""
    found = verdict([result("candidate", 0.5)], AGAINST_CHAMPION)
    assert not found.passed
    assert "none of the 1 gate results is a judgement" in found.summary


def test_one_bad_slice_blocks_and_is_named() -> None:
    """A model that is good overall and bad for one origin does not ship."""
    results = [result("candidate", 0.5), result("candidate", 0.4, EWR), result("candidate", 0.1, JFK)]
    found = verdict(results, MINIMUM, BY_ORIGIN, expected=[(), EWR, JFK])
    assert not found.passed
    assert found.summary == "blocked: auc_pr on origin JFK: auc_pr 0.1, wanted at least 0.2"


def test_a_slice_too_small_is_named_and_not_judged() -> None:
    """A small slice neither passes nor fails, and is in the list."""
    results = [result("candidate", 0.4, EWR), result("candidate", 0.0, JFK, count=199)]
    found = verdict(results, BY_ORIGIN, expected=[(), EWR, JFK])
    assert found.passed
    assert [each.result for each in found.results] == ["passed", "too small to judge"]


def test_a_slice_with_too_few_positives_is_too_small() -> None:
    """Many rows do not help when hardly one is positive."""
    found = verdict(
        [result("candidate", 0.0, EWR, positives=19), result("candidate", 0.4, JFK)], BY_ORIGIN, expected=[EWR, JFK]
    )
    assert [each.result for each in found.results] == ["too small to judge", "passed"]


def test_only_small_slices_block() -> None:
    """When every slice is too small the gate has judged nothing, so it fails."""
    found = verdict([result("candidate", 0.9, EWR, count=10)], BY_ORIGIN, expected=[(), EWR])
    assert not found.passed
    assert "every slice by ['origin'] is too small" in found.results[-1].reason


@pytest.mark.parametrize(
    ("results", "gates", "expected", "reason"),
    [
        ([result("candidate", 0.4, EWR)], [BY_ORIGIN], [EWR, JFK], "the slice is missing from the evaluation"),
        ([result("candidate", 0.4)], [BY_ORIGIN], [()], "there is no slice by"),
        ([], [MINIMUM], [()], "there is no slice by"),
        ([result("today", 0.4)], [MINIMUM], [()], "the slice is missing from the evaluation"),
        ([result("candidate", None)], [MINIMUM], [()], "auc_pr of candidate has no value"),
        ([result("candidate", 0.4)], [AGAINST_TODAY], [()], "auc_pr of today has no value"),
        ([result("candidate", 0.4), result("today", None)], [AGAINST_TODAY], [()], "auc_pr of today has no value"),
        ([result("candidate", 0.9, positives=0)], [MINIMUM], [()], "only one class"),
        ([result("candidate", 0.9, positives=1000)], [MINIMUM], [()], "only one class"),
        ([result("candidate", 0.9, count=0, positives=0)], [MINIMUM], [()], "only one class"),
        ([result("candidate", 0.9)], [Gate(metric="recall", minimum=0.1)], [()], "recall of candidate has no value"),
    ],
)
def test_what_cannot_be_judged_blocks(
    results: list[SliceResult], gates: list[Gate], expected: list[SliceKey], reason: str
) -> None:
    """Whatever is missing, empty or undefined fails, with the reason."""
    found = verdict(results, *gates, expected=expected)
    assert not found.passed
    assert any(reason in each.reason for each in found.results if each.result == "failed")


def test_a_nan_cannot_be_written_into_a_scoreboard() -> None:
    """NaN is refused at the door, so no comparison ever sees one."""
    with pytest.raises(ValueError, match="finite"):
        Estimate(value=math.nan)


@given(
    st.lists(st.sampled_from([None, 0.1, 0.25, 0.5]), min_size=3, max_size=3),
    st.lists(st.sampled_from([0, 50, 1000]), min_size=3, max_size=3),
)
def test_nothing_undefined_ever_passes(values: list[float | None], positives: list[int]) -> None:
    """Whatever is undefined on all rows, the model does not ship."""
    keys: list[SliceKey] = [(), EWR, JFK]
    results = [
        result("candidate", value, key, positives=count)
        for value, key, count in zip(values, keys, positives, strict=True)
    ]
    found = verdict(results, MINIMUM, BY_ORIGIN, expected=keys)
    if values[0] is None or not 0 < positives[0] < 1000 or values[0] < 0.3:
        assert not found.passed
    judged = [v for v, p in zip(values[1:], positives[1:], strict=True) if 20 <= p < 1000]
    if not judged or any(value is None or value < 0.2 for value in judged):
        assert not found.passed
