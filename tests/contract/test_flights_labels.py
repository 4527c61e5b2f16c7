"""The example's query of labels on a handful of flights: the same rows as the features', and when each was known."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from google.cloud import bigquery

from plumbline.adapters import bigquery as bq
from plumbline.adapters.sample_data import TABLES
from plumbline.config import load_problem
from plumbline.environment import Place
from plumbline.observation import label_columns
from plumbline.query import fill
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.test_flights_sql import KINDS, Row, answers, flight
from tests.contract.vertex import fresh

LOADED = load_problem(Path(__file__).parents[2] / "configs" / "flights.yaml")
NEW_YORK = dt.timezone(dt.timedelta(hours=-5))
FLIGHTS = (
    # The evening before, 23:59 in New York: 4:59 in UTC.
    flight(1, "23:59", delay=0, late=0, day=9),
    # Departs 6:30, lands 7:50, known at 9:50.
    flight(2, "06:00", delay=30, late=45),
    flight(3, "10:30", delay=0, late=60),
    flight(4, "11:00", delay=-5, late=59),
    # Cancelled.
    flight(5, "07:00", delay=None, late=None),
    # 18:59 in New York is the last minute of the day in UTC, 19:00 the first of the next.
    flight(6, "18:59", delay=0, late=0),
    flight(7, "19:00", delay=0, late=0),
    # In summer the clock is four hours behind.
    flight(8, "06:00", delay=0, late=0, month=7),
)


def labels(emulator: Emulator, start: dt.datetime, end: dt.datetime) -> Sequence[Row]:
    """The query's rows for a window."""
    dataset = fresh("labels").replace("-", "_")
    place = Place(project=PROJECT, location=LOCATION, bucket="models", dataset=dataset, bigquery_location=LOCATION)
    client = emulator.bigquery()
    bq.ensure_dataset(client, place)
    schema = [bigquery.SchemaField(column, kind) for column, kind in TABLES["flights"].items()]
    arrays = {field.name: pa.array([row[field.name] for row in FLIGHTS], KINDS[field.field_type]) for field in schema}
    bq.load_table(client, bq.full_name(place, "flights"), pa.table(arrays), schema)
    sql = fill(LOADED.labels, {"flights": bq.full_name(place, "flights")})
    window = {"start": start, "end": end}
    return bq.fetch(client, sql, maximum_bytes=10**9, labels={}, parameters=window)


def by_number(rows: Sequence[Row]) -> dict[int, Row]:
    """Rows by flight number."""
    return {int(str(row["flight_id"]).split("-", maxsplit=1)[0][2:]): row for row in rows}


@pytest.fixture(scope="module")
def found(emulator: Emulator) -> dict[int, Row]:
    """The rows of January 10, 2013, UTC."""
    day = dt.datetime(2013, 1, 10, tzinfo=dt.UTC)
    return by_number(labels(emulator, day, day + dt.timedelta(days=1)))


def test_a_window_has_the_flights_that_were_to_depart_in_it(found: dict[int, Row]) -> None:
    """By UTC; who was cancelled has no label."""
    assert sorted(found) == [1, 2, 3, 4, 6]


def test_a_label_is_known_two_hours_after_the_arrival(found: dict[int, Row]) -> None:
    """Flight 2 lands at 7:50 in New York."""
    assert found[2]["label_known_at"] == dt.datetime(2013, 1, 10, 9, 50, tzinfo=NEW_YORK)
    # Five minutes early, an hour in the air, twenty minutes on the ground, two hours.
    assert found[4]["label_known_at"] == dt.datetime(2013, 1, 10, 14, 15, tzinfo=NEW_YORK)


def test_summer_time_is_minded(emulator: Emulator) -> None:
    """Six in New York is ten in UTC."""
    ten = dt.datetime(2013, 7, 10, 10, tzinfo=dt.UTC)
    (row,) = labels(emulator, ten, ten + dt.timedelta(minutes=1))
    assert row["label_known_at"] == ten + dt.timedelta(minutes=200)


def test_rows_are_those_of_the_features(emulator: Emulator, found: dict[int, Row]) -> None:
    """Key, time, label and the columns of the join have the very values that the model's rows have."""
    assert LOADED.config.observation is not None
    named = label_columns(LOADED.config.data, LOADED.config.observation)
    assert set(named) == set(found[2])
    features = {str(row["flight_id"]): row for row in answers(emulator, FLIGHTS, ()).values()}
    shared = [name for name in named if name != "label_known_at"]
    for row in found.values():
        assert {name: row[name] for name in shared} == {name: features[str(row["flight_id"])][name] for name in shared}
