"""The rules of endpoints: what may be deployed, and where traffic goes.

Source: endpoint_service.proto, machine_resources.proto; Vertex AI, "Deploy a model to an endpoint".
"""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from emulator.aiplatform import wire
from emulator.aiplatform.errors import invalid, precondition, unimplemented
from emulator.aiplatform.machines import check_machine
from emulator.aiplatform.methods import Message
from emulator.aiplatform.names import check_named

FIELDS = (
    "name",
    "display_name",
    "description",
    "labels",
    "predict_request_response_logging_config",
    "encryption_spec",
    "dedicated_endpoint_enabled",
    "client_connection_config",
)
DEPLOYED_FIELDS = ("id", "model", "display_name", "dedicated_resources", "service_account", "enable_access_logging")
METRICS = frozenset(
    f"aiplatform.googleapis.com/prediction/online/{name}"
    for name in ("cpu/utilization", "accelerator/duty_cycle", "request_count")
)
THIS_MODEL = "0"
"""Key of a traffic split that stands for the model being deployed."""
_ID = re.compile(r"^(?:[1-9][0-9]{0,8}|[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?)$")
_DEPLOYED_ID = re.compile(r"^[0-9]{1,10}$")
_ALL = 100
_DEFAULT_MACHINE = "n1-standard-2"
SCALING = ("min_replica_count", "max_replica_count", "autoscaling_metric_specs")
"""What of a deployed model's resources can be changed later."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of a request. Source: Vertex AI, "Choose an endpoint type"."""

    largest_request: int
    """Bytes."""
    timeout_s: float


_SHARED = Limits(largest_request=1_500_000, timeout_s=60.0)
_DEDICATED = Limits(largest_request=10_000_000, timeout_s=600.0)
_LONGEST_TIMEOUT_S = 3600


def limits(endpoint: Message) -> Limits:
    """What an endpoint of this type takes."""
    if not endpoint.dedicated_endpoint_enabled:
        return _SHARED
    asked = endpoint.client_connection_config.inference_timeout.ToTimedelta().total_seconds()
    return Limits(_DEDICATED.largest_request, asked or _DEDICATED.timeout_s)


def name_dedicated(endpoint: Message, location: str) -> None:
    """Writes the domain name of a dedicated endpoint, as Vertex AI makes it; here it leads nowhere."""
    if endpoint.dedicated_endpoint_enabled:
        endpoint_id = endpoint.name.rpartition("/")[2]
        number = zlib.crc32(endpoint.name.encode())
        endpoint.dedicated_endpoint_dns = f"{endpoint_id}.{location}-{number}.prediction.vertexai.goog"


def check_id(endpoint_id: str) -> None:
    """Nothing, when an endpoint id is one.

    Raises:
        ApiError: It is not.
    """
    if not _ID.match(endpoint_id):
        raise invalid(f"endpoint_id {endpoint_id!r} must match {_ID.pattern}")


def check_endpoint(endpoint: Message) -> None:
    """Nothing, when Vertex AI would make such an endpoint.

    Raises:
        ApiError: It would not.
    """
    wire.only(endpoint, FIELDS, "endpoint")
    check_named(endpoint, "endpoint")
    logging = endpoint.predict_request_response_logging_config
    if logging.enabled and not 0 < logging.sampling_rate <= 1:
        rate = f"{logging.sampling_rate:g}"
        raise invalid(f"predict_request_response_logging_config.sampling_rate must be in (0, 1], got {rate}")
    timeout = endpoint.client_connection_config.inference_timeout.ToTimedelta().total_seconds()
    if timeout and not endpoint.dedicated_endpoint_enabled:
        raise invalid("client_connection_config.inference_timeout belongs to a dedicated endpoint")
    if not 0 <= timeout <= _LONGEST_TIMEOUT_S:
        raise invalid(f"inference_timeout must be at most {_LONGEST_TIMEOUT_S} s, got {timeout:g} s")


def check_deployment(deployed: Message) -> None:
    """Nothing, when Vertex AI would deploy a model like this.

    Raises:
        ApiError: It would not.
    """
    wire.only(deployed, DEPLOYED_FIELDS, "deployed_model")
    if not deployed.model:
        raise invalid("deployed_model.model is required")
    if deployed.id and not _DEPLOYED_ID.match(deployed.id):
        raise invalid(f"deployed_model.id {deployed.id!r} must match {_DEPLOYED_ID.pattern}")
    resources = deployed.dedicated_resources
    wire.only(resources, ("machine_spec", *SCALING), "dedicated_resources")
    check_machine(resources.machine_spec, "dedicated_resources.machine_spec")
    check_scaling(resources)


def with_defaults(deployed: Message) -> Message:
    """The deployed model with the machine and the maximum of replicas that Vertex AI gives where none is asked for."""
    filled = type(deployed)()
    filled.CopyFrom(deployed)
    resources = filled.dedicated_resources
    resources.machine_spec.machine_type = resources.machine_spec.machine_type or _DEFAULT_MACHINE
    resources.max_replica_count = resources.max_replica_count or resources.min_replica_count
    return filled


def check_servable(model: Message) -> None:
    """Nothing, when a version can be served by a process of this machine.

    Raises:
        ApiError: It cannot: images are not there, so their own entry points are not known.
    """
    if not model.container_spec.command:
        raise unimplemented(f"an image's own entry point: give container_spec.command when uploading {model.name}")


def check_new(deployed: Message, split: Mapping[str, int], endpoint: Message) -> None:
    """Nothing, when the endpoint can take a deployed model and the split that comes with it.

    Raises:
        ApiError: Its id is taken, or the split does not fit.
    """
    if deployed.id in {model.id for model in endpoint.deployed_models}:
        raise invalid(f"deployed_model.id {deployed.id} is taken on {endpoint.name}")
    check_split(split, endpoint, THIS_MODEL)


def deployed_on(endpoint: Message, deployed_id: str) -> Message:
    """The deployed model of an id, as a part of its endpoint.

    Raises:
        ApiError: It is not there.
    """
    for deployed in endpoint.deployed_models:
        if deployed.id == deployed_id:
            return deployed
    raise invalid(f"{deployed_id} is not deployed on {endpoint.name}")


def rescaled(deployed: Message, asked: Message, mask: Message) -> Message:
    """A deployed model with the fields of another that an update mask names.

    Raises:
        ApiError: The mask is empty or names what cannot be changed, or what it names is wrong.
    """
    known = [f"dedicated_resources.{name}" for name in SCALING]
    if not mask.paths or (set(mask.paths) - set(known)):
        raise invalid(f"update_mask names {list(mask.paths)}; it can name {known}")
    changed = type(deployed)()
    changed.CopyFrom(deployed)
    for path in mask.paths:
        changed.dedicated_resources.ClearField(path.rpartition(".")[2])
    mask.MergeMessage(asked, changed)
    check_scaling(changed.dedicated_resources)
    return with_defaults(changed)


def check_scaling(resources: Message) -> None:
    """Nothing, when replica counts and targets are ones.

    Raises:
        ApiError: They are not.
    """
    if resources.min_replica_count < 1:
        raise invalid("dedicated_resources.min_replica_count must be at least 1")
    if resources.max_replica_count and resources.max_replica_count < resources.min_replica_count:
        raise invalid("dedicated_resources.max_replica_count must not be below min_replica_count")
    for spec in resources.autoscaling_metric_specs:
        if spec.metric_name not in METRICS:
            raise invalid(f"unknown autoscaling metric {spec.metric_name!r}; known are {sorted(METRICS)}")
        if spec.metric_name.endswith(("utilization", "duty_cycle")) and not 1 <= spec.target <= _ALL:
            raise invalid(f"the target of {spec.metric_name} must be 1 to 100, got {spec.target}")


def check_split(split: Mapping[str, int], endpoint: Message, *extra: str) -> None:
    """Nothing, when a traffic split names deployed models of the endpoint, in shares of 0 to 100 that add up to 100.

    It may be empty too.

    Raises:
        ApiError: Not so.
    """
    known = {model.id for model in endpoint.deployed_models} | set(extra)
    if unknown := sorted(set(split) - known):
        raise invalid(f"traffic_split names {unknown}, which are not deployed on {endpoint.name}")
    if wrong := {key: share for key, share in split.items() if not 0 <= share <= _ALL}:
        raise invalid(f"traffic_split: shares must be 0 to 100, got {wrong}")
    if split and sum(split.values()) != _ALL:
        raise invalid(f"traffic_split must add up to 100, got {sum(split.values())}")


def with_split(endpoint: Message, split: Mapping[str, int], deployed_id: str) -> None:
    """Writes the split of a deployment: an empty one leaves the traffic where it is."""
    if split:
        endpoint.traffic_split.clear()
        renamed = {deployed_id if key == THIS_MODEL else key: share for key, share in split.items()}
        endpoint.traffic_split.update({key: share for key, share in renamed.items() if share})


def without(endpoint: Message, deployed_id: str, split: Mapping[str, int]) -> None:
    """Takes a deployed model off an endpoint.

    Raises:
        ApiError: It is not there, or has traffic that the new split does not give to others.
    """
    remaining = [model for model in endpoint.deployed_models if model.id != deployed_id]
    if len(remaining) == len(endpoint.deployed_models):
        raise invalid(f"{deployed_id} is not deployed on {endpoint.name}")
    if split:
        check_split(split, endpoint)
        endpoint.traffic_split.clear()
        endpoint.traffic_split.update(dict(split))
    # The last model takes its traffic with it.
    if remaining and endpoint.traffic_split.get(deployed_id):
        raise precondition(f"{deployed_id} still has traffic; give a traffic_split that moves it")
    endpoint.traffic_split.pop(deployed_id, None)
    del endpoint.deployed_models[:]
    endpoint.deployed_models.extend(remaining)
