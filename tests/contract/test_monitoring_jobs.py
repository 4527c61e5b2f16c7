"""Monitoring jobs: one an endpoint, with objectives for what it serves. Nothing is computed here."""

from typing import Any

import pytest
from google.cloud import aiplatform_v1 as v1
from google.protobuf import duration_pb2, field_mask_pb2

from tests.contract import vertex as vx
from tests.contract.conftest import Emulator
from tests.contract.vertex import (
    CONFLICT,
    INVALID,
    MISSING,
    PARENT,
    UNIMPLEMENTED,
    Vertex,
    deploy,
    done,
    endpoint,
    refused,
    upload,
)

CONFIG: Any = v1.ModelMonitoringObjectiveConfig
SKEW, DRIFT = CONFIG.TrainingPredictionSkewDetectionConfig, CONFIG.PredictionDriftDetectionConfig
DATASET = CONFIG.TrainingDataset(bigquery_source={"input_uri": "bq://p.d.t"}, target_field="late")
STATE = v1.JobState


@pytest.fixture(scope="module")
def vertex(emulator: Emulator) -> Vertex:
    """Clients of the shared emulator."""
    return vx.connect(emulator)


@pytest.fixture(scope="module")
def model(vertex: Vertex) -> str:
    """A model that can be deployed."""
    return upload(vertex)


def objective(
    deployed: str, *, dataset: object = DATASET, skew: float = 0.3, drift: float = 0.3
) -> v1.ModelDeploymentMonitoringObjectiveConfig:
    """Skew and drift of one feature for a deployed model."""
    config = CONFIG(
        training_dataset=dataset,
        training_prediction_skew_detection_config=SKEW(skew_thresholds={"distance": v1.ThresholdConfig(value=skew)}),
        prediction_drift_detection_config=DRIFT(drift_thresholds={"distance": v1.ThresholdConfig(value=drift)}),
    )
    return v1.ModelDeploymentMonitoringObjectiveConfig(deployed_model_id=deployed, objective_config=config)


def job(
    of: str, *objectives: v1.ModelDeploymentMonitoringObjectiveConfig, **fields: object
) -> v1.ModelDeploymentMonitoringJob:
    """A job that Vertex AI takes; fields replace those it has."""
    usual = {
        "display_name": "watch",
        "endpoint": of,
        "model_deployment_monitoring_objective_configs": objectives,
        "model_deployment_monitoring_schedule_config": {"monitor_interval": duration_pb2.Duration(seconds=3600)},
        "logging_sampling_strategy": {"random_sample_config": {"sample_rate": 0.8}},
        "model_monitoring_alert_config": {"email_alert_config": {"user_emails": ["a@b.c"]}, "enable_logging": True},
        "analysis_instance_schema_uri": "gs://b/schema.yaml",
    }
    return v1.ModelDeploymentMonitoringJob(**{**usual, **fields})


def create(vertex: Vertex, wanted: v1.ModelDeploymentMonitoringJob) -> v1.ModelDeploymentMonitoringJob:
    """Makes a job."""
    return vertex.jobs.create_model_deployment_monitoring_job(parent=PARENT, model_deployment_monitoring_job=wanted)


def test_an_endpoint_has_one_job(vertex: Vertex, model: str) -> None:
    """It is named on the endpoint; a second one is refused until the first is deleted."""
    to = endpoint(vertex)
    deployed = deploy(vertex, to, model).id
    made = create(vertex, job(to, objective(deployed)))
    assert made.state == STATE.JOB_STATE_RUNNING
    assert vertex.endpoints.get_endpoint(name=to).model_deployment_monitoring_job == made.name
    refused(CONFLICT, made.name, lambda: create(vertex, job(to, objective(deployed))))
    done(vertex.jobs.delete_model_deployment_monitoring_job(name=made.name))
    assert not vertex.endpoints.get_endpoint(name=to).model_deployment_monitoring_job
    refused(MISSING, made.name, lambda: vertex.jobs.get_model_deployment_monitoring_job(name=made.name))
    create(vertex, job(to, objective(deployed)))


def test_a_job_without_a_schema_waits(vertex: Vertex, model: str) -> None:
    """Pending: Vertex AI infers a schema from the first 1,000 predictions. Also after a pause."""
    to = endpoint(vertex)
    made = create(vertex, job(to, objective(deploy(vertex, to, model).id), analysis_instance_schema_uri=""))
    assert made.state == STATE.JOB_STATE_PENDING
    vertex.jobs.pause_model_deployment_monitoring_job(name=made.name)
    vertex.jobs.resume_model_deployment_monitoring_job(name=made.name)
    assert vertex.jobs.get_model_deployment_monitoring_job(name=made.name).state == STATE.JOB_STATE_PENDING


def test_a_job_pauses_and_goes_on(vertex: Vertex, model: str) -> None:
    """Only what is paused goes on."""
    to = endpoint(vertex)
    name = create(vertex, job(to, objective(deploy(vertex, to, model).id))).name
    resume = vertex.jobs.resume_model_deployment_monitoring_job
    refused(CONFLICT, "is not paused", lambda: resume(name=name))
    vertex.jobs.pause_model_deployment_monitoring_job(name=name)
    assert vertex.jobs.get_model_deployment_monitoring_job(name=name).state == STATE.JOB_STATE_PAUSED
    resume(name=name)
    assert vertex.jobs.get_model_deployment_monitoring_job(name=name).state == STATE.JOB_STATE_RUNNING


@pytest.mark.parametrize(("seconds", "hours"), [(1, 1), (3600, 1), (3601, 2), (86_400, 24)])
def test_an_interval_is_rounded_up_to_hours(vertex: Vertex, model: str, seconds: int, hours: int) -> None:
    """As Vertex AI does."""
    to = endpoint(vertex)
    schedule = {"monitor_interval": duration_pb2.Duration(seconds=seconds)}
    wanted = job(to, objective(deploy(vertex, to, model).id), model_deployment_monitoring_schedule_config=schedule)
    made = create(vertex, wanted).model_deployment_monitoring_schedule_config
    assert made.monitor_interval.total_seconds() == hours * 3600


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"display_name": ""}, "display_name"),
        ({"logging_sampling_strategy": {}}, "sample_rate must be in (0, 1], got 0"),
        ({"logging_sampling_strategy": {"random_sample_config": {"sample_rate": 1.5}}}, "(0, 1], got 1.5"),
        ({"model_deployment_monitoring_schedule_config": {}}, "monitor_interval is required"),
        ({"model_deployment_monitoring_objective_configs": []}, "objective_configs is empty"),
        ({"analysis_instance_schema_uri": "schema.yaml"}, "must be a gs:// URI"),
    ],
)
def test_a_wrong_job_is_refused(vertex: Vertex, model: str, fields: dict[str, object], text: str) -> None:
    """And leaves the endpoint without one."""
    to = endpoint(vertex)
    wanted = job(to, objective(deploy(vertex, to, model).id), **fields)
    refused(INVALID, text, lambda: create(vertex, wanted))
    assert not vertex.endpoints.get_endpoint(name=to).model_deployment_monitoring_job


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"dataset": CONFIG.TrainingDataset(target_field="late")}, "needs a training_dataset"),
        (
            {"dataset": CONFIG.TrainingDataset(bigquery_source={"input_uri": "bq://p.d.t"})},
            "needs training_dataset.target_field",
        ),
        (
            {"dataset": CONFIG.TrainingDataset(bigquery_source={"input_uri": "p.d.t"}, target_field="x")},
            "must be bq://",
        ),
        ({"skew": -0.1}, "skew_thresholds['distance'] must be in [0, 1], got -0.1"),
        ({"drift": 1.1}, "drift_thresholds['distance'] must be in [0, 1], got 1.1"),
    ],
)
def test_a_wrong_objective_is_refused(vertex: Vertex, model: str, changes: dict[str, object], text: str) -> None:
    """Skew needs training data with the column of the labels; distances lie between 0 and 1."""
    to = endpoint(vertex)
    wanted = job(to, objective(deploy(vertex, to, model).id, **changes))  # type: ignore[arg-type] # by the parameters
    refused(INVALID, text, lambda: create(vertex, wanted))


def test_objectives_are_for_deployed_models(vertex: Vertex, model: str) -> None:
    """One for each at most; a model's id is not the deployed model's; an endpoint with nothing on it has none."""
    to = endpoint(vertex)
    refused(INVALID, "objective_configs is empty", lambda: create(vertex, job(to)))
    refused(CONFLICT, "has no deployed model", lambda: create(vertex, job(to, objective("1"))))
    deployed = deploy(vertex, to, model).id
    model_id = model.rpartition("/")[2]
    refused(INVALID, f"'{model_id}'", lambda: create(vertex, job(to, objective(model_id))))
    twice = job(to, objective(deployed), objective(deployed))
    refused(INVALID, f"'{deployed}'", lambda: create(vertex, twice))
    missing = f"{to}9"
    refused(MISSING, missing, lambda: create(vertex, job(missing, objective(deployed))))


def test_an_explanation_objective_is_not_implemented(vertex: Vertex, model: str) -> None:
    """501 with its name."""
    to = endpoint(vertex)
    wanted = objective(deploy(vertex, to, model).id)
    wanted.objective_config.explanation_config = CONFIG.ExplanationConfig(enable_feature_attributes=True)
    refused(UNIMPLEMENTED, "objective_config.explanation_config", lambda: create(vertex, job(to, wanted)))


def test_an_update_follows_its_mask(vertex: Vertex, model: str) -> None:
    """A new deployment gets its objective by an update; what the result of one would be is checked like a new job."""
    to = endpoint(vertex)
    one = deploy(vertex, to, model).id
    name = create(vertex, job(to, objective(one))).name
    two = deploy(vertex, to, model, {}).id

    def update(*paths: str, **fields: object) -> v1.ModelDeploymentMonitoringJob:
        changed = job(to, objective(one), objective(two), name=name, **fields)
        mask = field_mask_pb2.FieldMask(paths=paths)
        return done(
            vertex.jobs.update_model_deployment_monitoring_job(
                model_deployment_monitoring_job=changed, update_mask=mask
            )
        )

    objectives = "model_deployment_monitoring_objective_configs"
    changed = update(objectives, display_name="not in the mask")
    assert [each.deployed_model_id for each in changed.model_deployment_monitoring_objective_configs] == [one, two]
    assert changed.display_name == "watch"
    refused(INVALID, "sample_rate", lambda: update("logging_sampling_strategy", logging_sampling_strategy={}))
    refused(INVALID, "update_mask", lambda: update("endpoint"))
    refused(INVALID, "update_mask", update)
    kept = vertex.jobs.get_model_deployment_monitoring_job(name=name)
    assert kept.logging_sampling_strategy.random_sample_config.sample_rate == pytest.approx(0.8)


def test_jobs_are_listed_by_endpoint(vertex: Vertex, model: str) -> None:
    """With a filter on the endpoint's name."""
    to = endpoint(vertex)
    made = create(vertex, job(to, objective(deploy(vertex, to, model).id)))
    request = v1.ListModelDeploymentMonitoringJobsRequest(parent=PARENT, filter=f'endpoint="{to}"')
    assert [found.name for found in vertex.jobs.list_model_deployment_monitoring_jobs(request)] == [made.name]
