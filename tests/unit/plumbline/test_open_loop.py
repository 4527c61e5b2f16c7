"""Open-loop load: when requests are due, and what is made of the answers."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.errors import PlumblineError
from plumbline.open_loop import (
    Answered,
    Arrival,
    Count,
    Generated,
    Order,
    Step,
    StepResult,
    arrivals,
    by_second,
    expected,
    held,
    length,
    measured,
    percentiles,
    profile,
    result,
    table,
)
from plumbline.section import from_json, to_json

STEPS = (Step(name="step", rate=2, seconds=2), Step(name="spike", rate=4, seconds=1))
SCHEDULE = (Arrival(0.5, 0), Arrival(1.5, 0), Arrival(2.1, 1), Arrival(2.2, 1), Arrival(2.9, 1))
steps = st.lists(
    st.builds(Step, name=st.just("step"), rate=st.floats(0.1, 200), seconds=st.floats(0.1, 10)), min_size=1, max_size=5
)


def step_result(rate: float, p99: float, *, failed: int = 0, replicas: int | None = 1) -> StepResult:
    """A step of a hundred requests."""
    return StepResult(
        step=Step(name="step", rate=rate, seconds=10),
        due=100,
        answered=100 - failed,
        errors={"503": failed} if failed else {},
        milliseconds={"50": 1.0, "90": 2.0, "99": p99, "max": p99},
        fewest_replicas=replicas,
        most_replicas=replicas,
    )


@given(steps, st.integers(0, 2**32))
def test_requests_are_due_in_order_and_within_their_steps(wanted: list[Step], seed: int) -> None:
    """And the same seed gives the same times."""
    found = arrivals(wanted, seed=seed)
    assert [arrival.due for arrival in found] == sorted(arrival.due for arrival in found)
    ends = list(itertools.accumulate(step.seconds for step in wanted))
    assert all(ends[a.step] - wanted[a.step].seconds <= a.due < ends[a.step] for a in found)
    assert found == arrivals(wanted, seed=seed)


def test_requests_come_as_a_poisson_process_does() -> None:
    """Mean and variance of the counts of 2,000 seconds at 5 a second are both 5, within five standard errors."""
    found = arrivals([Step(name="step", rate=5, seconds=2000)], seed=3)
    counts = [0] * 2000
    for arrival in found:
        counts[int(arrival.due)] += 1
    mean = sum(counts) / 2000
    variance = sum((count - mean) ** 2 for count in counts) / 1999
    # Of a Poisson count with mean m the fourth central moment is m + 3 m^2.
    assert abs(mean - 5) < 5 * math.sqrt(5 / 2000)
    assert abs(variance - 5) < 5 * math.sqrt((5 + 2 * 25) / 2000)


def test_a_profile_is_steps_a_spike_and_quiet() -> None:
    """What comes after a spike is the first rate, for twice the time."""
    found = profile([5, 10], seconds=3, spike=40)
    assert [(each.name, each.rate, each.seconds) for each in found] == [
        ("step", 5, 3),
        ("step", 10, 3),
        ("spike", 40, 3),
        ("after", 5, 6),
    ]
    assert (length(found), expected(found)) == (15, 195)
    assert [each.name for each in profile([5], seconds=3)] == ["step"]


@pytest.mark.parametrize(
    ("rates", "seconds", "spike", "text"),
    [
        ([], 10.0, 0.0, "above 0"),
        ([5, 0], 10.0, 0.0, "above 0"),
        ([5], 0.0, 0.0, "above 0"),
        ([5], 10.0, -1.0, "above 0"),
        ([5], 601.0, 0.0, "would last 601 s"),
        ([1001], 100.0, 0.0, "make about 100,100"),
    ],
)
def test_a_load_without_bounds_is_refused(rates: list[float], seconds: float, spike: float, text: str) -> None:
    """Before anything is sent."""
    with pytest.raises(PlumblineError, match=text):
        profile(rates, seconds=seconds, spike=spike)


def test_each_step_has_its_own_requests() -> None:
    """One of the spike failed and one was never answered; replicas are those seen during the step."""
    answers = [
        Answered(SCHEDULE[0], 0.010),
        Answered(SCHEDULE[1], 0.030),
        Answered(SCHEDULE[2], 0.5, "503 no replica"),
        Answered(SCHEDULE[3], 0.1),
    ]
    step, spike = measured(STEPS, SCHEDULE, answers, [Count(0.1, 1), Count(1.1, 1), Count(2.1, 1), Count(2.9, 3)])
    assert (step.due, step.answered, step.failed, dict(step.errors)) == (2, 2, 0, {})
    assert dict(step.milliseconds) == {"50": 20.0, "90": 28.0, "99": 29.8, "max": 30.0}
    assert (step.fewest_replicas, step.most_replicas) == (1, 1)
    assert (spike.due, spike.answered, spike.failed) == (3, 1, 2)
    assert dict(spike.errors) == {"503 no replica": 1, "under way at the interrupt": 1}
    assert (spike.fewest_replicas, spike.most_replicas) == (1, 3)


def test_what_was_due_in_a_second_counts_for_it() -> None:
    """Also when the answer came in another; failures have no latency."""
    answers = [Answered(SCHEDULE[0], 2.0), Answered(SCHEDULE[2], 0.1), Answered(SCHEDULE[3], 0.1, "503")]
    found = by_second(SCHEDULE, answers, [Count(0.2, 1), Count(2.2, 3)])
    assert [(each.due, each.answered, each.replicas) for each in found] == [(1, 1, 1), (1, 0, None), (3, 1, 3)]
    assert found[0].milliseconds["max"] == 2000.0
    assert found[1].milliseconds == {}


def test_no_latencies_have_no_percentiles() -> None:
    """Rather than a NaN."""
    assert percentiles([]) == {}


def test_a_rate_is_held_below_the_limit_and_without_an_error() -> None:
    """80 is too slow, 40 has an error, 20 had three replicas; one replica held 10."""
    results = [
        step_result(10, 20.0),
        step_result(20, 99.9, replicas=3),
        step_result(40, 20.0, failed=1),
        step_result(80, 100.0),
    ]
    assert held(results, limit_ms=100.0) == 20
    assert held(results, limit_ms=100.0, replicas=1) == 10
    assert held(results, limit_ms=10.0) is None


def test_replicas_that_nobody_counted_are_not_one() -> None:
    """Where the service does not say, nothing is claimed about one replica."""
    assert held([step_result(10, 20.0, replicas=None)], limit_ms=100.0, replicas=1) is None


def test_a_load_that_was_interrupted_counts_what_was_due_until_then() -> None:
    """The step that had not begun is left out, and what was under way had no answer."""
    order = Order("e", "2026-01-01T00:00:00Z", STEPS, SCHEDULE, 100.0)
    found = result(order, Generated([Answered(SCHEDULE[0], 0.01)], [Count(0.1, 1)], 1.6, interrupted=True))
    (step,) = found.steps
    assert (found.interrupted, step.due, step.answered, dict(step.errors)) == (
        True,
        2,
        1,
        {"under way at the interrupt": 1},
    )
    assert (len(found.seconds), found.held) == (2, None)
    whole = result(order, Generated([Answered(a, 0.01) for a in SCHEDULE], [Count(0.1, 1), Count(2.5, 2)], 3.0, False))
    assert (whole.held, whole.held_by_one) == (4, 2)
    assert from_json(type(whole), to_json(whole)) == whole


def test_the_table_names_what_went_wrong() -> None:
    """A line a step, what was held, and the errors."""
    order = Order("e", "2026-01-01T00:00:00Z", STEPS, SCHEDULE, 100.0)
    lines = table(result(order, Generated([Answered(a, 0.01) for a in SCHEDULE[:4]], [], 3.0, interrupted=True)))
    assert lines[1].split() == ["step", "2", "2", "2", "0", "10.0", "10.0", "10.0", "10.0", "?"]
    assert lines[2].split()[:5] == ["spike", "4", "3", "2", "1"]
    assert "held (p99 below 100 ms, no error): 2 requests/s; with one replica: not seen" in lines[3]
    assert "interrupted" in lines[4]
    assert lines[5].strip() == "1 x under way at the interrupt"
