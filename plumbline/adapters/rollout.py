"""How a version comes to serve: beside the traffic first, tested there, and only then in it.

Vertex AI sends a prediction where the traffic split says, and nowhere else: a model without traffic cannot be asked. So
the version is deployed twice at the same time: on the endpoint, without traffic, and on a staging endpoint, where the
smoke test asks it. When the answers are right the traffic moves in one step and the staging endpoint goes.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from google.cloud import aiplatform_v1 as vertex

from plumbline.adapters import endpoints as on
from plumbline.adapters.clients import Clients
from plumbline.adapters.load_test import replica_rate
from plumbline.adapters.registry import promote
from plumbline.deployment import STAGING, Scaling, check_load, check_scaling, scaling
from plumbline.errors import ServiceError
from plumbline.load import MeasuredRate
from plumbline.probe import Probe, check_smoke
from plumbline.problem import Serving


@dataclass(frozen=True, slots=True)
class Deployed:
    """A version that serves."""

    endpoint: str
    deployed_model_id: str
    difference: float
    """Largest between online and offline score of the probe's rows."""
    replica_rate: MeasuredRate | None = None
    """What one replica was measured to hold; None where the config says it, or asks for nothing."""


def roll_out(clients: Clients, serving: Serving, version: str, probe: Probe) -> Deployed:
    """The version in full service, or an error with the traffic where it was and nothing left over.

    Raises:
        ModelError: Online and offline scores differ.
        ServiceError: Vertex AI refuses or fails, gives other machines than were asked for, or the endpoint may not
            grow to what its load needs.
    """
    endpoints, wanted = clients.endpoints(), scaling(serving)
    endpoint = on.ensure(
        endpoints, clients.place, serving.endpoint, problem=_problem(version), logging=serving.request_logging
    )
    # What an interrupted run left without traffic would be paid for; the version that serves has traffic.
    on.retire(endpoints, endpoint)
    running = on.deployed(endpoints, endpoint, version)
    if running is None or not _same_machines(on.scaling_of(running), wanted):
        running, rate = _beside_the_traffic(clients, serving, endpoint, version, probe)
        on.move_traffic(endpoints, endpoint, running.id)
    else:
        # It serves already, and its load may be another than before: the staging endpoint is measured, not this one.
        rate = _try(clients, serving, version, probe, ()) if _is_unknown(serving) else None
        if on.scaling_of(running) != wanted:
            on.rescale(endpoints, endpoint, running.id, wanted)
    difference = _ask(clients, endpoint.name, probe)
    try:
        promote(clients.models(), version)
    finally:  # the version before has no traffic any more, whatever its aliases are
        on.retire(endpoints, endpoint)
    return Deployed(endpoint.name, running.id, difference, rate)


def _beside_the_traffic(
    clients: Clients, serving: Serving, endpoint: vertex.Endpoint, version: str, probe: Probe
) -> tuple[vertex.DeployedModel, MeasuredRate | None]:
    """The version deployed without traffic, after it has answered the probe on the staging endpoint; its rate there."""
    endpoints, wanted = clients.endpoints(), scaling(serving)
    try:
        rate = _try(clients, serving, version, probe, (endpoint,))
        new = _found(endpoints, endpoint, version)
        check_scaling(wanted, on.scaling_of(new))
    except BaseException:  # also an interrupt: nothing half done is left running
        on.retire(endpoints, endpoint)
        raise
    return new, rate


def _try(
    clients: Clients, serving: Serving, version: str, probe: Probe, beside: Sequence[vertex.Endpoint]
) -> MeasuredRate | None:
    """What one replica holds on the staging endpoint, once it has answered the probe; None where that is not asked.

    Args:
        clients: Google's.
        serving: The machines, and the load.
        version: What is tried.
        probe: What it is asked.
        beside: Where it is deployed without traffic at the same time.
    """
    endpoints, wanted = clients.endpoints(), scaling(serving)
    staging = on.ensure(endpoints, clients.place, f"{serving.endpoint}{STAGING}", problem=_problem(version))
    one = dataclasses.replace(wanted, minimum=1, maximum=1)
    begun: list[on.Deployment] = []
    try:
        begun.extend(on.start(endpoints, endpoint, version, wanted) for endpoint in beside)
        begun.append(on.start(endpoints, staging, version, one))
        for deployment in begun:
            on.settle(endpoints, deployment, timeout_s=serving.timeout_s)
        on.move_traffic(endpoints, staging, _found(endpoints, staging, version).id)
        _ask(clients, staging.name, probe)
        return _measured(clients, serving, staging.name, probe)
    except BaseException:  # also an interrupt
        for deployment in begun:
            # What is still being deployed cannot be undeployed.
            on.abandon(endpoints, deployment)
        raise
    finally:
        on.remove(endpoints, staging)


def _is_unknown(serving: Serving) -> bool:
    """Whether there is a load, and nobody has said what one replica holds."""
    return serving.load is not None and serving.load.replica_rate is None


def _measured(clients: Clients, serving: Serving, endpoint: str, probe: Probe) -> MeasuredRate | None:
    """What one replica holds, where the config does not say: enough for the load, or an error."""
    if not _is_unknown(serving):
        return None
    found = replica_rate(clients, endpoint, probe.instances)
    check_load(serving, found.rate)
    return found


def _problem(version: str) -> str:
    """The model's id, which is the name of its problem."""
    return version.rpartition("/")[2].partition("@")[0]


def _ask(clients: Clients, endpoint: str, probe: Probe) -> float:
    answers = on.predict(clients.predictions(), endpoint, probe.instances)
    scores = [float(cast("float", answer.get("score", "nan"))) for answer in answers]
    return check_smoke(scores, probe.scores, tolerance=probe.tolerance)


def _found(endpoints: vertex.EndpointServiceClient, endpoint: vertex.Endpoint, version: str) -> vertex.DeployedModel:
    # The newest: an older deployment of the same version may still be there with other machines.
    now = endpoints.get_endpoint(name=endpoint.name)
    same = [m for m in now.deployed_models if f"{m.model.split('@')[0]}@{m.model_version_id}" == version]
    if not same:
        raise ServiceError(f"{endpoint.display_name} does not list {version} after its deployment")
    return max(same, key=lambda model: model.create_time)


def _same_machines(one: Scaling, other: Scaling) -> bool:
    kinds = [(s.machine_type, s.accelerator_type, s.accelerator_count) for s in (one, other)]
    return kinds[0] == kinds[1]
