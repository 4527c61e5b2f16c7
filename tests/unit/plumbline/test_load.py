"""The load that an endpoint must bear."""

import pytest

from plumbline.load import Capacity, LoadProfile, needed_replicas, shortage

PROFILE = LoadProfile(usual_rate=20, peak_rate=400, headroom=1.2)


@pytest.mark.parametrize(
    ("rate", "replica_rate", "headroom", "wanted"),
    [
        # 400 x 1.2 / (40 x 0.6) = 20
        (400, 40, 1.2, 20),
        (401, 40, 1.2, 21),
        # 24 / 24 = 1, and a little more is two
        (20, 40, 1.2, 1),
        (20.1, 40, 1.2, 2),
        (0.01, 40, 1.0, 1),
    ],
)
def test_replicas_by_hand(rate: float, replica_rate: float, headroom: float, wanted: int) -> None:
    """Each is used to 60 per cent of what it holds."""
    assert needed_replicas(rate, replica_rate, target_utilisation=60, headroom=headroom) == wanted


def capacity(minimum: int, maximum: int) -> Capacity:
    """Replicas at 60 per cent."""
    return Capacity(minimum_replicas=minimum, maximum_replicas=maximum, target_utilisation=60)


def test_enough_is_enough() -> None:
    """20 replicas for the peak, one for the usual rate."""
    assert shortage(PROFILE, capacity(1, 20), 40.0) == ""


def test_a_maximum_too_low_is_told_with_what_it_takes() -> None:
    """The key, what it is, and what it would have to be."""
    told = shortage(PROFILE, capacity(1, 19), 40.0)
    assert told == (
        "the peak of 400 requests/s needs 20 replicas (40 requests/s each, used to 60 %, 1.2 times the rate), "
        "maximum_replicas is 19: raise it, or take a larger machine_type"
    )


def test_a_minimum_too_low_is_told() -> None:
    """New replicas take minutes: an ordinary hour must be borne by those that are there."""
    told = shortage(PROFILE, capacity(1, 100), 10.0)
    assert "the usual rate of 20 requests/s needs 4 replicas" in told
    assert "minimum_replicas is 1" in told


def test_a_peak_below_the_usual_rate_is_refused() -> None:
    """The two were mixed up."""
    with pytest.raises(ValueError, match="peak_rate must be >= usual_rate"):
        LoadProfile(usual_rate=5, peak_rate=4)
