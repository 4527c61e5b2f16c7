"""How many replicas a deployed model is to have, by Vertex AI's rule.

Source: Vertex AI, "Scale inference nodes by using autoscaling": every 15 seconds the service takes
ceil(replicas x utilisation / target), of the metric that asks for most, and by the highest of the last five minutes, so
that more come at once and fewer only after a quiet time. The emulator looks more often, and its quiet time is seconds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from emulator.aiplatform.methods import Message

CPU = "aiplatform.googleapis.com/prediction/online/cpu/utilization"
REQUESTS = "aiplatform.googleapis.com/prediction/online/request_count"
QUIET_S = 10.0
"""Replicas are taken away when for that long fewer would have done; on Vertex AI it is 300."""
_DEFAULT_TARGET = 60
_EXACT = 1e-9
"""A ratio that is whole but for rounding is whole."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What the number of replicas is decided by."""

    minimum: int
    maximum: int
    utilisation: float | None
    """Target: per cent of a replica's machine, which is one core here. None: it does not count."""
    requests: float | None = None
    """Target: requests a minute that a replica answers. None: they do not count."""

    @property
    def can_change(self) -> bool:
        """Whether load changes anything."""
        return self.minimum < self.maximum


@dataclass(frozen=True, slots=True)
class Load:
    """What the replicas that serve have been seen to do."""

    replicas: int
    utilisation: float
    """Per cent of one core, mean of the replicas."""
    requests: float
    """A minute, mean of the replicas."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the load has asked for."""

    at: float
    """Seconds of any clock."""
    asked: int
    """Replicas, before the limits."""


def rule(resources: Message) -> Rule:
    """The rule of a deployed model's dedicated resources; without metrics it is the CPU at 60 %.

    The duty cycle of an accelerator never counts, since there is none here.
    """
    targets = {spec.metric_name: float(spec.target or _DEFAULT_TARGET) for spec in resources.autoscaling_metric_specs}
    return Rule(
        minimum=resources.min_replica_count,
        maximum=max(resources.min_replica_count, resources.max_replica_count),
        utilisation=targets.get(CPU) if targets else float(_DEFAULT_TARGET),
        requests=targets.get(REQUESTS),
    )


def asked(load: Load, of: Rule) -> int:
    """The replicas that a load asks for, whatever the limits: the most that any metric does."""
    ratios = [0.0]
    if of.utilisation is not None:
        ratios.append(load.utilisation / of.utilisation)
    if of.requests is not None:
        ratios.append(load.requests / of.requests)
    return math.ceil(load.replicas * max(ratios) - _EXACT)


def recent(looks: Sequence[Look], now: float, *, quiet_s: float = QUIET_S) -> Sequence[Look]:
    """Those looks that still count."""
    return [look for look in looks if now - look.at <= quiet_s]


def wanted(looks: Sequence[Look], of: Rule, *, current: int) -> int:
    """The replicas that there should be: never fewer than the minimum, never more than the maximum.

    Args:
        looks: Of the quiet time, the newest last; with none the number stays as it is, within the limits.
        of: The rule.
        current: Replicas that there should have been so far.
    """
    most = max((look.asked for look in looks), default=current)
    return min(of.maximum, max(of.minimum, most))
