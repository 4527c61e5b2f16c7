"""The load that the endpoint must bear, and the replicas that it takes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, model_validator

from plumbline.section import Positive, section


@section
class LoadProfile:
    """How many predictions are asked for."""

    usual_rate: Positive
    """Requests a second in an ordinary hour."""
    peak_rate: Positive
    """Requests a second in the worst minute."""
    replica_rate: Positive | None = None
    """Requests a second that one replica holds; measured before the traffic moves where nothing is said."""
    headroom: Annotated[float, Field(ge=1)] = 1.2
    """There are replicas for this many times the rate."""

    @model_validator(mode="after")
    def _in_order(self) -> "LoadProfile":
        if self.peak_rate < self.usual_rate:
            raise ValueError(f"peak_rate must be >= usual_rate, got {self.peak_rate:g} < {self.usual_rate:g}")
        return self


@section
class Capacity:
    """What an endpoint may grow to."""

    minimum_replicas: int
    maximum_replicas: int
    target_utilisation: int
    """Per cent."""


@dataclass(frozen=True, slots=True)
class MeasuredRate:
    """Requests a second that one replica was seen to answer, and how steadily."""

    rate: float
    low: float
    """Of the slowest of the equal parts of the time."""
    high: float
    """Of the fastest."""


def measured_rate(answered: Sequence[float], seconds: float, *, parts: int = 4) -> MeasuredRate:
    """The rate at which requests were answered, over all of the time and over parts of it.

    Args:
        answered: When each answer came, in seconds from the start; what came after the end does not count.
        seconds: How long it was asked, above 0.
        parts: Equal parts that the time is cut into.
    """
    counts = [0] * parts
    for moment in answered:
        if 0 <= moment < seconds:
            counts[int(moment / seconds * parts)] += 1
    each = [count * parts / seconds for count in counts]
    return MeasuredRate(sum(counts) / seconds, min(each), max(each))


def needed_replicas(rate: float, replica_rate: float, *, target_utilisation: int, headroom: float) -> int:
    """The replicas that a rate needs: ceil(rate x headroom / (replica_rate x target_utilisation / 100)), at least 1.

    Autoscaling adds replicas until the utilisation is at its target, so a replica is not used beyond that share of what
    it holds. Source: Vertex AI, "Scale inference nodes".

    Args:
        rate: Requests a second, of all.
        replica_rate: Requests a second that one replica holds when it is busy all the time.
        target_utilisation: Per cent.
        headroom: At least 1.
    """
    return max(1, math.ceil(rate * headroom / (replica_rate * target_utilisation / 100) - 1e-9))


def needed_rate(profile: LoadProfile, capacity: Capacity) -> float:
    """Requests a second that each replica must hold for the profile to fit: `needed_replicas` turned round.

    Where one holds that much, the minimum bears the usual rate and the maximum the peak.
    """
    used = capacity.target_utilisation / 100
    usual = profile.usual_rate * profile.headroom / (capacity.minimum_replicas * used)
    return max(usual, profile.peak_rate * profile.headroom / (capacity.maximum_replicas * used))


def shortage(profile: LoadProfile, capacity: Capacity, replica_rate: float) -> str:
    """What the endpoint lacks for its load, and what to do; empty where it lacks nothing.

    New replicas take minutes, so the usual rate must be held by those that are always there.
    """
    if not replica_rate > 0:
        return f"a replica that answers {replica_rate:g} requests/s bears no load, whatever their number: see its log"
    limits = (
        ("peak", profile.peak_rate, "maximum_replicas", capacity.maximum_replicas),
        ("usual rate", profile.usual_rate, "minimum_replicas", capacity.minimum_replicas),
    )
    for what, rate, key, most in limits:
        needed = needed_replicas(
            rate, replica_rate, target_utilisation=capacity.target_utilisation, headroom=profile.headroom
        )
        if needed > most:
            return (
                f"the {what} of {rate:g} requests/s needs {needed} replicas ({replica_rate:.3g} requests/s each, "
                f"used to {capacity.target_utilisation} %, {profile.headroom:g} times the rate), {key} is "
                f"{most}: raise it, or take a larger machine_type"
            )
    return ""
