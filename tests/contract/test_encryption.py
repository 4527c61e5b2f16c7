"""Customer-managed keys: kept on every resource that has one, refused where Vertex AI refuses them."""

from collections.abc import Callable

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform_v1 as v1
from google.protobuf import struct_pb2

from tests.contract import vertex as vx
from tests.contract.conftest import Emulator
from tests.contract.vertex import INVALID, PARENT, Vertex, refused

KEY = "projects/keys/locations/us-central1/keyRings/ring/cryptoKeys/key"
OTHER = KEY.replace("cryptoKeys/key", "cryptoKeys/other")
Make = Callable[[Vertex, v1.EncryptionSpec], object]


@pytest.fixture(scope="module")
def vertex(emulator: Emulator) -> Vertex:
    """Clients of the shared emulator."""
    return vx.connect(emulator)


def spec(key: str = KEY) -> v1.EncryptionSpec:
    """A spec of a key."""
    return v1.EncryptionSpec(kms_key_name=key)


def model(vertex: Vertex, key: v1.EncryptionSpec) -> v1.EncryptionSpec:
    """The key that a model shows."""
    return vertex.models.get_model(name=vx.upload(vertex, encryption_spec=key)).encryption_spec


def endpoint(vertex: Vertex, key: v1.EncryptionSpec) -> v1.EncryptionSpec:
    """The key that an endpoint shows."""
    return vertex.endpoints.get_endpoint(name=vx.endpoint(vertex, encryption_spec=key)).encryption_spec


def custom_job(vertex: Vertex, key: v1.EncryptionSpec) -> v1.EncryptionSpec:
    """The key that a custom job shows."""
    container = v1.ContainerSpec(image_uri=vx.IMAGE, command=["true"])
    machine = v1.MachineSpec(machine_type="n1-standard-4")
    pool = v1.WorkerPoolSpec(machine_spec=machine, replica_count=1, container_spec=container)
    job = v1.CustomJob(display_name="x", job_spec={"worker_pool_specs": [pool]}, encryption_spec=key)
    made = vertex.jobs.create_custom_job(parent=PARENT, custom_job=job)
    return vertex.jobs.get_custom_job(name=made.name).encryption_spec


def pipeline_job(vertex: Vertex, key: v1.EncryptionSpec) -> v1.EncryptionSpec:
    """The key that a pipeline job shows."""
    client = v1.PipelineServiceClient(
        credentials=AnonymousCredentials(), client_options={"api_endpoint": vertex.url}, transport="rest"
    )
    pipeline = struct_pb2.Struct()
    pipeline.update({"root": {"dag": {"tasks": {"t": {"componentRef": {"name": "none"}}}}}, "components": {}})
    job = v1.PipelineJob(
        display_name="x",
        pipeline_spec=pipeline,
        runtime_config={"gcs_output_directory": "gs://b/r"},
        encryption_spec=key,
    )
    made = client.create_pipeline_job(parent=PARENT, pipeline_job=job)
    return client.get_pipeline_job(name=made.name).encryption_spec


def monitoring_job(vertex: Vertex, key: v1.EncryptionSpec) -> v1.EncryptionSpec:
    """The key that a monitoring job shows."""
    to = vx.endpoint(vertex)
    deployed = vx.deploy(vertex, to, vx.upload(vertex))
    job = v1.ModelDeploymentMonitoringJob(
        display_name="x",
        endpoint=to,
        model_deployment_monitoring_objective_configs=[{"deployed_model_id": deployed.id}],
        model_deployment_monitoring_schedule_config={"monitor_interval": {"seconds": 3600}},
        logging_sampling_strategy={"random_sample_config": {"sample_rate": 1.0}},
        encryption_spec=key,
    )
    made = vertex.jobs.create_model_deployment_monitoring_job(parent=PARENT, model_deployment_monitoring_job=job)
    return vertex.jobs.get_model_deployment_monitoring_job(name=made.name).encryption_spec


RESOURCES = [model, endpoint, custom_job, pipeline_job, monitoring_job]


@pytest.mark.parametrize("make", RESOURCES)
def test_a_resource_keeps_its_key(vertex: Vertex, make: Make) -> None:
    """It shows the key that it was made with."""
    assert make(vertex, spec()) == spec()


@pytest.mark.parametrize("make", RESOURCES)
@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("", "kms_key_name '' must match"),
        ("key", "kms_key_name 'key' must match"),
        (f"{KEY}/cryptoKeyVersions/1", "must match"),
        (KEY.replace("us-central1", "us"), "is of us, the resource of us-central1"),
        (KEY.replace("us-central1", "global"), "is of global, the resource of us-central1"),
    ],
)
def test_a_wrong_key_is_refused(vertex: Vertex, make: Make, key: str, text: str) -> None:
    """Its form, and a key that is not of the resource's own region."""
    refused(INVALID, text, lambda: make(vertex, spec(key)))


@pytest.mark.parametrize(("of_model", "of_endpoint"), [(KEY, OTHER), (KEY, None), (None, KEY)])
def test_a_model_is_deployed_on_an_endpoint_of_its_key(
    vertex: Vertex, of_model: str | None, of_endpoint: str | None
) -> None:
    """Not on one of another key, nor where only one of the two has a key."""
    name = vx.upload(vertex, **({"encryption_spec": spec(of_model)} if of_model else {}))
    to = vx.endpoint(vertex, **({"encryption_spec": spec(of_endpoint)} if of_endpoint else {}))
    refused(INVALID, "an endpoint of the same key", lambda: vx.deploy(vertex, to, name))
    assert not vertex.endpoints.get_endpoint(name=to).deployed_models


def test_a_model_and_an_endpoint_of_one_key_go_together(vertex: Vertex) -> None:
    """It serves."""
    name, to = vx.upload(vertex, encryption_spec=spec()), vx.endpoint(vertex, encryption_spec=spec())
    vx.deploy(vertex, to, name)
    assert len(vx.pids(vertex, to, 1)) == 1
