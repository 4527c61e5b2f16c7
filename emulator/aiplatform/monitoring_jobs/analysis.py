"""What a monitoring job finds in one window of time.

Source: model_deployment_monitoring_job.proto; Vertex AI, "Introduction to Model Monitoring".
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from emulator.aiplatform.bigquery import log_table
from emulator.aiplatform.errors import precondition, unimplemented
from emulator.aiplatform.methods import Message
from emulator.aiplatform.monitoring_jobs import distance
from emulator.aiplatform.monitoring_jobs.distance import Numbers
from emulator.aiplatform.monitoring_jobs.samples import Counted, Sample, Samples
from emulator.aiplatform.monitoring_jobs.window import Instances, Schema, Span, asked

SKEW, DRIFT = "RAW_FEATURE_SKEW", "RAW_FEATURE_DRIFT"
OBJECTIVES = (SKEW, DRIFT)
PENDING_PREDICTIONS = 1000
"""Predictions that a job without a schema waits for."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One feature of a deployed model and objective in one window."""

    model: str
    objective: str
    feature: str
    threshold: float
    deviation: float | None
    """None where it is not judged."""
    reason: str = ""
    """Why it is not."""

    @property
    def is_anomaly(self) -> bool:
        """Above its threshold; an equal one passes, and without a threshold nothing alerts."""
        return self.deviation is not None and 0 < self.threshold < self.deviation


def to_json(span: Span, findings: Sequence[Finding]) -> str:
    """A window's findings as the store keeps them."""
    times = {"start": span.start.isoformat(), "end": span.end.isoformat()}
    return json.dumps({**times, "findings": [asdict(each) for each in findings]})


def log_of(endpoint: Message) -> str:
    """project.dataset.table of an endpoint's log.

    Raises:
        ApiError: It has none.
    """
    if not endpoint.predict_request_response_logging_config.enabled:
        raise precondition(f"{endpoint.name} logs no requests: there is nothing to monitor")
    return log_table(endpoint)


def analyse(job: Message, table: str, span: Span, schema: Schema, samples: Samples) -> Sequence[Finding]:
    """The findings of each deployed model that the job has an objective for.

    Args:
        job: The monitoring job.
        table: The log.
        span: The window.
        schema: Of an instance.
        samples: BigQuery's.

    Raises:
        ApiError: A baseline cannot be read.
        OSError: BigQuery fails.
    """
    rate = job.logging_sampling_strategy.random_sample_config.sample_rate
    findings: list[Finding] = []
    for config in job.model_deployment_monitoring_objective_configs:
        model, objective = config.deployed_model_id, config.objective_config
        skew = _thresholds(objective.training_prediction_skew_detection_config.skew_thresholds)
        drift = _thresholds(objective.prediction_drift_detection_config.drift_thresholds)
        times = [span, *([span.before] if drift and span.has_before else [])]
        logged = [Instances(asked(table, model, each, rate=rate, salt=job.name), schema.order) for each in times]
        numbers = _numbers(sorted({*skew, *drift}), logged[0], schema, samples)
        now, *earlier = (samples.requests(each, numbers) for each in logged)
        if skew:
            trained = _trained(objective.training_dataset, {name: numbers[name] for name in skew}, samples)
            findings += _compared(SKEW, model, (trained, now), skew)
        if drift:
            findings += _compared(DRIFT, model, (earlier[0] if earlier else {}, now), drift)
    return findings


def _numbers(features: Sequence[str], instances: Instances, schema: Schema, samples: Samples) -> Mapping[str, bool]:
    """The features, and whether each is a number: by the schema, or as the values are."""
    if schema.numbers is None:
        return samples.inferred(instances, features)
    return {name: schema.numbers.get(name, False) for name in features}


def _trained(dataset: Message, numbers: Mapping[str, bool], samples: Samples) -> Sample:
    uri = dataset.bigquery_source.input_uri
    if not uri:
        raise unimplemented("a training_dataset in Cloud Storage")
    return samples.training(uri.removeprefix("bq://"), numbers)


def _thresholds(given: Mapping[str, Message]) -> Mapping[str, float]:
    return {name: threshold.value for name, threshold in sorted(given.items())}


def _compared(
    objective: str, model: str, sides: tuple[Sample, Sample], thresholds: Mapping[str, float]
) -> Iterator[Finding]:
    for feature, threshold in thresholds.items():
        before, now = (side.get(feature) for side in sides)
        if before is None or now is None:
            reason = f"{_total(before)} values before, {_total(now)} now"
            yield Finding(model, objective, feature, threshold, None, reason)
        else:
            yield Finding(model, objective, feature, threshold, _distance(before, now))


def _distance(before: Counted, now: Counted) -> float:
    match before, now:
        case Numbers(), Numbers():
            return distance.jensen_shannon(before, now)
        case Mapping(), Mapping():
            return distance.l_infinity(before, now)
        case _:
            raise TypeError("a number cannot be compared with a category")


def _total(values: Counted | None) -> int:
    if values is None:
        return 0
    return values.total if isinstance(values, Numbers) else sum(values.values())
