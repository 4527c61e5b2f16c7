"""The problem of a year: the same, with windows that fit into it."""

import datetime as dt
from pathlib import Path

from pipelines.simulate import BEGIN, pressed
from plumbline.config import load_problem

FLIGHTS = load_problem(Path(__file__).parents[3] / "configs" / "flights.yaml").config


def test_the_windows_follow_each_other_and_end_when_the_year_begins() -> None:
    """Without a gap, from the first day of the data to the first training."""
    assert FLIGHTS.observation is not None
    split = pressed(FLIGHTS, FLIGHTS.observation).data.split
    assert split.train.start == dt.date(2013, 1, 1)
    assert (split.train.end, split.validation.end) == (split.validation.start, split.test.start)
    assert split.test.end == BEGIN.date()


def test_what_a_year_is_about_stays() -> None:
    """Features, gates over all rows, thresholds of the monitoring; labels are waited for as long as they take."""
    assert FLIGHTS.observation is not None
    year = pressed(FLIGHTS, FLIGHTS.observation)
    assert year.data.features == FLIGHTS.data.features
    assert {gate.metric for gate in year.evaluation.gates} == {"auc_pr", "auc", "calibration_error"}
    assert {gate.against for gate in year.evaluation.gates} == {"", "today", "champion"}
    assert year.observation is not None
    assert year.observation.delay_hours >= FLIGHTS.observation.delay_hours
    assert year.retraining is not None
    assert year.retraining.on_alert
