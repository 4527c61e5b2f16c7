"""The gate on the gap between slices, and a decision threshold that is not what was asked for."""

from collections.abc import Mapping

import pytest

from plumbline.gates import Verdict, decide
from plumbline.operating_point import OperatingPoint
from plumbline.problem import Evaluation, Gate, Metric
from plumbline.scoreboard import Confusion, Estimate, Scoreboard, SliceKey, SliceResult

GAP = Gate(metric="recall", by=("origin",), gap=0.2)
CELLS = Confusion(true_positives=1, false_positives=1, true_negatives=1, false_negatives=1)


def key(origin: str) -> SliceKey:
    """The slice of an airport."""
    return (("origin", origin),)


def of(name: str, value: float | None, *, count: int = 1000) -> SliceResult:
    """The candidate's recall on an airport's flights."""
    metrics: dict[Metric, Estimate] = {"recall": Estimate(value=value), "auc": Estimate(value=0.7)}
    return SliceResult(
        model="candidate", slice=key(name) if name else (), count=count, positives=100, metrics=metrics, confusion=CELLS
    )


def verdict(
    recalls: Mapping[str, float | None], *, small: tuple[str, ...] = (), absent: tuple[str, ...] = ()
) -> Verdict:
    """The verdict on recalls by airport."""
    results = [of(name, value, count=10 if name in small else 1000) for name, value in recalls.items()]
    board = Scoreboard(threshold=0.5, confidence=0.95, engine="test", results=tuple(results), curves=())
    evaluation = Evaluation(slices=((), ("origin",)), gates=(GAP,), minimum_count=200, minimum_positives=20)
    return decide(board, evaluation, [key(name) for name in (*recalls, *absent)])


@pytest.mark.parametrize(("worst", "passed"), [(0.5, True), (0.41, True), (0.39, False)])
def test_the_gap_is_between_the_best_and_the_worst(worst: float, passed: bool) -> None:
    """0.6 of EWR and a gap of 0.2 allow 0.4; LGA is between."""
    assert verdict({"EWR": 0.6, "JFK": worst, "LGA": 0.55}).passed is passed


def test_a_failure_names_both_slices() -> None:
    """Who is served worst, who best, and by how much."""
    found = verdict({"EWR": 0.6, "JFK": 0.3})
    assert found.summary == (
        "blocked: recall on origin JFK: recall is 0.3 for origin JFK and 0.6 for origin EWR: a gap of 0.3, "
        "wanted at most 0.2"
    )


def test_small_slices_are_named_and_left_out() -> None:
    """Ten rows say nothing of how an airport is served."""
    found = verdict({"EWR": 0.6, "JFK": 0.5, "TEB": 0.0}, small=("TEB",))
    assert found.passed
    assert [result.result for result in found.results] == ["too small to judge", "passed"]


@pytest.mark.parametrize(
    ("recalls", "small", "absent", "reason"),
    [
        ({"EWR": 0.6, "JFK": None}, (), (), "recall of origin JFK has no value"),
        ({"EWR": 0.6, "JFK": 0.6}, (), ("LGA",), "recall of origin LGA has no value"),
        ({"EWR": 0.6}, (), (), "fewer than two are large enough"),
        ({"EWR": 0.6, "JFK": 0.6}, ("JFK",), (), "fewer than two are large enough"),
        ({"": 0.5}, (), (), "there is no slice by"),
    ],
)
def test_what_cannot_be_compared_blocks(
    recalls: dict[str, float | None], small: tuple[str, ...], absent: tuple[str, ...], reason: str
) -> None:
    """An undefined metric, an absent slice, one slice alone."""
    found = verdict(recalls, small=small, absent=absent)
    assert not found.passed
    assert any(reason in result.reason for result in found.results if result.result == "failed")


def test_a_gap_needs_slices() -> None:
    """Refused when the config is read."""
    with pytest.raises(ValueError, match="a gap is between slices"):
        Gate(metric="recall", gap=0.1)


def test_a_rule_that_was_not_met_blocks() -> None:
    """However good everything else is."""
    board = Scoreboard(threshold=0.5, confidence=0.95, engine="test", results=(of("", 0.5),), curves=())
    evaluation = Evaluation(slices=((),), gates=(Gate(metric="auc", minimum=0.6),))
    point = OperatingPoint(
        model="candidate", threshold=0.5, source="rule", explanation="no such precision", reached=False
    )
    assert decide(board, evaluation, [()]).passed
    found = decide(board, evaluation, [()], point)
    assert not found.passed
    assert "the decision threshold is not what evaluation.threshold asks for: no such precision" in found.summary
