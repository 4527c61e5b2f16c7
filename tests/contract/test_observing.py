"""Logged predictions and labels that come late, joined by the real statement in BigQuery's emulator."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pytest
from google.cloud import bigquery

from plumbline.adapters import bigquery as bq
from plumbline.adapters.clients import Clients
from plumbline.adapters.observing import ROWS, deployed_in, log_table, observe, read_observed
from plumbline.continuous import Observation
from plumbline.environment import Place
from plumbline.errors import DataError
from plumbline.observation import Observed, Period
from plumbline.problem import Column, Data, Label, Split, Window
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.vertex import fresh

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
SQL = """-- Parcels by when they were sent.
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


@pytest.fixture
def clients(emulator: Emulator) -> Clients:
    """Clients of a dataset that no other test has."""
    dataset = fresh("observed").replace("-", "_")
    place = Place(
        project=PROJECT,
        location=LOCATION,
        bucket="models",
        dataset=dataset,
        bigquery_location=LOCATION,
        labels={"team": "t"},
    )
    bq.ensure_dataset(emulator.bigquery(), place)
    return Clients(place, emulator.environment)


def fill_tables(clients: Clients, outcomes: Sequence[dict[str, object]], log: Sequence[Asked]) -> None:
    """The labels, and the log as Vertex AI writes it: an element an instance, and one a prediction."""
    client = clients.bigquery()
    kinds = {"TIMESTAMP": pa.timestamp("us", "UTC"), "DATETIME": pa.timestamp("us"), "INT64": pa.int64()}
    kinds |= {"STRING": pa.string(), "BOOL": pa.bool_()}
    arrays = {f.name: pa.array([row[f.name] for row in outcomes], kinds[f.field_type]) for f in OUTCOMES}
    bq.load_table(client, bq.full_name(clients.place, "outcomes"), pa.table(arrays), OUTCOMES)
    table = bigquery.Table(log_table(clients, "parcels-by-day"), schema=LOG)
    client.create_table(table)
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


def observed(clients: Clients, folder: Path, sql: str = SQL, data: Data = DATA) -> Observed:
    """The window, observed."""
    return observe(clients, "parcels", data, OBSERVATION, sql, endpoint="parcels-by-day", period=PERIOD, output=folder)


def test_predictions_get_the_labels_that_came_later(clients: Clients, tmp_path: Path) -> None:
    """Three rows with labels, of which two were asked for: score, label and what was asked stand in one row."""
    fill_tables(
        clients,
        [outcome("a", 1, late=True), outcome("b", 2), outcome("c", 3)],
        [Asked(DAY, [instance(1), instance(2, line="4", weight=None)], [0.75, 0.25])],
    )
    found = observed(clients, tmp_path)
    assert (found.labels, found.matched, found.predictions) == (3, 2, 2)
    assert (found.late, found.superseded, found.unmatched, found.unreadable, found.overdue) == (0, 0, 0, 0, 0)
    rows = read_observed(tmp_path).to_pylist()
    assert [(row["number"], row["late"], row["score"]) for row in rows] == [("a", True, 0.75), ("b", False, 0.25)]
    assert [(row["line"], row["weight"], row["express"]) for row in rows] == [("4", 2.5, True), ("4", None, True)]
    assert rows[0]["logged_at"] == DAY
    assert rows[0]["sent_at"] == dt.datetime(2020, 3, 2, 1)  # noqa: DTZ001 - the column's own clock
    assert deployed_in(read_observed(tmp_path)) == ["7"]


def test_the_last_prediction_before_the_label_counts(clients: Clients, tmp_path: Path) -> None:
    """Of four for one row: two came in time, of which the later counts; at the moment of the label it is too late."""
    known = DAY + 4 * HOUR
    fill_tables(
        clients,
        [outcome("a", 1, late=True)],
        [
            Asked(DAY, [instance(1)], [0.1]),
            Asked(known - dt.timedelta(microseconds=1), [instance(1)], [0.2], deployed="8"),
            Asked(known, [instance(1)], [0.3]),
            Asked(known + HOUR, [instance(1)], [0.4]),
        ],
    )
    found = observed(clients, tmp_path)
    assert (found.matched, found.superseded, found.late, found.predictions) == (1, 1, 2, 4)
    (row,) = read_observed(tmp_path).to_pylist()
    assert (row["score"], row["deployed_model_id"]) == (0.2, "8")


def test_two_predictions_in_one_request_are_told_apart(clients: Clients, tmp_path: Path) -> None:
    """Logged at the same moment: the later place in the request counts, and a score belongs to its place."""
    fill_tables(clients, [outcome("a", 1)], [Asked(DAY, [instance(1), instance(9), instance(1)], [0.1, 0.2, 0.3])])
    found = observed(clients, tmp_path)
    assert (found.matched, found.superseded, found.unmatched) == (1, 1, 1)
    assert read_observed(tmp_path).column("score").to_pylist() == [0.3]


def test_what_cannot_be_matched_is_counted(clients: Clients, tmp_path: Path) -> None:
    """No row, no score, no value to join by, no label in time: each under its own name, and none in the rows."""
    fill_tables(
        clients,
        [
            outcome("asked", 1),
            outcome("unasked", 2),
            outcome("unknown yet", 3, late=None, after=None),
            # Known a minute after the end of the delay.
            outcome("overdue", 5, after=31 + 1 / 60),
            outcome("just in time", 6, after=30),
            outcome("of another window", 25),
        ],
        [
            Asked(DAY, [instance(1)], [0.5]),
            Asked(DAY, [instance(3), instance(5), instance(6), instance(25)], [0.5, 0.5, 0.6, 0.5]),
            Asked(DAY, [{"depot": "north", "line": 4}], [0.5]),
            Asked(DAY, [instance(1)], [None]),
            Asked(DAY, ["no object"], [0.5]),
            # Logged before the first prediction of the window can have been asked for.
            Asked(DAY - 7 * HOUR, [instance(2)], [0.5]),
        ],
    )
    found = observed(clients, tmp_path)
    assert (found.labels, found.matched, found.overdue) == (3, 2, 2)
    assert (found.predictions, found.unmatched, found.unreadable, found.late) == (8, 3, 3, 0)
    assert read_observed(tmp_path).column("number").to_pylist() == ["asked", "just in time"]


def test_the_same_window_gives_the_same_file(clients: Clients, tmp_path: Path) -> None:
    """Whoever looks again changes nothing, and finds the same bytes."""
    fill_tables(
        clients,
        [outcome(f"n{number}", number / 10) for number in range(50)],
        [Asked(DAY - HOUR, [instance(number / 10) for number in range(50)], [number / 50 for number in range(50)])],
    )
    first, second = observed(clients, tmp_path / "one"), observed(clients, tmp_path / "two")
    assert first == second
    assert first.matched == 50
    assert (tmp_path / "one" / ROWS).read_bytes() == (tmp_path / "two" / ROWS).read_bytes()


def test_an_endpoint_that_has_logged_nothing_is_no_failure(clients: Clients, tmp_path: Path) -> None:
    """Vertex AI makes the table with the first prediction: until then there are labels alone."""
    fill_tables(clients, [outcome("a", 1)], [])
    clients.bigquery().delete_table(log_table(clients, "parcels-by-day"))
    found = observed(clients, tmp_path)
    assert (found.labels, found.matched, found.predictions) == (1, 0, 0)
    assert read_observed(tmp_path).num_rows == 0
    assert deployed_in(read_observed(tmp_path)) == []


def test_a_query_without_a_needed_column_is_told(clients: Clients, tmp_path: Path) -> None:
    """Before anything is made."""
    fill_tables(clients, [outcome("a", 1)], [])
    wanted = replace(DATA, attributes={"weekday": Column(type="timestamp", column="packed_at", part="weekday")})
    with pytest.raises(DataError, match=r"labels.sql does not give \['packed_at'\]"):
        observed(clients, tmp_path, data=wanted)
