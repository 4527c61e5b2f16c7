"""What model monitoring is told: thresholds by feature, and the shape of an instance."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from plumbline.dataset import read_summary
from plumbline.features import Features
from plumbline.problem import ColumnType, Data, Monitoring

_TYPES: Mapping[ColumnType, str] = {
    "numeric": "number",
    "boolean": "boolean",
    "categorical": "string",
    "timestamp": "string",
}


@dataclass(frozen=True, slots=True)
class Watch:
    """What to watch on an endpoint."""

    training_table: str
    """project.dataset.table with the rows that the model was trained on."""
    label: str
    schema_uri: str
    """gs:// URI of the analysis instance schema."""
    skew: Mapping[str, float]
    """Between training and serving, by raw column."""
    drift: Mapping[str, float]
    """Between serving now and serving before, by raw column."""
    sampling_rate: float
    interval_hours: int
    emails: tuple[str, ...]


def thresholds(overrides: Mapping[str, float], default: float, features: Features) -> Mapping[str, float]:
    """The threshold of every raw column that monitoring compares.

    Timestamps are left out: serving always asks about later days than training knew, which is no drift.
    """
    watched = {name: column for name, column in features.items() if column.type != "timestamp"}
    return {column.column or name: float(overrides.get(name, default)) for name, column in watched.items()}


def plan(monitoring: Monitoring, data: Data, dataset: Path, schema_uri: str) -> Watch:
    """What the config asks to be watched, with the dataset's training rows as the baseline."""
    return Watch(
        training_table=read_summary(dataset).training_table,
        label=data.label.column,
        schema_uri=schema_uri,
        skew=thresholds(monitoring.skew, monitoring.skew_threshold, data.features),
        drift=thresholds(monitoring.drift, monitoring.drift_threshold, data.features),
        sampling_rate=monitoring.sampling_rate,
        interval_hours=monitoring.interval_hours,
        emails=monitoring.emails,
    )


def instance_schema(features: Features) -> str:
    """The analysis schema of an instance, an OpenAPI object in YAML.

    Without one Vertex AI keeps the monitoring job pending until 1,000 predictions came. Source: Vertex AI, "Provide
    schemas to Model Monitoring".
    """
    properties = {
        column.column or name: {"type": _TYPES[column.type], "nullable": column.nullable}
        for name, column in features.items()
    }
    return yaml.safe_dump({"type": "object", "properties": properties, "required": list(properties)}, sort_keys=False)
