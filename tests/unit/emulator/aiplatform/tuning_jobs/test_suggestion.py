"""Which parameters the trials of a search have."""

import math
import statistics

import pytest
from google.cloud.aiplatform_v1.types import study

from emulator.aiplatform.methods import Message
from emulator.aiplatform.tuning_jobs.suggestion import BAYESIAN, GRID, RANDOM, Tried, suggest

LINEAR, LOG, REVERSE = "UNIT_LINEAR_SCALE", "UNIT_LOG_SCALE", "UNIT_REVERSE_LOG_SCALE"


def space(algorithm: str, *parameters: dict[str, object]) -> Message:
    """A study."""
    return study.StudySpec.pb()(algorithm=algorithm, parameters=list(parameters))


def real(low: float, high: float, scale: str = LINEAR) -> dict[str, object]:
    """A parameter x."""
    return {"parameter_id": "x", "scale_type": scale, "double_value_spec": {"min_value": low, "max_value": high}}


def whole(low: int, high: int) -> dict[str, object]:
    """A parameter n."""
    return {"parameter_id": "n", "integer_value_spec": {"min_value": low, "max_value": high}}


def listed(*values: float) -> dict[str, object]:
    """A parameter v."""
    return {"parameter_id": "v", "discrete_value_spec": {"values": values}}


def test_a_grid_has_each_combination_once() -> None:
    """The first parameter changes the fastest."""
    grid = space(GRID, whole(1, 2), listed(0.5, 1.5))
    found = [dict(suggest(grid, number, [], seed="s")) for number in range(4)]
    assert found == [{"n": 1, "v": 0.5}, {"n": 2, "v": 0.5}, {"n": 1, "v": 1.5}, {"n": 2, "v": 1.5}]


@pytest.mark.parametrize(("scale", "middle"), [(LINEAR, 50.0), (LOG, 1.0), (REVERSE, 99.01)])
def test_draws_are_even_on_the_scale(scale: str, middle: float) -> None:
    """Half of them are below the middle of 0.01 to 100, which on a logarithmic scale is 1, and reversed 100.01 - 1."""
    drawn = [suggest(space(RANDOM, real(0.01, 100, scale)), n, [], seed="s")["x"] for n in range(400)]
    assert all(0.01 <= value <= 100 for value in drawn)
    # Four standard deviations of a share of one half among 400.
    assert sum(value < middle for value in drawn) / 400 == pytest.approx(0.5, abs=0.1)


def test_every_listed_value_and_whole_number_is_drawn() -> None:
    """The ends, too."""
    chosen = [suggest(space(RANDOM, whole(2, 5), listed(1, 10, 100)), n, [], seed="s") for n in range(200)]
    assert {each["n"] for each in chosen} == {2, 3, 4, 5}
    assert {each["v"] for each in chosen} == {1, 10, 100}


def test_a_search_that_is_named_alike_draws_alike() -> None:
    """And one with another name draws others."""
    study_spec = space(RANDOM, real(0, 1))
    found = [[suggest(study_spec, n, [], seed=seed)["x"] for n in range(5)] for seed in ("a", "a", "b")]
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_two_thirds_of_the_draws_are_near_the_best() -> None:
    """Of eight trials the best two are at 0.001 and 0.002; on a logarithmic scale from 0.0001 to 1 that is low."""
    tried = [Tried({"x": 0.001 * (n + 1) if n < 2 else 0.5}, 1.0 - n / 10) for n in range(8)]
    drawn = [math.log10(suggest(space(BAYESIAN, real(1e-4, 1, LOG)), n, tried, seed="s")["x"]) for n in range(300)]
    near = [value for n, value in enumerate(drawn) if n % 3]
    far = [value for n, value in enumerate(drawn) if not n % 3]
    assert statistics.median(near) == pytest.approx(-2.85, abs=0.15)
    assert statistics.median(far) == pytest.approx(-2, abs=0.6)
