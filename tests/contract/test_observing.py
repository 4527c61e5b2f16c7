"""Logged predictions and labels that come late, joined by the real statement in BigQuery's emulator."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from plumbline.adapters import bigquery as bq
from plumbline.adapters.clients import Clients
from plumbline.adapters.observing import ROWS, deployed_in, log_table, observe, read_observed
from plumbline.environment import Place
from plumbline.errors import DataError
from plumbline.observation import Observed
from plumbline.problem import Column, Data
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.late_labels import (
    DATA,
    DAY,
    ENDPOINT,
    HOUR,
    OBSERVATION,
    PERIOD,
    SQL,
    Asked,
    fill_tables,
    instance,
    outcome,
)
from tests.contract.vertex import fresh


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


def observed(clients: Clients, folder: Path, sql: str = SQL, data: Data = DATA) -> Observed:
    """The window, observed."""
    return observe(clients, "parcels", data, OBSERVATION, sql, endpoint=ENDPOINT, period=PERIOD, output=folder)


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
    clients.bigquery().delete_table(log_table(clients, ENDPOINT))
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
