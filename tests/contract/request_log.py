"""A log of requests and answers as Vertex AI writes it: one row a request, one element an instance or a prediction."""

import datetime as dt
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.cloud import bigquery

SCHEMA = (
    bigquery.SchemaField("endpoint", "STRING"),
    bigquery.SchemaField("deployed_model_id", "STRING"),
    bigquery.SchemaField("logging_time", "TIMESTAMP"),
    bigquery.SchemaField("request_id", "NUMERIC"),
    bigquery.SchemaField("request_payload", "STRING", "REPEATED"),
    bigquery.SchemaField("response_payload", "STRING", "REPEATED"),
)
"""Source: Vertex AI, "Online prediction logging", request-response logs."""
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Logged:
    """Instances that were asked at a time, several in a request."""

    at: dt.datetime
    instances: Sequence[Mapping[str, Any]]
    answers: Sequence[Mapping[str, Any]] = ()
    model: str = "77"
    in_one: int = 7
    """Instances in a request."""


def write(client: bigquery.Client, table: str, logged: Sequence[Logged]) -> None:
    """Appends requests to a log, which is made where there is none."""
    client.create_table(bigquery.Table(table, schema=SCHEMA), exists_ok=True)
    rows = [
        {
            "endpoint": "1",
            "deployed_model_id": each.model,
            "logging_time": each.at.isoformat(),
            "request_id": str(1000 + place + start),
            "request_payload": [_text(one) for one in each.instances[start : start + each.in_one]],
            "response_payload": [_text(one) for one in each.answers[start : start + each.in_one]],
        }
        for place, each in enumerate(logged)
        for start in range(0, len(each.instances), each.in_one)
    ]
    for start in range(0, len(rows), _AT_ONCE):
        assert not client.insert_rows_json(table, rows[start : start + _AT_ONCE])


def _text(value: Mapping[str, Any]) -> str:
    """JSON, with NaN and infinities as text, since JSON has none."""
    return json.dumps({name: _plain(each) for name, each in value.items()}, allow_nan=False)


def _plain(value: object) -> object:
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
