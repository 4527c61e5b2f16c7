"""Which window is looked at when, and what the config must say for a join."""

import datetime as dt
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.continuous import Observation
from plumbline.errors import DataError
from plumbline.observation import (
    Observed,
    Period,
    check_labels,
    check_problem,
    counting,
    label_columns,
    latest,
    log_bounds,
    matching,
    moment,
    observed_columns,
    stated,
)
from plumbline.problem import Column, Data, Label, Split, Window

HOUR = dt.timedelta(hours=1)
NOON = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
DATA = Data(
    query="q.sql",
    tables=("t",),
    key=("number",),
    time="sent_at",
    label=Label(column="late", positive=True),
    split=Split(
        train=Window(start=dt.date(2020, 1, 1), end=dt.date(2020, 2, 1)),
        validation=Window(start=dt.date(2020, 2, 1), end=dt.date(2020, 2, 15)),
        test=Window(start=dt.date(2020, 2, 15), end=dt.date(2020, 3, 1)),
    ),
    features={"depot": Column(type="categorical"), "hour": Column(type="timestamp", column="sent_at", part="hour")},
    attributes={
        "weekday": Column(type="timestamp", column="booked_at", part="weekday"),
        "day": Column(type="timestamp", column="sent_at", part="weekday"),
    },
)
DAILY = Observation(
    query="l.sql", tables=("t",), join=("depot",), known="known_at", delay_hours=10, window_hours=24, lead_hours=6
)


@pytest.mark.parametrize(
    ("now", "delay", "length", "start", "end"),
    [
        # Ten hours ago it was two in the night: yesterday is over, and its labels are known.
        ("2026-03-10T12:00", 10, 24, "2026-03-09", "2026-03-10"),
        ("2026-03-10T10:00", 10, 24, "2026-03-09", "2026-03-10"),
        ("2026-03-10T09:59", 10, 24, "2026-03-08", "2026-03-09"),
        ("2026-03-10T12:00", 0, 6, "2026-03-10T06:00", "2026-03-10T12:00"),
        # 1970 began with a Thursday, and so do weeks.
        ("2026-03-12T00:00", 0, 168, "2026-03-05", "2026-03-12"),
        ("2026-03-11T23:59", 0, 168, "2026-02-26", "2026-03-05"),
    ],
)
def test_the_last_window_with_all_labels_is_looked_at(now: str, delay: int, length: int, start: str, end: str) -> None:
    """Windows follow each other; the delay has passed since the end of the one that is looked at."""
    found = latest(at(now), replace(DAILY, delay_hours=delay, window_hours=length))
    assert found == Period(start=at(start), end=at(end))


def at(text: str) -> dt.datetime:
    """A time in UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 500), st.integers(1, 500))
def test_windows_tile_time(minutes: int, delay: int, length: int) -> None:
    """Whenever it is: the window has its length, its labels are known, and the next one's are not yet."""
    now = NOON + minutes * dt.timedelta(minutes=1)
    observation = replace(DAILY, delay_hours=delay, window_hours=length)
    found = latest(now, observation)
    assert found.end - found.start == length * HOUR
    assert found.end + delay * HOUR <= now < found.end + (delay + length) * HOUR
    # A window later it is the next window's turn.
    assert latest(now + length * HOUR, observation) == Period(start=found.end, end=found.end + length * HOUR)


def test_the_log_is_read_from_the_lead_to_the_end_of_the_delay() -> None:
    """What was logged outside of that can be no prediction that counts."""
    period = Period(start=NOON, end=NOON + 24 * HOUR)
    assert log_bounds(period, DAILY) == (NOON - 6 * HOUR, NOON + 34 * HOUR)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", NOON),
        ("2026-03-01T06:00", dt.datetime(2026, 3, 1, 6, tzinfo=dt.UTC)),
        ("2026-03-01T06:00:00+01:00", dt.datetime(2026, 3, 1, 5, tzinfo=dt.UTC)),
        ("2026-03-01", dt.datetime(2026, 3, 1, tzinfo=dt.UTC)),
    ],
)
def test_a_moment_is_what_was_said_or_now(text: str, wanted: dt.datetime) -> None:
    """Always in UTC; nothing said is what the clock says."""
    assert moment(text, lambda: NOON) == wanted


def test_what_is_no_time_is_refused() -> None:
    """With an example of one."""
    with pytest.raises(DataError, match=r"wanted a time such as 2013-11-08T00:00, got 'soon'"):
        moment("soon", lambda: NOON)


def test_the_labels_need_no_column_of_the_log() -> None:
    """Key, time, label, when it was known, what it is joined by, and attributes that no feature brings."""
    assert label_columns(DATA, DAILY) == ("number", "sent_at", "late", "known_at", "depot", "booked_at")
    assert observed_columns(DATA) == (
        "number",
        "sent_at",
        "late",
        "booked_at",
        "depot",
        "logged_at",
        "deployed_model_id",
        "score",
    )
    check_labels(DATA, DAILY, [*label_columns(DATA, DAILY), "more"])
    with pytest.raises(DataError, match=r"l.sql does not give \['known_at', 'booked_at'\]"):
        check_labels(DATA, DAILY, ["number", "sent_at", "late", "depot"])


@pytest.mark.parametrize(
    ("data", "join", "wanted"),
    [
        (DATA, ("depot", "sent_at"), []),
        (DATA, ("hour",), [(("observation", "join"), "hour is no raw column of a feature; there are depot, sent_at")]),
        (
            replace(DATA, key=("score",)),
            ("depot",),
            [(("observation",), "['score'] are columns of the problem and of what is observed at once")],
        ),
    ],
)
def test_a_section_that_cannot_join_is_told(data: Data, join: tuple[str, ...], wanted: list[object]) -> None:
    """Where it stands, and what could stand there."""
    assert list(check_problem(data, replace(DAILY, join=join))) == wanted


def test_a_query_ends_where_its_semicolon_is() -> None:
    """It is put into another one."""
    text = matching("SELECT 1;\n", "p.d.log", DATA, DAILY)
    assert ";" not in text
    assert "`p.d.log`" in text
    assert "p.d.log" not in matching("SELECT 1;\n", "", DATA, DAILY)


def test_a_column_may_be_called_as_a_reserved_word() -> None:
    """It is quoted wherever it does not follow a dot, where BigQuery takes any name."""
    group = {"depot": Column(type="categorical"), "group": Column(type="numeric")}
    data = replace(DATA, key=("order",), label=Label(column="case", positive=True), features=group)
    observed = replace(DAILY, known="end")
    for text in (matching("SELECT 1", "", data, observed), counting("SELECT 1", "p.d.t", data, observed)):
        assert "`order`" in text
        assert re.findall(r"(?<![`.@\w])(?:order|group|case|end)(?![`\w])", text) == []


def test_counts_and_window_are_stated() -> None:
    """As they are, for whoever reads the run."""
    names = ("labels", "overdue", "matched", "predictions", "late", "superseded", "unmatched", "unreadable")
    counts = dict(zip(names, range(8), strict=True))
    observed = Observed(period=Period(start=NOON, end=NOON + HOUR), table="p.d.t", **counts)
    assert stated(observed) == {
        "start": "2026-03-10T12:00:00+00:00",
        "end": "2026-03-10T13:00:00+00:00",
        "table": "p.d.t",
        **counts,
    }
