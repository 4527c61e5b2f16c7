"""Decisions of a deployment: what to ask for, whether it is what we got, and whether online answers are right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plumbline.errors import ModelError, ServiceError
from plumbline.problem import Serving

CPU_METRIC = "aiplatform.googleapis.com/prediction/online/cpu/utilization"
ACCELERATOR_METRIC = "aiplatform.googleapis.com/prediction/online/accelerator/duty_cycle"

Scores = npt.NDArray[np.float64]


STAGING = "-staging"
"""What the id of the endpoint ends in where a version is tried before it gets traffic."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """Machines of a deployed model: how many, of which kind, and by which utilisation (per cent) they are added."""

    machine_type: str
    accelerator_type: str
    accelerator_count: int
    minimum: int
    maximum: int
    targets: Mapping[str, int]


def scaling(serving: Serving) -> Scaling:
    """The machines that the config asks for.

    With an accelerator both its duty cycle and the CPU are watched: a target for the CPU alone would ignore the
    accelerator. Source: Vertex AI, "Scale inference nodes".
    """
    metrics = (CPU_METRIC, ACCELERATOR_METRIC) if serving.accelerator_count else (CPU_METRIC,)
    return Scaling(
        machine_type=serving.machine_type,
        accelerator_type=serving.accelerator_type,
        accelerator_count=serving.accelerator_count,
        minimum=serving.minimum_replicas,
        maximum=serving.maximum_replicas,
        targets=dict.fromkeys(metrics, serving.target_utilisation),
    )


def check_scaling(wanted: Scaling, got: Scaling) -> None:
    """Nothing, when the endpoint reports the machines that were asked for.

    Raises:
        ServiceError: It does not. Vertex AI and its SDK drop or raise settings without an error in some cases.
    """
    if wanted != got:
        raise ServiceError(f"the endpoint does not have what was asked for: wanted {wanted}, got {got}")


def check_smoke(online: Sequence[float], offline: Scores, *, tolerance: float) -> float:
    """The largest difference between the online scores of some rows and the offline scores of the same rows.

    Raises:
        ModelError: It exceeds the tolerance, a score is not finite, or there are not as many answers as rows.
    """
    answers = np.asarray(online, dtype=np.float64)
    if answers.shape != offline.shape or not answers.size:
        raise ModelError(f"smoke test: wanted {offline.size} online scores (at least 1), got {answers.size}")
    if not (np.isfinite(answers).all() and np.isfinite(offline).all()):
        raise ModelError("smoke test: a score is not finite")
    difference = np.abs(answers - offline)
    worst = int(difference.argmax())
    if difference[worst] > tolerance:
        raise ModelError(
            f"smoke test: row {worst} scores {answers[worst]:.6f} online and {offline[worst]:.6f} offline, "
            f"more than {tolerance:g} apart; the traffic stays where it was"
        )
    return float(difference[worst])
