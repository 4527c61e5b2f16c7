"""Parcels whose label comes hours after the question: config, labels and the log, as tests write them into BigQuery."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
from google.cloud import bigquery

from plumbline.adapters import bigquery as bq
from plumbline.adapters.clients import Clients
from plumbline.adapters.observing import log_table
from plumbline.continuous import Observation
from plumbline.observation import Period
from plumbline.problem import Column, Data, Label, Split, Window

DAY = dt.datetime(2020, 3, 2, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
PERIOD = Period(start=DAY, end=DAY + 24 * HOUR)
DATA = Data(
    query="q.sql",
    tables=("parcels",),
    key=("number",),
    time="sent_at",
    label=Label(column="late", positive=True),
    split=Split(
        train=Window(start=dt.date(2020, 1, 1), end=dt.date(2020, 2, 1)),
        validation=Window(start=dt.date(2020, 2, 1), end=dt.date(2020, 2, 15)),
        test=Window(start=dt.date(2020, 2, 15), end=dt.date(2020, 3, 1)),
    ),
    features={
        "depot": Column(type="categorical"),
        "line": Column(type="categorical"),
        "weight": Column(type="numeric"),
        "hour": Column(type="timestamp", column="sent_at", part="hour"),
        "express": Column(type="boolean"),
    },
    attributes={"weekday": Column(type="timestamp", column="booked_at", part="weekday")},
)
OBSERVATION = Observation(
    query="labels.sql",
    tables=("outcomes",),
    join=("depot", "line", "sent_at"),
    known="known_at",
    delay_hours=12,
    window_hours=24,
    lead_hours=6,
)
SQL = """-- Parcels that were sent from @start to @end.
SELECT number, sent_at, booked_at, depot, line, late, known_at
FROM {outcomes}
WHERE TIMESTAMP(sent_at) >= @start AND TIMESTAMP(sent_at) < @end;
"""
OUTCOMES = (
    bigquery.SchemaField("number", "STRING"),
    bigquery.SchemaField("sent_at", "DATETIME"),
    bigquery.SchemaField("booked_at", "DATETIME"),
    bigquery.SchemaField("depot", "STRING"),
    bigquery.SchemaField("line", "INT64"),
    bigquery.SchemaField("late", "BOOL"),
    bigquery.SchemaField("known_at", "TIMESTAMP"),
)
LOG = (
    bigquery.SchemaField("endpoint", "STRING"),
    bigquery.SchemaField("deployed_model_id", "STRING"),
    bigquery.SchemaField("logging_time", "TIMESTAMP"),
    bigquery.SchemaField("request_id", "NUMERIC"),
    bigquery.SchemaField("request_payload", "STRING", mode="REPEATED"),
    bigquery.SchemaField("response_payload", "STRING", mode="REPEATED"),
)
"""Source: Vertex AI, "Online prediction logging"."""


ENDPOINT = "parcels-by-day"


@dataclass(frozen=True, slots=True)
class Asked:
    """A logged request."""

    at: dt.datetime
    instances: Sequence[object]
    scores: Sequence[object]
    deployed: str = "7"


def outcome(number: str, hours: float, *, late: bool | None = False, after: float | None = 3.0) -> dict[str, object]:
    """A parcel sent so many hours into the window, whose label was known so many hours later."""
    sent = DAY + hours * HOUR
    return {
        "number": number,
        "sent_at": sent.replace(tzinfo=None),
        "booked_at": sent.replace(tzinfo=None),
        "depot": "north",
        "line": 4,
        "late": late,
        "known_at": None if after is None else sent + after * HOUR,
    }


def instance(hours: float, *, line: object = 4.0, **more: object) -> dict[str, object]:
    """What is asked of a parcel; a number has become one with a point on its way through a Struct."""
    sent = (DAY + hours * HOUR).replace(tzinfo=None).isoformat()
    return {"depot": "north", "line": line, "sent_at": sent, "weight": 2.5, "express": True, **more}


def fill_tables(
    clients: Clients, outcomes: Sequence[dict[str, object]], log: Sequence[Asked], *, endpoint: str = ENDPOINT
) -> None:
    """The labels, and the log as Vertex AI writes it: an element an instance, and one a prediction."""
    client = clients.bigquery()
    kinds = {"TIMESTAMP": pa.timestamp("us", "UTC"), "DATETIME": pa.timestamp("us"), "INT64": pa.int64()}
    kinds |= {"STRING": pa.string(), "BOOL": pa.bool_()}
    arrays = {f.name: pa.array([row[f.name] for row in outcomes], kinds[f.field_type]) for f in OUTCOMES}
    bq.load_table(client, bq.full_name(clients.place, "outcomes"), pa.table(arrays), OUTCOMES)
    table = bigquery.Table(log_table(clients, endpoint), schema=LOG)
    # A smoke test of the endpoint is logged too, so that the table may be there.
    client.create_table(table, exists_ok=True)
    rows = [
        {
            "endpoint": "1",
            "deployed_model_id": asked.deployed,
            "logging_time": asked.at.isoformat(),
            "request_id": number,
            "request_payload": [json.dumps(each) for each in asked.instances],
            "response_payload": [json.dumps({"score": score, "decision": True}) for score in asked.scores],
        }
        for number, asked in enumerate(log)
    ]
    assert client.insert_rows_json(table, rows) == []
