"""Decisions of a deployment: what to ask for, and whether it is what we got."""

from collections.abc import Mapping
from dataclasses import dataclass

from plumbline.environment import Place
from plumbline.errors import ServiceError
from plumbline.load import Capacity, shortage
from plumbline.problem import Serving

CPU_METRIC = "aiplatform.googleapis.com/prediction/online/cpu/utilization"
ACCELERATOR_METRIC = "aiplatform.googleapis.com/prediction/online/accelerator/duty_cycle"

STAGING = "-staging"
"""What the id of the endpoint ends in where a version is tried before it gets traffic."""


def log_table(place: Place, endpoint_id: str) -> str:
    """project.dataset.table of the log of an endpoint's requests and answers."""
    return f"{place.project}.{place.dataset}.{endpoint_id.replace('-', '_')}_requests"


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


def capacity(serving: Serving) -> Capacity:
    """What the config lets the endpoint grow to."""
    return Capacity(
        minimum_replicas=serving.minimum_replicas,
        maximum_replicas=serving.maximum_replicas,
        target_utilisation=serving.target_utilisation,
    )


def check_load(serving: Serving, replica_rate: float) -> None:
    """Nothing, when the endpoint may grow to what its load needs.

    Raises:
        ServiceError: It may not; the message says what it needs.
    """
    if serving.load and (told := shortage(serving.load, capacity(serving), replica_rate)):
        raise ServiceError(f"{told}; the traffic stays where it was")


def check_scaling(wanted: Scaling, got: Scaling) -> None:
    """Nothing, when the endpoint reports the machines that were asked for.

    Raises:
        ServiceError: It does not. Vertex AI and its SDK drop or raise settings without an error in some cases.
    """
    if wanted != got:
        raise ServiceError(f"the endpoint does not have what was asked for: wanted {wanted}, got {got}")
