"""The rules of model monitoring (v1).

Source: model_deployment_monitoring_job.proto, model_monitoring.proto; Vertex AI, "Set up skew and drift monitoring".
"""

from emulator.aiplatform import wire
from emulator.aiplatform.errors import invalid, precondition
from emulator.aiplatform.methods import Message

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
    "labels",
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
    if not job.display_name:
        raise invalid("display_name is required")
    if not endpoint.deployed_models:
        raise precondition(f"{endpoint.name} has no deployed model")
    configs = job.model_deployment_monitoring_objective_configs
    if not configs:
        raise invalid("model_deployment_monitoring_objective_configs is empty")
    deployed = {model.id for model in endpoint.deployed_models}
    for config in configs:
        if config.deployed_model_id not in deployed:
            raise invalid(f"the objective is for {config.deployed_model_id}, which {endpoint.name} does not serve")
        _check_objective(config.objective_config)
    rate = job.logging_sampling_strategy.random_sample_config.sample_rate
    if not 0 < rate <= 1:
        raise invalid(f"logging_sampling_strategy: sample_rate must be in (0, 1], got {rate:g}")
    if job.model_deployment_monitoring_schedule_config.monitor_interval.seconds < _HOUR_S:
        raise invalid("model_deployment_monitoring_schedule_config.monitor_interval must be at least one hour")


def _check_objective(objective: Message) -> None:
    wire.only(objective, _OBJECTIVE_FIELDS, "objective_config")
    dataset = objective.training_dataset
    wire.only(dataset, ("bigquery_source", "gcs_source", "data_format", "target_field"), "training_dataset")
    if objective.HasField("training_prediction_skew_detection_config"):
        if not (dataset.HasField("bigquery_source") or dataset.HasField("gcs_source")):
            raise invalid("skew detection needs a training_dataset")
        if not dataset.target_field:
            raise invalid("skew detection needs training_dataset.target_field")
    uri = dataset.bigquery_source.input_uri
    if dataset.HasField("bigquery_source") and not uri.startswith("bq://"):
        raise invalid(f"bigquery_source.input_uri must be bq://project.dataset.table, got {uri!r}")
