"""What a stage of the traffic shows, and when a version is taken back."""

import dataclasses
import math
import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from plumbline.canary import Canary, Reply, judge, most_requests, scores_apart

CANARY = Canary(answers=4)


def replies(model: str, *, count: int = 4, milliseconds: float = 10.0, score: float = 0.2) -> Sequence[Reply]:
    """Answers of a deployed model, all the same."""
    return [Reply(model, milliseconds, score, row) for row in range(count)]


FAILED = Reply("", 5.0, math.nan, 0, error="500 out of memory")


def test_a_good_stage() -> None:
    """With what was seen in it."""
    stage, fault = judge(CANARY, 5, "new", [*replies("new", milliseconds=12.0), *replies("old")], [])
    assert not fault
    assert dataclasses.asdict(stage) == {
        "share": 5,
        "answers": 4,
        "error_rate": 0.0,
        "latency_ms": 12.0,
        "champion_latency_ms": 10.0,
        "shift": 0.0,
    }


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        ([*replies("new"), FAILED, *replies("old")], "11.1% of the requests failed, the first with: 500 out of memory"),
        ([*replies("new", count=3), *replies("old")], "it gave 3 answers, wanted 4: its traffic does not reach it"),
        (replies("new"), "the version before gave no answer to compare with"),
        (
            [*replies("new", milliseconds=51), *replies("old", milliseconds=16)],
            "it takes 51 ms in the median, the version before 16 ms; up to 50 ms are allowed",
        ),
        ([*replies("new", milliseconds=121), *replies("old", milliseconds=40)], "up to 120 ms are allowed"),
        ([*replies("new", score=0.9), *replies("old")], "its scores are 1.00 from those of the version before"),
        ([*replies("new", score=math.nan), *replies("old")], "its scores are nan from those of the version before"),
        ([*replies("new"), *replies("old", score=math.nan)], "its scores are nan from those of the version before"),
        ([], "it gave 0 answers"),
    ],
)
def test_a_stage_that_ends_it(seen: Sequence[Reply], wanted: str) -> None:
    """Errors, silence, slowness, other scores; what is not known is not good."""
    assert re.search(re.escape(wanted), judge(CANARY, 50, "new", seen, [])[1])


def test_the_last_stage_is_compared_with_the_champion_of_the_stages_before() -> None:
    """Which answers nothing any more."""
    _, fault = judge(CANARY, 100, "new", replies("new"), [*replies("new"), *replies("old", score=0.9)])
    assert fault.startswith("its scores are 1.00 from")


def test_what_is_tolerated() -> None:
    """A rate of errors, where the config says so; and a ratio between latencies that are both short."""
    lenient = dataclasses.replace(CANARY, maximum_error_rate=0.2)
    seen = [*replies("new", milliseconds=49), FAILED, *replies("old", milliseconds=1)]
    assert not judge(lenient, 5, "new", seen, [])[1]


def test_scores_apart_by_hand() -> None:
    """Up to 0.25 lie three of four, and one of four."""
    assert scores_apart([0.1, 0.2, 0.25, 0.9], [0.05, 0.3, 0.4, 0.5]) == 0.5


def test_which_rows_are_asked_is_no_difference() -> None:
    """Both give a row the same score; the old one was asked twice as many rows."""
    old = [Reply("old", 10.0, row / 10, row) for row in range(8)]
    _, fault = judge(CANARY, 5, "new", [*(dataclasses.replace(reply, model="new") for reply in old[4:]), *old], [])
    assert not fault


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=50),
    st.lists(st.floats(0, 1), min_size=1, max_size=50),
)
def test_scores_apart(one: Sequence[float], other: Sequence[float]) -> None:
    """A number in [0, 1], the same both ways, 0 of a sample and itself."""
    apart = scores_apart(one, other)
    assert 0 <= apart <= 1
    assert apart == pytest.approx(scores_apart(other, one), abs=1e-12)
    assert scores_apart(one, one) == pytest.approx(0, abs=1e-12)


def test_no_scores_are_no_agreement() -> None:
    """NaN, which no limit takes."""
    assert math.isnan(scores_apart([], [0.5]))
    assert math.isnan(scores_apart([0.5], []))
    assert math.isnan(scores_apart([0.5, math.nan], [0.5]))


@pytest.mark.parametrize(("share", "most"), [(5, 1600), (50, 160), (100, 80), (3, 2668)])
def test_a_stage_has_an_end(share: int, most: int) -> None:
    """Four times the requests that 20 answers should take."""
    assert most_requests(Canary(), share) == most


@pytest.mark.parametrize("stages", [(5, 50), (50, 5, 100), (5, 5, 100), (), (0, 100), (100, 101)])
def test_stages_end_with_all_of_the_traffic(stages: tuple[int, ...]) -> None:
    """And ascend."""
    with pytest.raises(ValidationError):
        Canary(stages=stages)
