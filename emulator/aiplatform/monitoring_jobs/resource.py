"""The rules of model monitoring (v1).

Source: model_deployment_monitoring_job.proto, model_monitoring.proto; Vertex AI, "Set up skew and drift monitoring".
"""

from collections.abc import Mapping, Sequence

from emulator.aiplatform import wire
from emulator.aiplatform.errors import invalid, precondition
from emulator.aiplatform.methods import Message
from emulator.aiplatform.names import check_named

FIELDS = (
    "name",
    "display_name",
    "endpoint",
    "model_deployment_monitoring_objective_configs",
    "model_deployment_monitoring_schedule_config",
    "logging_sampling_strategy",
    "model_monitoring_alert_config",
    "analysis_instance_schema_uri",
    "predict_instance_schema_uri",
    "sample_predict_instance",
    "labels",
    "encryption_spec",
)
CHANGEABLE = (
    "display_name",
    "labels",
    "model_deployment_monitoring_objective_configs",
    "model_deployment_monitoring_schedule_config",
    "logging_sampling_strategy",
    "model_monitoring_alert_config",
)
_OBJECTIVE_FIELDS = (
    "training_dataset",
    "training_prediction_skew_detection_config",
    "prediction_drift_detection_config",
)
_HOUR_S = 3600


def check(job: Message, endpoint: Message) -> None:
    """Nothing, when Vertex AI would take the job for the endpoint.

    Raises:
        ApiError: It would not.
    """
    wire.only(job, FIELDS, "model_deployment_monitoring_job")
    check_named(job, "model_deployment_monitoring_job")
    _check_objectives(job.model_deployment_monitoring_objective_configs, endpoint)
    rate = job.logging_sampling_strategy.random_sample_config.sample_rate
    if not 0 < rate <= 1:
        raise invalid(f"logging_sampling_strategy: sample_rate must be in (0, 1], got {rate:g}")
    if job.model_deployment_monitoring_schedule_config.monitor_interval.seconds <= 0:
        raise invalid("model_deployment_monitoring_schedule_config.monitor_interval is required, and must be positive")
    wire.only(job.model_deployment_monitoring_schedule_config, ("monitor_interval",), "schedule_config")
    schema = job.analysis_instance_schema_uri
    if schema and not schema.startswith("gs://"):
        raise invalid(f"analysis_instance_schema_uri must be a gs:// URI, got {schema!r}")


def round_interval(job: Message) -> None:
    """Rounds the interval of a job up to full hours, as Vertex AI does."""
    interval = job.model_deployment_monitoring_schedule_config.monitor_interval
    interval.seconds = -(-(interval.seconds + bool(interval.nanos)) // _HOUR_S) * _HOUR_S
    interval.nanos = 0


def _check_objectives(configs: Sequence[Message], endpoint: Message) -> None:
    if not configs:
        raise invalid("model_deployment_monitoring_objective_configs is empty")
    deployed = {model.id for model in endpoint.deployed_models}
    if not deployed:
        raise precondition(f"{endpoint.name} has no deployed model")
    for config in configs:
        if config.deployed_model_id not in deployed:
            raise invalid(f"an objective is for {config.deployed_model_id!r}, which {endpoint.name} does not serve")
        deployed.remove(config.deployed_model_id)
        _check_objective(config.objective_config)


def _check_objective(objective: Message) -> None:
    wire.only(objective, _OBJECTIVE_FIELDS, "objective_config")
    dataset = objective.training_dataset
    wire.only(dataset, ("bigquery_source", "gcs_source", "data_format", "target_field"), "training_dataset")
    if objective.HasField("training_prediction_skew_detection_config"):
        if not (dataset.HasField("bigquery_source") or dataset.HasField("gcs_source")):
            raise invalid("skew detection needs a training_dataset")
        if not dataset.target_field:
            raise invalid("skew detection needs training_dataset.target_field")
    skew = objective.training_prediction_skew_detection_config
    wire.only(skew, ("skew_thresholds",), "training_prediction_skew_detection_config")
    _check_thresholds(skew.skew_thresholds, "skew_thresholds")
    drift = objective.prediction_drift_detection_config
    wire.only(drift, ("drift_thresholds",), "prediction_drift_detection_config")
    _check_thresholds(drift.drift_thresholds, "drift_thresholds")
    uri = dataset.bigquery_source.input_uri
    if dataset.HasField("bigquery_source") and not uri.startswith("bq://"):
        raise invalid(f"bigquery_source.input_uri must be bq://project.dataset.table, got {uri!r}")


def _check_thresholds(thresholds: Mapping[str, Message], where: str) -> None:
    # Both distances lie in [0, 1]: L-infinity, and the Jensen-Shannon divergence with logarithms of base 2.
    for feature, threshold in thresholds.items():
        if not 0 <= threshold.value <= 1:
            raise invalid(f"{where}[{feature!r}] must be in [0, 1], got {threshold.value:g}")
