"""Vertex AI endpoints: one a problem, found by its id or made; models on it, their machines, their traffic."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from google.api_core import exceptions, retry
from google.cloud import aiplatform_v1 as vertex
from google.protobuf import field_mask_pb2, json_format, struct_pb2

from plumbline.adapters.operations import finished, service_errors
from plumbline.adapters.registry import parent
from plumbline.deployment import Scaling
from plumbline.environment import Place
from plumbline.errors import ServiceError

Endpoints: TypeAlias = vertex.EndpointServiceClient
_QUICK_S = 600.0
"""For operations that start no machine."""
_UNAVAILABLE = retry.Retry(
    predicate=retry.if_exception_type(exceptions.ServiceUnavailable),
    initial=0.1,
    multiplier=1.5,
    maximum=5.0,
    timeout=60.0,
)
"""A replica that is just starting, or just going, answers 503: the one answer that is worth asking again for."""


def ensure(endpoints: Endpoints, place: Place, endpoint_id: str) -> vertex.Endpoint:
    """The endpoint of this id, made when there is none."""
    name = f"{parent(place)}/endpoints/{endpoint_id}"
    with service_errors(f"endpoint {endpoint_id}"):
        try:
            return endpoints.get_endpoint(name=name)
        except exceptions.NotFound:
            wanted = vertex.Endpoint(display_name=endpoint_id, labels=dict(place.labels))
            pending = endpoints.create_endpoint(parent=parent(place), endpoint=wanted, endpoint_id=endpoint_id)
            return finished(pending, timeout_s=_QUICK_S)


def exists(endpoints: Endpoints, name: str) -> bool:
    """Whether there is an endpoint of this resource name."""
    try:
        endpoints.get_endpoint(name=name)
    except exceptions.NotFound:
        return False
    return True


def start(endpoints: Endpoints, endpoint: vertex.Endpoint, version: str, wanted: Scaling) -> object:
    """The running operation that deploys a version without giving it traffic."""
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
    model = vertex.DeployedModel(model=version, display_name=endpoint.display_name, dedicated_resources=resources)
    with service_errors(f"deploying {version} to {endpoint.display_name}"):
        return endpoints.deploy_model(endpoint=endpoint.name, deployed_model=model)


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
        finished(pending, timeout_s=_QUICK_S)


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
    return next((m for m in now.deployed_models if f"{m.model.split('@')[0]}@{m.model_version_id}" == version), None)


def move_traffic(endpoints: Endpoints, endpoint: vertex.Endpoint, deployed_id: str) -> None:
    """All traffic to one deployed model."""
    changed = vertex.Endpoint(name=endpoint.name, traffic_split={deployed_id: 100})
    with service_errors(f"moving the traffic of {endpoint.display_name}"):
        endpoints.update_endpoint(endpoint=changed, update_mask=field_mask_pb2.FieldMask(paths=["traffic_split"]))


def retire(endpoints: Endpoints, endpoint: vertex.Endpoint) -> None:
    """Undeploy every model of an endpoint that has no traffic."""
    now = endpoints.get_endpoint(name=endpoint.name)
    for model in now.deployed_models:
        if not now.traffic_split.get(model.id):
            with service_errors(f"undeploying {model.id} from {endpoint.display_name}"):
                pending = endpoints.undeploy_model(endpoint=endpoint.name, deployed_model_id=model.id)
                finished(pending, timeout_s=_QUICK_S)


def remove(endpoints: Endpoints, endpoint: vertex.Endpoint) -> None:
    """Undeploy everything from an endpoint and delete it."""
    now = endpoints.get_endpoint(name=endpoint.name)
    with service_errors(f"removing {endpoint.display_name}"):
        for model in now.deployed_models:
            request = vertex.UndeployModelRequest(endpoint=endpoint.name, deployed_model_id=model.id)
            finished(endpoints.undeploy_model(request), timeout_s=_QUICK_S)
        finished(endpoints.delete_endpoint(name=endpoint.name), timeout_s=_QUICK_S)


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


def _specs(wanted: Scaling) -> Sequence[vertex.AutoscalingMetricSpec]:
    return [vertex.AutoscalingMetricSpec(metric_name=name, target=target) for name, target in wanted.targets.items()]
