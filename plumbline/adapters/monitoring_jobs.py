"""Vertex AI Model Monitoring (v1, generally available): the one job that an endpoint can have."""

from dataclasses import dataclass

from google.cloud import aiplatform_v1 as vertex
from google.protobuf import duration_pb2, field_mask_pb2

from plumbline.adapters.endpoints import find
from plumbline.adapters.operations import finished, service_errors
from plumbline.adapters.registry import encryption, parent
from plumbline.adapters.retries import once, patience_of
from plumbline.environment import Place
from plumbline.errors import ServiceError
from plumbline.monitoring import Watch

_HOUR_S = 3600
_BIGQUERY = "bq://"
_CHANGEABLE = (
    "model_deployment_monitoring_objective_configs",
    "model_deployment_monitoring_schedule_config",
    "model_monitoring_alert_config",
    "logging_sampling_strategy",
)


def watch(
    jobs: vertex.JobServiceClient,
    endpoints: vertex.EndpointServiceClient,
    place: Place,
    endpoint_name: str,
    what: Watch,
) -> str:
    """The resource name of the endpoint's monitoring job, made or brought up to date for each deployed model.

    Raises:
        ServiceError: Vertex AI refuses the job.
    """
    with service_errors(f"monitoring of {endpoint_name}"):
        endpoint = endpoints.get_endpoint(name=endpoint_name)
        job = _job(place, endpoint, what)
        if not endpoint.model_deployment_monitoring_job:
            return once(
                jobs,
                lambda: endpoints.get_endpoint(name=endpoint_name).model_deployment_monitoring_job or None,
                lambda: (
                    jobs.create_model_deployment_monitoring_job(
                        parent=parent(place), model_deployment_monitoring_job=job, retry=None
                    ).name
                ),
            )
        job.name = endpoint.model_deployment_monitoring_job
        mask = field_mask_pb2.FieldMask(paths=_CHANGEABLE)
        pending = jobs.update_model_deployment_monitoring_job(model_deployment_monitoring_job=job, update_mask=mask)
        finished(jobs, pending, timeout_s=patience_of(jobs).quick_s)
        if jobs.get_model_deployment_monitoring_job(name=job.name).state == vertex.JobState.JOB_STATE_PAUSED:
            jobs.resume_model_deployment_monitoring_job(name=job.name)
        return job.name


def follow(jobs: vertex.JobServiceClient, endpoints: vertex.EndpointServiceClient, endpoint_name: str) -> None:
    """The endpoint's monitoring job, if it has one, watches the models that are deployed now, by the baseline it has.

    Raises:
        ServiceError: Vertex AI refuses it.
    """
    with service_errors(f"monitoring of {endpoint_name}"):
        endpoint = endpoints.get_endpoint(name=endpoint_name)
        if not endpoint.model_deployment_monitoring_job:
            return
        job = jobs.get_model_deployment_monitoring_job(name=endpoint.model_deployment_monitoring_job)
        objective = job.model_deployment_monitoring_objective_configs[0].objective_config
        changed = vertex.ModelDeploymentMonitoringJob(
            name=job.name,
            model_deployment_monitoring_objective_configs=[
                vertex.ModelDeploymentMonitoringObjectiveConfig(deployed_model_id=model.id, objective_config=objective)
                for model in endpoint.deployed_models
            ],
        )
        mask = field_mask_pb2.FieldMask(paths=["model_deployment_monitoring_objective_configs"])
        pending = jobs.update_model_deployment_monitoring_job(model_deployment_monitoring_job=changed, update_mask=mask)
        finished(jobs, pending, timeout_s=patience_of(jobs).quick_s)


@dataclass(frozen=True, slots=True)
class Watched:
    """What there is to compare on an endpoint that is monitored."""

    log_table: str
    """project.dataset.table of its requests and answers."""
    training_table: str
    """project.dataset.table that its monitoring job compares with."""
    deployed_models: tuple[str, ...]
    """Their ids, those that the job watches."""


def watched(jobs: vertex.JobServiceClient, endpoints: vertex.EndpointServiceClient, endpoint_name: str) -> Watched:
    """What the monitoring of an endpoint compares.

    Raises:
        ServiceError: There is no such endpoint, it logs no requests, or it is not monitored.
    """
    with service_errors(f"monitoring of {endpoint_name}"):
        endpoint = find(endpoints, endpoint_name)
        if endpoint is None or not endpoint.model_deployment_monitoring_job:
            raise ServiceError(f"{endpoint_name} is not there or not monitored: a run makes and watches it")
        job = jobs.get_model_deployment_monitoring_job(name=endpoint.model_deployment_monitoring_job)
    logging = endpoint.predict_request_response_logging_config
    if not logging.enabled:
        raise ServiceError(
            f"{endpoint_name} logs no requests, and takes no logging any more once it is monitored: "
            "`make doctor` says how it is made anew"
        )
    configs = job.model_deployment_monitoring_objective_configs
    # A run gives all models of the endpoint the same objective.
    training = configs[-1].objective_config.training_dataset.bigquery_source.input_uri
    return Watched(
        log_table=logging.bigquery_destination.output_uri.removeprefix(_BIGQUERY),
        training_table=training.removeprefix(_BIGQUERY),
        deployed_models=tuple(config.deployed_model_id for config in configs),
    )


def pause(jobs: vertex.JobServiceClient, name: str) -> bool:
    """Whether a monitoring job went on; now it does not."""
    with service_errors(f"pausing {name}"):
        if jobs.get_model_deployment_monitoring_job(name=name).state == vertex.JobState.JOB_STATE_PAUSED:
            return False
        jobs.pause_model_deployment_monitoring_job(name=name)
    return True


def _job(place: Place, endpoint: vertex.Endpoint, what: Watch) -> vertex.ModelDeploymentMonitoringJob:
    objective = _objective(what)
    configs = [
        vertex.ModelDeploymentMonitoringObjectiveConfig(deployed_model_id=model.id, objective_config=objective)
        for model in endpoint.deployed_models
    ]
    return vertex.ModelDeploymentMonitoringJob(
        display_name=endpoint.display_name,
        endpoint=endpoint.name,
        model_deployment_monitoring_objective_configs=configs,
        model_deployment_monitoring_schedule_config=vertex.ModelDeploymentMonitoringScheduleConfig(
            monitor_interval=duration_pb2.Duration(seconds=what.interval_hours * _HOUR_S)
        ),
        logging_sampling_strategy=vertex.SamplingStrategy(
            random_sample_config=vertex.SamplingStrategy.RandomSampleConfig(sample_rate=what.sampling_rate)
        ),
        model_monitoring_alert_config=vertex.ModelMonitoringAlertConfig(
            email_alert_config=vertex.ModelMonitoringAlertConfig.EmailAlertConfig(user_emails=list(what.emails)),
            enable_logging=True,
        ),
        analysis_instance_schema_uri=what.schema_uri,
        labels=dict(place.labels),
        encryption_spec=encryption(place),
    )


def _objective(what: Watch) -> vertex.ModelMonitoringObjectiveConfig:
    config = vertex.ModelMonitoringObjectiveConfig
    dataset = config.TrainingDataset(
        bigquery_source=vertex.BigQuerySource(input_uri=f"bq://{what.training_table}"), target_field=what.label
    )
    return config(
        training_dataset=dataset,
        training_prediction_skew_detection_config=config.TrainingPredictionSkewDetectionConfig(
            skew_thresholds={name: vertex.ThresholdConfig(value=value) for name, value in what.skew.items()}
        ),
        prediction_drift_detection_config=config.PredictionDriftDetectionConfig(
            drift_thresholds={name: vertex.ThresholdConfig(value=value) for name, value in what.drift.items()}
        ),
    )
