"""Traffic splits, and the taking off of deployed models."""

import pytest
from google.cloud.aiplatform_v1.types import endpoint
from hypothesis import given
from hypothesis import strategies as st

from emulator.aiplatform.endpoints import resource
from emulator.aiplatform.errors import ApiError
from emulator.aiplatform.methods import Message


def made(*ids: str, split: dict[str, int] | None = None) -> Message:
    """An endpoint with deployed models."""
    return endpoint.Endpoint.pb()(
        name="e", deployed_models=[{"id": deployed} for deployed in ids], traffic_split=split or {}
    )


@pytest.mark.parametrize("split", [{}, {"1": 100}, {"1": 0, "2": 100}, {"0": 10, "1": 90}])
def test_a_split_adds_up_to_100_or_is_empty(split: dict[str, int]) -> None:
    """Over models that are deployed, or the one that is being deployed."""
    resource.check_split(split, made("1", "2"), resource.THIS_MODEL)


@pytest.mark.parametrize(
    ("split", "text"),
    [
        ({"1": 99}, "add up to 100, got 99"),
        ({"1": 101}, "shares must be 0 to 100"),
        ({"1": 150, "2": -50}, "shares must be 0 to 100"),
        ({"3": 100}, r"names \['3'\]"),
        ({"0": 100}, r"names \['0'\]"),
    ],
)
def test_another_split_is_refused(split: dict[str, int], text: str) -> None:
    """Negative shares too, though the sum may be right."""
    with pytest.raises(ApiError, match=text):
        resource.check_split(split, made("1", "2"))


@given(st.dictionaries(st.sampled_from(["1", "2", "3"]), st.integers(-5, 105), max_size=3))
def test_what_passes_can_choose_a_model(split: dict[str, int]) -> None:
    """A split that is taken is a distribution over deployed models: a choice by its weights cannot fail."""
    try:
        resource.check_split(split, made("1", "2"))
    except ApiError:
        return
    assert set(split) <= {"1", "2"}
    assert not split or (sum(split.values()) == 100 and min(split.values()) >= 0)


def test_zero_stands_for_the_new_model() -> None:
    """In the request; the endpoint names its id, and only who has traffic."""
    there = made("1", "2", split={"1": 100})
    resource.with_split(there, {"0": 60, "1": 40, "2": 0}, "7")
    assert dict(there.traffic_split) == {"7": 60, "1": 40}


def test_no_split_leaves_the_traffic() -> None:
    """A deployment without one gets none."""
    there = made("1", split={"1": 100})
    resource.with_split(there, {}, "7")
    assert dict(there.traffic_split) == {"1": 100}


def test_the_last_model_takes_its_traffic_along() -> None:
    """Others would have to take it."""
    last, two = made("1", split={"1": 100}), made("1", "2", split={"1": 100})
    resource.without(last, "1", {})
    assert (len(last.deployed_models), dict(last.traffic_split)) == (0, {})
    with pytest.raises(ApiError, match="still has traffic"):
        resource.without(two, "1", {})
    resource.without(two, "1", {"2": 100})
    assert ([model.id for model in two.deployed_models], dict(two.traffic_split)) == (["2"], {"2": 100})
