"""Google's own clients of Vertex AI on the emulator, and what tests upload with them."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests
from google.api_core import exceptions, operation
from google.api_core.client_options import ClientOptions
from google.api_core.future import polling
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform_v1 as v1

from tests.contract.conftest import LOCATION, PROJECT, Emulator

PARENT = f"projects/{PROJECT}/locations/{LOCATION}"
IMAGE = "us-central1-docker.pkg.dev/plumbline-test/serving/serving:1"
SERVING = ("python", "-S", str(Path(__file__).with_name("serving_container.py")))
"""Command of a container that serves."""
INVALID, CONFLICT, MISSING = "INVALID_ARGUMENT", "FAILED_PRECONDITION", "NOT_FOUND"
UNIMPLEMENTED, EXISTS = "UNIMPLEMENTED", "ALREADY_EXISTS"
_POLLING = polling.DEFAULT_POLLING.with_delay(initial=0.02, multiplier=1.2, maximum=0.2)
Client = TypeVar("Client")


@dataclass(frozen=True, slots=True)
class Vertex:
    """Clients of one emulator."""

    url: str
    state: Path
    models: v1.ModelServiceClient
    endpoints: v1.EndpointServiceClient
    predictions: v1.PredictionServiceClient
    jobs: v1.JobServiceClient


def connect(emulator: Emulator) -> Vertex:
    """The clients of a running emulator."""
    return clients(emulator.endpoints.aiplatform, emulator.state)


def clients(url: str, state: Path) -> Vertex:
    """The clients of Vertex AI at an address, with its state folder."""

    def client(kind: Callable[..., Client]) -> Client:
        options = ClientOptions(api_endpoint=url)
        return kind(credentials=AnonymousCredentials(), client_options=options, transport="rest")

    return Vertex(
        url,
        state,
        client(v1.ModelServiceClient),
        client(v1.EndpointServiceClient),
        client(v1.PredictionServiceClient),
        client(v1.JobServiceClient),
    )


def fresh(prefix: str) -> str:
    """A name that no other test has."""
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def done(pending: operation.Operation) -> Any:
    """What an operation ends in; raises what it fails with."""
    return pending.result(timeout=60.0, polling=_POLLING)


def artifact(vertex: Vertex, name: str) -> str:
    """The URI of a folder that holds a model."""
    folder = vertex.state / "gcs" / "models" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "saved_model.pb").write_bytes(b"model")
    return f"gs://models/{name}"


def model(vertex: Vertex, **fields: object) -> v1.Model:
    """A model that can be uploaded and served; fields replace those it has."""
    spec = v1.ModelContainerSpec(image_uri=IMAGE, command=SERVING, predict_route="/predict", health_route="/health")
    usual = {"display_name": "trips", "artifact_uri": artifact(vertex, "usual"), "container_spec": spec}
    return v1.Model(**{**usual, **fields})


def upload(vertex: Vertex, **fields: object) -> str:
    """Uploads a new model; gives its name."""
    request = v1.UploadModelRequest(parent=PARENT, model=model(vertex, **fields), model_id=fresh("model"))
    return str(done(vertex.models.upload_model(request)).model)


def endpoint(vertex: Vertex, **fields: object) -> str:
    """Makes a new endpoint; gives its name."""
    wanted = v1.Endpoint(**{"display_name": "trips", **fields})
    return str(done(vertex.endpoints.create_endpoint(parent=PARENT, endpoint=wanted)).name)


def named_endpoint(vertex: Vertex) -> str:
    """Makes an endpoint whose id no other emulator on this machine has, since its containers are found by it."""
    wanted, chosen = v1.Endpoint(display_name="trips"), fresh("trips")
    return str(done(vertex.endpoints.create_endpoint(parent=PARENT, endpoint=wanted, endpoint_id=chosen)).name)


def deployed_model(name: str, **resources: object) -> v1.DeployedModel:
    """A model as it can be deployed; resources replace those it has."""
    machine = v1.MachineSpec(machine_type="n1-standard-2")
    usual = {"machine_spec": machine, "min_replica_count": 1}
    return v1.DeployedModel(model=name, dedicated_resources=v1.DedicatedResources(**{**usual, **resources}))


def deploy(
    vertex: Vertex, to: str, name: str, split: Mapping[str, int] | None = None, **resources: object
) -> v1.DeployedModel:
    """Deploys a model, with all traffic unless the split says otherwise."""
    pending = vertex.endpoints.deploy_model(
        endpoint=to,
        deployed_model=deployed_model(name, **resources),
        traffic_split={"0": 100} if split is None else dict(split),
    )
    return done(pending).deployed_model


def refused(status: str, text: str, call: Callable[[], object]) -> None:
    """Checks that a call, or an operation that it waits for, fails with a status and a message that holds a text."""
    with pytest.raises(exceptions.GoogleAPICallError) as caught:
        call()
    assert (_status(caught.value), text in caught.value.message) == (status, True), caught.value


def _status(error: exceptions.GoogleAPICallError) -> str:
    # By REST both INVALID_ARGUMENT and FAILED_PRECONDITION are a BadRequest to Google's client.
    if isinstance(error.response, requests.Response):
        return str(error.response.json()["error"]["status"])
    return str(error.grpc_status_code.name)


def pids(vertex: Vertex, of: str, calls: int = 8) -> Sequence[int]:
    """The processes that answer predictions, each once, in the order of their numbers."""
    answers = [vertex.predictions.predict(endpoint=of, instances=[{"x": 1}]) for _ in range(calls)]
    return sorted({int(v1.PredictResponse.pb(a).predictions[0].struct_value["pid"]) for a in answers})


def available(vertex: Vertex, of: str) -> int:
    """The replicas that take traffic, of all models on an endpoint."""
    deployed = vertex.endpoints.get_endpoint(name=of).deployed_models
    return sum(model.status.available_replica_count for model in deployed)


def containers_of(name: str) -> Sequence[str]:
    """The processes that serve an endpoint, or are about to."""
    marker = f"AIP_ENDPOINT_ID={name.rpartition('/')[2]}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        # It may have ended since, or be somebody else's.
        with suppress(OSError):
            if marker in (process / "environ").read_bytes().split(b"\0"):
                found.append(process.name)
    return found
