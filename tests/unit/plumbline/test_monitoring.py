"""Monitoring: thresholds by column, and the schema of an instance."""

import yaml

from plumbline.monitoring import instance_schema, thresholds
from plumbline.problem import Column

FEATURES = {
    "price": Column(type="numeric", column="amount"),
    "shop": Column(type="categorical", nullable=False),
    "gift": Column(type="boolean"),
    "hour": Column(type="timestamp", column="at", part="hour"),
}


def test_thresholds_are_floats_by_column_and_leave_time_out() -> None:
    """An override holds for its feature; time moves on by itself, which is no drift."""
    assert thresholds({"price": 1}, 0.3, FEATURES) == {"amount": 1.0, "shop": 0.3, "gift": 0.3}


def test_the_schema_names_every_column_with_its_type() -> None:
    """Vertex AI reads OpenAPI types."""
    schema = yaml.safe_load(instance_schema(FEATURES))
    types = {name: entry["type"] for name, entry in schema["properties"].items()}
    assert types == {"amount": "number", "shop": "string", "gift": "boolean", "at": "string"}
    assert schema["required"] == ["amount", "shop", "gift", "at"]
