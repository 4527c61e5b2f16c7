"""The high-level SDK on the emulator: `Model`, `Endpoint`, `CustomJob` and `ModelDeploymentMonitoringJob`."""

import time
from types import ModuleType
from typing import Any

import pytest
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials

from tests.contract import vertex as vx
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.vertex import Vertex

_SOON_S = 30.0


@pytest.fixture(scope="module")
def vertex(emulator: Emulator) -> Vertex:
    """Clients of the shared emulator."""
    return vx.connect(emulator)


@pytest.fixture(scope="module")
def sdk(vertex: Vertex) -> ModuleType:
    """The SDK, pointed at the emulator as its users do it."""
    from google.cloud import aiplatform  # noqa: PLC0415 - takes seconds, which other tests need not wait for

    aiplatform.init(
        project=PROJECT,
        location=LOCATION,
        staging_bucket="gs://staging",
        api_endpoint=vertex.url,
        api_transport="rest",
        credentials=AnonymousCredentials(),
    )
    return aiplatform


def test_a_model_goes_from_the_registry_to_predictions_and_monitoring(sdk: ModuleType, vertex: Vertex) -> None:
    """Upload, versions, deployment with autoscaling, predictions, a monitoring job, and all of it taken down again."""
    settings = {
        "display_name": vx.fresh("sdk"),
        "artifact_uri": vx.artifact(vertex, "sdk"),
        "serving_container_image_uri": vx.IMAGE,
        "serving_container_command": list(vx.SERVING),
        "serving_container_predict_route": "/predict",
        "serving_container_health_route": "/health",
        "serving_container_ports": [8080],
    }
    first = sdk.Model.upload(**settings, labels={"team": "x"})
    model = sdk.Model.upload(**settings, parent_model=first.resource_name, version_aliases=["champion"])
    assert (model.version_id, sorted(model.version_aliases)) == ("2", ["champion", "default"])
    shown = settings["display_name"]
    assert [found.resource_name for found in sdk.Model.list(filter=f'display_name="{shown}"')] == [first.resource_name]

    endpoint = sdk.Endpoint.create(display_name=shown, labels={"team": "x"})
    endpoint.deploy(
        model,
        machine_type="n1-standard-4",
        min_replica_count=1,
        max_replica_count=3,
        accelerator_type="NVIDIA_TESLA_T4",
        accelerator_count=1,
        autoscaling_target_cpu_utilization=60,
        autoscaling_target_accelerator_duty_cycle=70,
    )
    deployed = endpoint.list_models()[0]
    resources = deployed.dedicated_resources
    metrics = {spec.metric_name.rpartition("online/")[2]: spec.target for spec in resources.autoscaling_metric_specs}
    assert (resources.min_replica_count, resources.max_replica_count) == (1, 3)
    assert metrics == {"cpu/utilization": 60, "accelerator/duty_cycle": 70}
    assert endpoint.traffic_split == {deployed.id: 100}
    answer = endpoint.predict(instances=[{"x": 1}], parameters={"p": 2})
    assert answer.predictions[0]["env"]["AIP_ACCELERATOR_TYPE"] == "NVIDIA_TESLA_T4"
    assert (answer.deployed_model_id, answer.model_version_id) == (deployed.id, "2")
    with pytest.raises(exceptions.GoogleAPICallError, match="is deployed"):
        model.delete()

    job = _monitoring(sdk, endpoint)
    assert job.state.name == "JOB_STATE_PENDING"
    job.delete()
    endpoint.undeploy_all()
    endpoint.delete()
    model.delete()


def _monitoring(sdk: ModuleType, endpoint: Any) -> Any:
    from google.cloud.aiplatform import model_monitoring as watch  # noqa: PLC0415 - as above

    skew = watch.SkewDetectionConfig(data_source="bq://p.d.t", skew_thresholds={"fare": 0.3}, target_field="y")
    drift = watch.DriftDetectionConfig(drift_thresholds={"fare": 0.2})
    return sdk.ModelDeploymentMonitoringJob.create(
        endpoint=endpoint,
        objective_configs=watch.ObjectiveConfig(skew_detection_config=skew, drift_detection_config=drift),
        logging_sampling_strategy=watch.RandomSampleConfig(sample_rate=0.8),
        schedule_config=watch.ScheduleConfig(monitor_interval=1),
        alert_config=watch.EmailAlertConfig(user_emails=["a@b.c"], enable_logging=True),
        display_name="watch",
    )


@pytest.mark.parametrize(("code", "state"), [("pass", "JOB_STATE_SUCCEEDED"), ("1 / 0", "JOB_STATE_FAILED")])
def test_a_custom_job_runs_to_its_end(sdk: ModuleType, code: str, state: str) -> None:
    """What `submit` starts is seen to end; the error says why."""
    container = {"image_uri": vx.IMAGE, "command": ["python", "-S", "-c", code]}
    pool = {"machine_spec": {"machine_type": "n1-standard-4"}, "replica_count": 1, "container_spec": container}
    job = sdk.CustomJob(display_name="train", worker_pool_specs=[pool])
    job.submit(timeout=60)
    deadline = time.monotonic() + _SOON_S
    while not job.state.name.endswith(("SUCCEEDED", "FAILED")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert job.state.name == state
    assert ("ZeroDivisionError" in job.error.message) == (state == "JOB_STATE_FAILED")
