"""The load that an endpoint must bear."""

import pytest

from plumbline.load import Capacity, LoadProfile, measured_rate, needed_rate, needed_replicas, shortage

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


@pytest.mark.parametrize(
    ("minimum", "maximum", "wanted"),
    [
        # The peak: 400 x 1.2 / (20 x 0.6) = 40; the usual rate asks for 20 x 1.2 / 0.6 = 40 of one, 20 of each of two.
        (1, 20, 40),
        (2, 20, 40),
        (1, 40, 40),
        (2, 40, 20),
    ],
)
def test_what_each_replica_must_hold_by_hand(minimum: int, maximum: int, wanted: float) -> None:
    """With just that much nothing is short, with a little less something is."""
    assert needed_rate(PROFILE, capacity(minimum, maximum)) == pytest.approx(wanted)
    assert shortage(PROFILE, capacity(minimum, maximum), wanted) == ""
    assert shortage(PROFILE, capacity(minimum, maximum), 0.99 * wanted)


def test_a_rate_is_measured_with_its_spread() -> None:
    """Eight answers in two seconds; in its quarters of half a second 1, 2, 4 and 1 of them; the last came too late."""
    found = measured_rate([0.1, 0.5, 0.9, 1.0, 1.1, 1.2, 1.4, 1.9, 2.1], 2.0)
    assert (found.rate, found.low, found.high) == (4.0, 2.0, 8.0)


def test_a_replica_that_never_answers_holds_nothing() -> None:
    """And what comes after the time does not count."""
    found = measured_rate([2.0, 3.0], 2.0)
    assert (found.rate, found.low, found.high) == (0.0, 0.0, 0.0)


def test_a_replica_that_holds_nothing_is_never_enough() -> None:
    """Fails closed: no number of replicas bears the load."""
    assert "bears no load" in shortage(PROFILE, capacity(1, 100), 0.0)


def test_a_peak_below_the_usual_rate_is_refused() -> None:
    """The two were mixed up."""
    with pytest.raises(ValueError, match="peak_rate must be >= usual_rate"):
        LoadProfile(usual_rate=5, peak_rate=4)
