"""Vertex AI endpoints: one a problem, found by its id or made; models on it, their machines, their traffic."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from google.api_core import exceptions, operation, retry
from google.cloud import aiplatform_v1 as vertex
from google.protobuf import duration_pb2, field_mask_pb2, json_format, struct_pb2

from plumbline.adapters.operations import ended, finished, service_errors
from plumbline.adapters.registry import encryption, parent
from plumbline.adapters.retries import RETRIABLE, once, patience_of
from plumbline.deployment import Scaling, log_table
from plumbline.environment import Place
from plumbline.errors import ServiceError
from plumbline.labels import label

Endpoints: TypeAlias = vertex.EndpointServiceClient
_UNAVAILABLE = retry.Retry(
    predicate=retry.if_exception_type(*RETRIABLE),
    initial=0.1,
    multiplier=1.5,
    maximum=5.0,
    timeout=60.0,
)
"""A replica that is just starting, or just going, answers 503; it takes seconds, so it is asked again sooner."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What an endpoint is from the day it is made."""

    dedicated: bool = False
    """Whether it has a domain name of its own."""
    timeout_s: int = 60
    """Of a prediction; a shared one has these 60 s."""
    logging: float = 0.0
    """Share of predictions that it logs: one that is monitored takes no logging any more."""


def ensure(
    endpoints: Endpoints, place: Place, endpoint_id: str, *, problem: str, kind: Kind | None = None
) -> vertex.Endpoint:
    """The endpoint of this id, made when there is none.

    Args:
        endpoints: The service.
        place: Where.
        endpoint_id: Last part of its name.
        problem: Its label says so.
        kind: What it is; whatever is there will do where None, and a shared one is made.

    Raises:
        ServiceError: There is one, of another type.
    """
    name = f"{parent(place)}/endpoints/{endpoint_id}"
    labels = {**place.labels, "problem": label(problem)}
    wanted = vertex.Endpoint(display_name=endpoint_id, labels=labels, encryption_spec=encryption(place))
    made = kind or Kind()
    if made.dedicated:
        timeout = duration_pb2.Duration(seconds=made.timeout_s)
        wanted.dedicated_endpoint_enabled = True
        wanted.client_connection_config = vertex.ClientConnectionConfig(inference_timeout=timeout)
    if made.logging:
        table = f"bq://{log_table(place, endpoint_id)}"
        wanted.predict_request_response_logging_config = vertex.PredictRequestResponseLoggingConfig(
            enabled=True, sampling_rate=made.logging, bigquery_destination=vertex.BigQueryDestination(output_uri=table)
        )

    def make() -> vertex.Endpoint:
        pending = endpoints.create_endpoint(parent=parent(place), endpoint=wanted, endpoint_id=endpoint_id, retry=None)
        return finished(endpoints, pending, timeout_s=patience_of(endpoints).quick_s)

    with service_errors(f"endpoint {endpoint_id}"):
        found = once(endpoints, lambda: find(endpoints, name), make)
    if kind is not None and found.dedicated_endpoint_enabled != kind.dedicated:
        names = {True: "dedicated", False: "shared"}
        raise ServiceError(
            f"the endpoint {endpoint_id} is {names[found.dedicated_endpoint_enabled]}, and an endpoint cannot change: "
            f"write serving.endpoint_type: {names[found.dedicated_endpoint_enabled]}, or another serving.endpoint"
        )
    return found


def find(endpoints: Endpoints, name: str) -> vertex.Endpoint | None:
    """The endpoint of a resource name, None where there is none."""
    try:
        return endpoints.get_endpoint(name=name)
    except exceptions.NotFound:
        return None


@dataclass(frozen=True, slots=True)
class Deployment:
    """A version on its way to an endpoint."""

    endpoint: str
    deployed_id: str
    pending: operation.Operation | None
    """None where Google's answer was lost: the request was carried out, but its operation has no name for us."""


def start(endpoints: Endpoints, endpoint: vertex.Endpoint, version: str, wanted: Scaling) -> Deployment:
    """The deployment of a version, begun; it gets no traffic."""
    resources = vertex.DedicatedResources(
        machine_spec=vertex.MachineSpec(
            machine_type=wanted.machine_type,
            accelerator_type=wanted.accelerator_type or None,
            accelerator_count=wanted.accelerator_count,
        ),
        min_replica_count=wanted.minimum,
        max_replica_count=wanted.maximum,
        autoscaling_metric_specs=_specs(wanted),
    )
    # An id of our own: a request that is made again because its answer was lost cannot deploy the version twice.
    model = vertex.DeployedModel(
        id=str(10**9 + secrets.randbelow(9 * 10**9)),
        model=version,
        display_name=endpoint.display_name,
        dedicated_resources=resources,
    )
    with service_errors(f"deploying {version} to {endpoint.display_name}"):
        tries = 0

        def find() -> Deployment | None:
            nonlocal tries
            tries += 1
            there = tries > 1 and any(
                m.id == model.id for m in endpoints.get_endpoint(name=endpoint.name).deployed_models
            )
            return Deployment(endpoint.name, model.id, None) if there else None

        def make() -> Deployment:
            try:
                pending = endpoints.deploy_model(endpoint=endpoint.name, deployed_model=model, retry=None)
            except (exceptions.Conflict, exceptions.BadRequest):
                if tries == 1:
                    raise
                # The id is taken, by our own request before.
                return Deployment(endpoint.name, model.id, None)
            return Deployment(endpoint.name, model.id, pending)

        return once(endpoints, find, make)


def settle(
    endpoints: Endpoints,
    deployment: Deployment,
    *,
    timeout_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Returns once a version is deployed.

    Raises:
        ServiceError: It could not be, or not in time.
    """
    if deployment.pending is not None:
        finished(endpoints, deployment.pending, timeout_s=timeout_s)
        return
    deadline, pauses = clock() + timeout_s, patience_of(endpoints).pauses()
    while all(m.id != deployment.deployed_id for m in endpoints.get_endpoint(name=deployment.endpoint).deployed_models):
        if clock() > deadline:
            raise ServiceError(f"{deployment.deployed_id} is not on {deployment.endpoint} after {timeout_s:g} s")
        sleep(next(pauses))


def abandon(endpoints: Endpoints, deployment: Deployment) -> None:
    """Returns once a deployment goes on no longer: it has ended, or was cancelled."""
    if deployment.pending is not None:
        ended(endpoints, deployment.pending)


def rescale(endpoints: Endpoints, endpoint: vertex.Endpoint, deployed_id: str, wanted: Scaling) -> None:
    """Give a deployed model other replica counts or targets; its machines stay of the same kind."""
    resources = vertex.DedicatedResources(
        min_replica_count=wanted.minimum,
        max_replica_count=wanted.maximum,
        autoscaling_metric_specs=_specs(wanted),
    )
    model = vertex.DeployedModel(id=deployed_id, dedicated_resources=resources)
    mask = field_mask_pb2.FieldMask(
        paths=[
            "dedicated_resources.min_replica_count",
            "dedicated_resources.max_replica_count",
            "dedicated_resources.autoscaling_metric_specs",
        ]
    )
    with service_errors(f"rescaling {endpoint.display_name}"):
        pending = endpoints.mutate_deployed_model(endpoint=endpoint.name, deployed_model=model, update_mask=mask)
        finished(endpoints, pending, timeout_s=patience_of(endpoints).quick_s)


def scaling_of(model: vertex.DeployedModel) -> Scaling:
    """The machines that a deployed model has."""
    resources = model.dedicated_resources
    machine = resources.machine_spec
    return Scaling(
        machine_type=machine.machine_type,
        accelerator_type=machine.accelerator_type.name if machine.accelerator_type else "",
        accelerator_count=machine.accelerator_count,
        minimum=resources.min_replica_count,
        maximum=resources.max_replica_count,
        targets={spec.metric_name: spec.target for spec in resources.autoscaling_metric_specs},
    )


def deployed(endpoints: Endpoints, endpoint: vertex.Endpoint, version: str) -> vertex.DeployedModel | None:
    """The deployed model of a version, None where the endpoint has none."""
    now = endpoints.get_endpoint(name=endpoint.name)
    return next((model for model in now.deployed_models if version_of(model) == version), None)


def version_of(model: vertex.DeployedModel) -> str:
    """The resource name with version of what a deployed model was made from."""
    return f"{model.model.partition('@')[0]}@{model.model_version_id}"


def available_replicas(endpoints: Endpoints, name: str) -> int:
    """The replicas of an endpoint that take traffic, of all its models; 0 where the service does not say.

    Raises:
        ServiceError: The service cannot be asked.
    """
    with service_errors(f"replicas of {name}"):
        models = endpoints.get_endpoint(name=name).deployed_models
    return sum(model.status.available_replica_count for model in models)


def move_traffic(endpoints: Endpoints, endpoint: vertex.Endpoint, deployed_id: str) -> None:
    """All traffic to one deployed model."""
    share_traffic(endpoints, endpoint, {deployed_id: 100})


def share_traffic(endpoints: Endpoints, endpoint: vertex.Endpoint, split: Mapping[str, int]) -> None:
    """The traffic as the split says: per cent by deployed model, 100 together."""
    shares = {deployed_id: share for deployed_id, share in split.items() if share}
    changed = vertex.Endpoint(name=endpoint.name, traffic_split=shares)
    with service_errors(f"moving the traffic of {endpoint.display_name}"):
        endpoints.update_endpoint(endpoint=changed, update_mask=field_mask_pb2.FieldMask(paths=["traffic_split"]))


def retire(endpoints: Endpoints, endpoint: vertex.Endpoint) -> None:
    """Undeploy every model of an endpoint that has no traffic."""
    now = endpoints.get_endpoint(name=endpoint.name)
    for model in now.deployed_models:
        if not now.traffic_split.get(model.id):
            _undeploy(endpoints, endpoint, model.id)


def empty(endpoints: Endpoints, endpoint: vertex.Endpoint) -> int:
    """Undeploy everything from an endpoint; how many models that were. The endpoint keeps its id."""
    now = endpoints.get_endpoint(name=endpoint.name)
    models = sorted((model.id for model in now.deployed_models), key=lambda found: now.traffic_split.get(found, 0))
    if sum(share > 0 for share in now.traffic_split.values()) > 1:
        # Only the last model of an endpoint can be undeployed while it has traffic.
        move_traffic(endpoints, endpoint, models[-1])
    for deployed_id in models:
        _undeploy(endpoints, endpoint, deployed_id)
    return len(models)


def remove(endpoints: Endpoints, endpoint: vertex.Endpoint) -> None:
    """Undeploy everything from an endpoint and delete it."""
    empty(endpoints, endpoint)

    def gone() -> bool | None:
        return True if find(endpoints, endpoint.name) is None else None

    def delete() -> bool:
        finished(
            endpoints,
            endpoints.delete_endpoint(name=endpoint.name, retry=None),
            timeout_s=patience_of(endpoints).quick_s,
        )
        return True

    with service_errors(f"removing {endpoint.display_name}"):
        once(endpoints, gone, delete)


def _undeploy(endpoints: Endpoints, endpoint: vertex.Endpoint, deployed_id: str) -> None:
    request = vertex.UndeployModelRequest(endpoint=endpoint.name, deployed_model_id=deployed_id)

    def gone() -> bool | None:
        there = endpoints.get_endpoint(name=endpoint.name).deployed_models
        return None if any(model.id == deployed_id for model in there) else True

    def undeploy() -> bool:
        finished(endpoints, endpoints.undeploy_model(request, retry=None), timeout_s=patience_of(endpoints).quick_s)
        return True

    with service_errors(f"undeploying {deployed_id} from {endpoint.display_name}"):
        once(endpoints, gone, undeploy)


def predict(
    predictions: vertex.PredictionServiceClient, endpoint: str, instances: Sequence[Mapping[str, object]]
) -> tuple[Mapping[str, object], ...]:
    """One prediction an instance, as the container gave them.

    Raises:
        ServiceError: The endpoint refuses the request or gives no mappings.
    """
    values = [json_format.ParseDict(dict(instance), struct_pb2.Value()) for instance in instances]
    with service_errors(f"predicting on {endpoint}"):
        response = predictions.predict(endpoint=endpoint, instances=values, retry=_UNAVAILABLE)
    given = [json_format.MessageToDict(value) for value in vertex.PredictResponse.pb(response).predictions]
    if not all(isinstance(prediction, dict) for prediction in given):
        raise ServiceError(f"wanted predictions with a score from {endpoint}, got {given[:1]}")
    return tuple(given)


def ask(
    predictions: vertex.PredictionServiceClient, endpoint: str, instance: Mapping[str, object], *, timeout_s: float
) -> tuple[str, Mapping[str, object]]:
    """The id of the deployed model that has answered, and its prediction; asked once, whatever comes of it.

    Raises:
        ServiceError: It was refused, or the answer is no mapping.
    """
    value = json_format.ParseDict(dict(instance), struct_pb2.Value())
    with service_errors(f"predicting on {endpoint}"):
        response = predictions.predict(endpoint=endpoint, instances=[value], retry=None, timeout=timeout_s)
    given = [json_format.MessageToDict(value) for value in vertex.PredictResponse.pb(response).predictions]
    if len(given) != 1 or not isinstance(given[0], dict):
        raise ServiceError(f"wanted one prediction with a score from {endpoint}, got {given[:2]}")
    return response.deployed_model_id, given[0]


def _specs(wanted: Scaling) -> Sequence[vertex.AutoscalingMetricSpec]:
    return [vertex.AutoscalingMetricSpec(metric_name=name, target=target) for name, target in wanted.targets.items()]
