"""How a version comes to serve: beside the traffic first, tested there, and only then in it.

Vertex AI sends a prediction where the traffic split says, and nowhere else: a model without traffic cannot be asked. So
the version is deployed twice at the same time: on the endpoint, without traffic, and on a staging endpoint, where the
smoke test asks it, and the shadow of logged requests if the config asks for one. When the answers are right the staging
endpoint goes, and the traffic moves in stages (`plumbline.adapters.canary`).
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from google.cloud import aiplatform_v1 as vertex

from plumbline.adapters import canary
from plumbline.adapters import endpoints as on
from plumbline.adapters.clients import Clients
from plumbline.adapters.load_test import replica_rate
from plumbline.adapters.registry import champion, promote
from plumbline.canary import Stage
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
    stages: Sequence[Stage] = ()
    """What was seen while the traffic moved; none where no version had it before."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A version that is to serve, and where."""

    clients: Clients
    serving: Serving
    endpoint: vertex.Endpoint
    version: str
    probe: Probe

    problem: str
    """Its name, which is the model's id."""


def roll_out(clients: Clients, serving: Serving, version: str, probe: Probe, *, compared: bool = True) -> Deployed:
    """The version in full service, or an error with the traffic where it was and nothing left over.

    Args:
        clients: Google's.
        serving: What the config asks for.
        version: Resource name with version.
        probe: What it is asked.
        compared: Whether it has to be as good as the version that serves now: by the shadow, and in stages.

    Raises:
        ModelError: Online and offline scores differ.
        ServiceError: Vertex AI refuses or fails, gives other machines than were asked for, the endpoint may not grow to
            what its load needs, or the version is worse than the one before in a stage of the traffic.
    """
    endpoints, wanted = clients.endpoints(), scaling(serving)
    problem = version.rpartition("/")[2].partition("@")[0]
    endpoint = _endpoint(clients, serving, problem)
    new = _Candidate(clients, serving, endpoint, version, probe, problem)
    before = unshared(clients, endpoint, problem)
    running, stages = on.deployed(endpoints, endpoint, version), list[Stage]()
    if running is None or not _same_machines(on.scaling_of(running), wanted):
        running, rate = _beside_the_traffic(new, is_shadow=compared and bool(before))
        stages = _moved(new, running.id, before if compared else "")
    else:
        # It serves already, and its load may be another than before: the staging endpoint is measured, not this one.
        rate = _try(new, beside=False) if _is_unknown(serving) else None
        if on.scaling_of(running) != wanted:
            on.rescale(endpoints, endpoint, running.id, wanted)
    difference = _ask(clients, endpoint, probe)
    try:
        promote(clients.models(), version)
    finally:  # the version before has no traffic any more, whatever its aliases are
        on.retire(endpoints, endpoint)
    return Deployed(endpoint.name, running.id, difference, rate, stages)


def _endpoint(clients: Clients, serving: Serving, problem: str) -> vertex.Endpoint:
    kind = on.Kind(
        dedicated=serving.endpoint_type == "dedicated",
        timeout_s=serving.request_timeout_s,
        logging=serving.request_logging,
    )
    return on.ensure(clients.endpoints(), clients.place, serving.endpoint, problem=problem, kind=kind)


def unshared(clients: Clients, endpoint: vertex.Endpoint, name: str) -> str:
    """The id of the one deployed model that has the traffic, empty where none has; all others are undeployed.

    An interrupted run may have left the traffic shared: then it is the champion's, and else that of the largest share.
    What it left without traffic would be paid for.

    Args:
        clients: Google's.
        endpoint: Whose traffic.
        name: The model's id in the registry.
    """
    endpoints = clients.endpoints()
    now = endpoints.get_endpoint(name=endpoint.name)
    shares = {deployed_id: share for deployed_id, share in now.traffic_split.items() if share}
    holder = max(shares, key=lambda deployed_id: shares[deployed_id], default="")
    if len(shares) > 1:
        best = champion(clients.models(), clients.place, name)
        running = on.deployed(endpoints, endpoint, best) if best else None
        holder = running.id if running is not None and running.id in shares else holder
        on.move_traffic(endpoints, endpoint, holder)
    on.retire(endpoints, endpoint)
    return holder


def _moved(new: _Candidate, deployed_id: str, before: str) -> list[Stage]:
    """What was seen while the traffic moved to a deployed model that has none yet."""
    endpoints = new.clients.endpoints()
    if not before:
        on.move_traffic(endpoints, new.endpoint, deployed_id)
        return []
    try:
        return canary.move(new.clients, canary.Move(new.endpoint, before, deployed_id, new.probe, new.serving.canary))
    except BaseException:  # also an interrupt
        on.retire(endpoints, new.endpoint)
        raise


def _beside_the_traffic(new: _Candidate, *, is_shadow: bool) -> tuple[vertex.DeployedModel, MeasuredRate | None]:
    """The version deployed without traffic, after it has answered the probe on the staging endpoint; its rate there."""
    endpoints = new.clients.endpoints()
    try:
        rate = _try(new, beside=True, is_shadow=is_shadow)
        model = _found(endpoints, new.endpoint, new.version)
        check_scaling(scaling(new.serving), on.scaling_of(model))
    except BaseException:  # also an interrupt: nothing half done is left running
        on.retire(endpoints, new.endpoint)
        raise
    return model, rate


def _try(new: _Candidate, *, beside: bool, is_shadow: bool = False) -> MeasuredRate | None:
    """What one replica holds on the staging endpoint, once it has answered the probe; None where that is not asked.

    Args:
        new: What is tried.
        beside: Whether it is deployed to its endpoint at the same time, without traffic.
        is_shadow: Whether it is asked what its endpoint has logged.
    """
    clients, serving = new.clients, new.serving
    endpoints, wanted = clients.endpoints(), scaling(serving)
    staging = on.ensure(endpoints, clients.place, f"{serving.endpoint}{STAGING}", problem=new.problem)
    one = dataclasses.replace(wanted, minimum=1, maximum=1)
    begun: list[on.Deployment] = []
    try:
        if beside:
            begun.append(on.start(endpoints, new.endpoint, new.version, wanted))
        begun.append(on.start(endpoints, staging, new.version, one))
        for deployment in begun:
            on.settle(endpoints, deployment, timeout_s=serving.timeout_s)
        on.move_traffic(endpoints, staging, _found(endpoints, staging, new.version).id)
        _ask(clients, staging, new.probe)
        if is_shadow and serving.canary.shadow:
            from plumbline.adapters.shadow import shadow  # noqa: PLC0415 - takes seconds, and few ask for it

            shadow(clients, serving, new.endpoint, staging.name)
        return _measured(clients, serving, staging.name, new.probe)
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


def _ask(clients: Clients, endpoint: vertex.Endpoint, probe: Probe) -> float:
    answers = on.predict(clients.predictions(endpoint.dedicated_endpoint_dns), endpoint.name, probe.instances)
    scores = [float(cast("float", answer.get("score", "nan"))) for answer in answers]
    return check_smoke(scores, probe.scores, tolerance=probe.tolerance)


def _found(endpoints: vertex.EndpointServiceClient, endpoint: vertex.Endpoint, version: str) -> vertex.DeployedModel:
    # The newest: an older deployment of the same version may still be there with other machines.
    now = endpoints.get_endpoint(name=endpoint.name)
    same = [model for model in now.deployed_models if on.version_of(model) == version]
    if not same:
        raise ServiceError(f"{endpoint.display_name} does not list {version} after its deployment")
    return max(same, key=lambda model: model.create_time)


def _same_machines(one: Scaling, other: Scaling) -> bool:
    kinds = [(s.machine_type, s.accelerator_type, s.accelerator_count) for s in (one, other)]
    return kinds[0] == kinds[1]
