"""How many replicas a load asks for."""

import pytest
from google.cloud import aiplatform_v1 as v1
from hypothesis import given
from hypothesis import strategies as st

from emulator.aiplatform.endpoints.autoscaling import CPU, REQUESTS, Load, Look, Rule, asked, recent, rule, wanted

_DUTY = "aiplatform.googleapis.com/prediction/online/accelerator/duty_cycle"
counts = st.integers(min_value=1, max_value=50)
loads = st.floats(min_value=0, max_value=1e5)
targets = st.floats(min_value=1, max_value=100)
rules = st.builds(
    lambda low, more, cpu, requests: Rule(low, low + more, cpu, requests),
    counts,
    st.integers(min_value=0, max_value=50),
    st.none() | targets,
    st.none() | targets,
)
looks = st.lists(st.builds(Look, st.floats(min_value=0, max_value=60), st.integers(min_value=0, max_value=10**6)))


@pytest.mark.parametrize(
    ("load", "of", "expected"),
    [
        # Vertex AI's own example: two replicas that are used to 100 % of a target of 60 % become four.
        (Load(2, 100.0, 0.0), Rule(1, 9, 60.0), 4),
        (Load(10, 20.0, 0.0), Rule(1, 9, 60.0), 4),
        (Load(3, 60.0, 0.0), Rule(1, 9, 60.0), 3),
        (Load(3, 0.0, 0.0), Rule(1, 9, 60.0), 0),
        # 2 x 90 / 60 by requests is more than 2 x 30 / 60 by use.
        (Load(2, 30.0, 90.0), Rule(1, 9, 60.0, 60.0), 3),
        (Load(2, 90.0, 30.0), Rule(1, 9, 60.0, 60.0), 3),
        # A metric that has no target does not count.
        (Load(2, 500.0, 30.0), Rule(1, 9, None, 60.0), 1),
        (Load(2, 30.0, 500.0), Rule(1, 9, 60.0, None), 1),
        # 3 x 0.1 / 0.1 is 3.0000000000000004 in floating point.
        (Load(3, 0.1 + 0.2, 0.0), Rule(1, 9, 0.3), 3),
    ],
)
def test_the_rule_is_vertex_ai_s(load: Load, of: Rule, expected: int) -> None:
    """ceil(replicas x utilisation / target) of the metric that asks for most, by hand."""
    assert asked(load, of) == expected


@given(st.lists(st.builds(Look, st.floats(0, 60), st.integers(0, 10**6)), max_size=20), rules, counts)
def test_the_limits_are_never_left(seen: list[Look], of: Rule, current: int) -> None:
    """Whatever was seen, and however many there are."""
    assert of.minimum <= wanted(seen, of, current=current) <= of.maximum


@given(counts, loads, loads, loads, rules)
def test_more_use_never_asks_for_fewer(replicas: int, low: float, more: float, requests: float, of: Rule) -> None:
    """Of two loads that differ in the utilisation only."""
    assert asked(Load(replicas, low, requests), of) <= asked(Load(replicas, low + more, requests), of)


@given(counts, loads, loads, loads, rules)
def test_more_requests_never_ask_for_fewer(replicas: int, use: float, low: float, more: float, of: Rule) -> None:
    """Of two loads that differ in the requests only."""
    assert asked(Load(replicas, use, low), of) <= asked(Load(replicas, use, low + more), of)


@given(counts, st.floats(min_value=0.5, max_value=5000), targets)
def test_the_replicas_that_are_asked_for_bring_the_use_to_its_target(
    replicas: int, utilisation: float, target: float
) -> None:
    """The same work on so many is at most the target, and on one fewer it is more."""
    found = asked(Load(replicas, utilisation, 0.0), Rule(1, 10**9, target))
    work = replicas * utilisation
    assert work / found <= target * (1 + 1e-6)
    assert found == 1 or work / (found - 1) > target * (1 - 1e-6)


@given(looks, rules, counts, st.integers(min_value=0, max_value=10**6))
def test_another_look_that_asks_for_more_never_gives_fewer(seen: list[Look], of: Rule, current: int, more: int) -> None:
    """What has been seen in the quiet time keeps its replicas."""
    if seen:
        assert wanted([*seen, Look(60.0, more)], of, current=current) >= wanted(seen, of, current=current)


def test_more_come_at_once_and_fewer_after_a_quiet_time() -> None:
    """A spike at 0 s asks for 5; until 10 s there are 5, and then as few as any of the last 10 s asks for."""
    of, seen, found = Rule(1, 9, 60.0), list[Look](), list[int]()
    for at in range(13):
        seen = [*recent(seen, float(at), quiet_s=10.0), Look(float(at), 5 if at == 0 else 2 if at == 1 else 0)]
        found.append(wanted(seen, of, current=1))
    assert found == [5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 2, 1]


def test_without_a_look_the_number_stays() -> None:
    """Within the limits, which may have changed."""
    of = Rule(2, 4, 60.0)
    assert [wanted([], of, current=current) for current in (1, 3, 9)] == [2, 3, 4]


@pytest.mark.parametrize(
    ("metrics", "utilisation", "requests"),
    [
        ({}, 60.0, None),
        ({CPU: 75}, 75.0, None),
        ({REQUESTS: 300}, None, 300.0),
        ({CPU: 75, REQUESTS: 300}, 75.0, 300.0),
        ({_DUTY: 70}, None, None),
        ({CPU: 0}, 60.0, None),
    ],
)
def test_the_rule_of_a_deployed_model(
    metrics: dict[str, int], utilisation: float | None, requests: float | None
) -> None:
    """Without metrics, and with a target of 0, it is 60 % of the CPU; a metric that is not named does not count."""
    specs = [v1.AutoscalingMetricSpec(metric_name=name, target=target) for name, target in metrics.items()]
    resources = v1.DedicatedResources(min_replica_count=2, max_replica_count=5, autoscaling_metric_specs=specs)
    assert rule(v1.DedicatedResources.pb(resources)) == Rule(2, 5, utilisation, requests)


def test_a_maximum_that_is_not_set_is_the_minimum() -> None:
    """Then load changes nothing."""
    found = rule(v1.DedicatedResources.pb(v1.DedicatedResources(min_replica_count=2)))
    assert (found.maximum, found.can_change) == (2, False)
