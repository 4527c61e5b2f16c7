"""What a monitoring job finds in one window of time.

Source: model_deployment_monitoring_job.proto; Vertex AI, "Introduction to Model Monitoring".
"""

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import yaml

from emulator.aiplatform.context import Context
from emulator.aiplatform.errors import not_found, precondition, unimplemented
from emulator.aiplatform.methods import Message
from emulator.aiplatform.monitoring_jobs import distance
from emulator.aiplatform.monitoring_jobs.tables import Tables, Values, columns, log_table, sampled

SKEW, DRIFT = "RAW_FEATURE_SKEW", "RAW_FEATURE_DRIFT"
OBJECTIVES = (SKEW, DRIFT)
PENDING_PREDICTIONS = 1000
"""Predictions that a job without a schema waits for."""
_NUMBERS = frozenset(("number", "integer"))


@dataclass(frozen=True, slots=True)
class Span:
    """The time that is looked at."""

    start: dt.datetime
    end: dt.datetime
    has_before: bool
    """Whether the window before was watched, too."""

    @property
    def before(self) -> tuple[dt.datetime, dt.datetime]:
        """The window before, as long as this one."""
        return self.start - (self.end - self.start), self.start


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


@dataclass(frozen=True, slots=True)
class Schema:
    """Of an instance."""

    order: tuple[str, ...] = ()
    """Of the values of an array."""
    types: Mapping[str, str] | None = None
    """OpenAPI type by feature; None: as the values are."""


def to_json(span: Span, findings: Sequence[Finding]) -> str:
    """A window's findings as the store keeps them."""
    times = {"start": span.start.isoformat(), "end": span.end.isoformat()}
    return json.dumps({**times, "findings": [asdict(each) for each in findings]})


def schema_of(context: Context, uri: str) -> Schema:
    """The analysis schema of an instance.

    Raises:
        ApiError: There is none at the URI.
    """
    if not uri:
        return Schema()
    try:
        content = yaml.safe_load(context.object_path(uri).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise not_found(uri) from error
    types = {name: str(entry.get("type", "string")) for name, entry in content.get("properties", {}).items()}
    return Schema(tuple(content.get("required", types)), types)


def log_of(endpoint: Message) -> str:
    """project.dataset.table of an endpoint's log.

    Raises:
        ApiError: It has none.
    """
    config = endpoint.predict_request_response_logging_config
    if not config.enabled:
        raise precondition(f"{endpoint.name} logs no requests: there is nothing to monitor")
    return log_table(config.bigquery_destination.output_uri)


def analyse(job: Message, table: str, span: Span, schema: Schema, tables: Tables) -> Sequence[Finding]:
    """The findings of each deployed model that the job has an objective for.

    Args:
        job: The monitoring job.
        table: The log.
        span: The window.
        schema: Of an instance.
        tables: BigQuery.

    Raises:
        ApiError: A baseline cannot be read.
    """
    findings: list[Finding] = []
    rate = job.logging_sampling_strategy.random_sample_config.sample_rate

    def asked(model: str, start: dt.datetime, end: dt.datetime) -> Values:
        return columns(sampled(tables.requests(table, model, start, end), rate, job.name), schema.order)

    for config in job.model_deployment_monitoring_objective_configs:
        model, objective = config.deployed_model_id, config.objective_config
        skew = _thresholds(objective.training_prediction_skew_detection_config.skew_thresholds)
        drift = _thresholds(objective.prediction_drift_detection_config.drift_thresholds)
        now = asked(model, span.start, span.end)
        if skew:
            before = _trained(objective.training_dataset, tables, list(skew))
            findings += _compared(SKEW, model, (before, now), skew, schema)
        if drift:
            before = asked(model, *span.before) if span.has_before else {}
            findings += _compared(DRIFT, model, (before, now), drift, schema)
    return findings


def _trained(dataset: Message, tables: Tables, features: Sequence[str]) -> Values:
    uri = dataset.bigquery_source.input_uri
    if not uri:
        raise unimplemented("a training_dataset in Cloud Storage")
    return tables.training(uri.removeprefix("bq://"), features)


def _thresholds(given: Mapping[str, Message]) -> Mapping[str, float]:
    return {name: threshold.value for name, threshold in sorted(given.items())}


def _compared(
    objective: str, model: str, sides: tuple[Values, Values], thresholds: Mapping[str, float], schema: Schema
) -> Iterator[Finding]:
    for feature, threshold in thresholds.items():
        before, now = (side.get(feature, ()) for side in sides)
        number = _is_number(feature, [*before, *now], schema)
        read = _number if number else _text
        counts = [Counter(each for each in map(read, side) if each is not None) for side in (before, now)]
        if all(counts):
            measure = distance.jensen_shannon if number else distance.l_infinity
            yield Finding(model, objective, feature, threshold, measure(*counts))  # type: ignore[arg-type] # by `number`
            continue
        totals = [sum(each.values()) for each in counts]
        yield Finding(model, objective, feature, threshold, None, f"{totals[0]} values before, {totals[1]} now")


def _is_number(feature: str, values: Sequence[object], schema: Schema) -> bool:
    if schema.types is not None:
        return schema.types.get(feature, "string") in _NUMBERS
    return bool(values) and all(isinstance(each, int | float) and not isinstance(each, bool) for each in values)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return _NAN if number != number else number  # noqa: PLR0124 - every NaN is the same key


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


_NAN = float("nan")
