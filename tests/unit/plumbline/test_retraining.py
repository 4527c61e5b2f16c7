"""When a training starts: every reason, all that stands against one, and the windows that it gets."""

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.alerts import Alert
from plumbline.continuous import Retraining, read_retraining
from plumbline.problem import Split, Window
from plumbline.retraining import Facts, Training, decide, first_day, moved, new_rows
from plumbline.section import to_json

NOW = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
SPLIT = Split(
    train=Window(start=dt.date(2026, 1, 1), end=dt.date(2026, 2, 1)),
    validation=Window(start=dt.date(2026, 2, 1), end=dt.date(2026, 2, 15)),
    test=Window(start=dt.date(2026, 2, 20), end=dt.date(2026, 3, 1)),
)
ALERT = Alert(kind="quality", version="3", window_start=NOW - 2 * DAY, window_end=NOW - DAY, summary="auc is 0.4")
QUIET = Facts(
    now=NOW,
    trainings=(Training(run="r1", state="SUCCEEDED", started=NOW - 30 * DAY),),
    champion="3",
    trained_to=dt.date(2026, 1, 20),
    split=SPLIT,
    new_rows=900,
    alerts=(),
)
"""A champion, a training a month ago, and nothing that calls for another."""
ALL = Retraining(cron="0 6 1 * *", new_rows=1000, on_alert=True, cooldown_hours=24, runs_a_day=1)
NOTHING = replace(ALL, cron="0 6 1 1 *")
"""The same with a schedule that is not due."""


def trained(*started: dt.datetime, state: str = "SUCCEEDED") -> tuple[Training, ...]:
    """Trainings that began at some moments."""
    return tuple(Training(run=f"r{number}", state=state, started=at) for number, at in enumerate(started))


def test_without_a_reason_nothing_is_trained() -> None:
    """The text says how far each reason is away."""
    found = decide(QUIET, NOTHING)
    assert not found.train
    assert found.text == (
        "do not train: no reason (900 of 1,000 new rows, no alert since the last training, cron 0 6 1 1 * is not due)"
    )
    assert found.blocked == ()


@pytest.mark.parametrize(
    ("facts", "reasons", "told"),
    [
        (replace(QUIET, new_rows=1000), ("new rows",), "1,000 new rows since 2026-01-20, wanted 1,000"),
        (replace(QUIET, alerts=(ALERT,)), ("alert",), "1 alert(s) since the last training, the newest: auc is 0.4"),
        (
            replace(QUIET, alerts=(ALERT,), new_rows=5000),
            ("alert", "new rows"),
            "auc is 0.4; 5,000 new rows",
        ),
    ],
)
def test_each_reason_trains(facts: Facts, reasons: tuple[str, ...], told: str) -> None:
    """Whichever comes first, and all that hold are told; the evidence has the numbers."""
    found = decide(facts, NOTHING)
    assert found.train
    assert told in found.text
    assert found.evidence is not None
    assert found.evidence.reasons == reasons
    assert (found.evidence.new_rows, found.evidence.alerts) == (facts.new_rows, facts.alerts)
    assert (found.evidence.champion, found.evidence.last_training) == ("3", "r1")
    assert (found.evidence.decided_at, found.evidence.split) == (NOW.isoformat(), SPLIT)


def test_a_run_takes_the_newest_alerts_along() -> None:
    """They travel in a parameter; the text counts all."""
    many = tuple(replace(ALERT, version=str(number)) for number in range(50))
    found = decide(replace(QUIET, alerts=many), NOTHING)
    assert found.evidence is not None
    assert found.evidence.alerts == many[:20]
    assert "50 alert(s) since the last training" in found.evidence.text


def test_a_schedule_is_due_once() -> None:
    """From its moment on, until a training has begun after it; and at once where nothing was ever trained."""
    assert "due since 2026-03-01 06:00 UTC" in decide(QUIET, ALL).text
    after = replace(QUIET, trainings=trained(dt.datetime(2026, 3, 1, 6, 0, 1, tzinfo=dt.UTC)))
    assert not decide(after, ALL).train
    at = replace(QUIET, trainings=trained(dt.datetime(2026, 2, 8, tzinfo=dt.UTC)))
    assert not decide(replace(at, now=dt.datetime(2026, 3, 1, 5, 59, tzinfo=dt.UTC)), ALL).train
    assert decide(replace(at, now=dt.datetime(2026, 3, 1, 6, 0, tzinfo=dt.UTC)), ALL).train
    assert "nothing was trained yet" in decide(replace(QUIET, trainings=()), NOTHING).text


@pytest.mark.parametrize("given_", [{"new_rows": None}, {"on_alert": False}, {"cron": ""}])
def test_what_is_left_out_is_no_reason(given_: dict[str, object]) -> None:
    """Only the other two are."""
    facts = replace(QUIET, alerts=(ALERT,), new_rows=5000)
    found = decide(facts, replace(ALL, **given_))  # type: ignore[arg-type] # one field at a time
    assert found.evidence is not None
    assert len(found.evidence.reasons) == 2


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (
            replace(QUIET, trainings=trained(NOW - 25 * HOUR, state="RUNNING")),
            "r0 is under way",
        ),
        (
            replace(QUIET, trainings=trained(NOW - 90 * DAY, state="PENDING")),
            "r0 is under way",
        ),
        (
            replace(QUIET, trainings=trained(NOW - 24 * HOUR + dt.timedelta(seconds=1))),
            "cool-down until 2026-03-10 12:00 UTC, after r0",
        ),
        (
            replace(QUIET, trainings=trained(NOW - 23 * HOUR, state="FAILED")),
            "1 of 1 training(s) have begun within 24 hours",
        ),
        (replace(QUIET, new_rows=0), "no row is new since 2026-01-20: the same rows give the same model"),
        (replace(QUIET, tried=SPLIT), "r1 had the same windows, which end on 2026-03-01"),
    ],
)
def test_what_stands_against_a_training(facts: Facts, told: str) -> None:
    """There is a reason each time, and it is told beside what stands against it."""
    found = decide(replace(facts, alerts=(ALERT,)), ALL)
    assert not found.train
    assert told in found.blocked
    assert found.text.startswith("do not train, although 1 alert(s)")
    assert told in found.text


def test_rows_that_were_not_counted_are_neither_a_reason_nor_told() -> None:
    """They are not counted where something stands against a training anyway, and that is told."""
    facts = replace(QUIET, new_rows=None, trainings=trained(NOW - HOUR))
    found = decide(facts, NOTHING)
    assert found.text.startswith("do not train: cool-down until 2026-03-11 11:00 UTC, after r0; 1 of 1 training(s)")
    assert (found.train, found.evidence, found.facts) == (False, None, facts)
    assert "although 1 alert(s)" in decide(replace(facts, alerts=(ALERT,)), NOTHING).text


def test_a_cool_down_and_a_day_end_at_their_second() -> None:
    """A training that began exactly so long ago is no hindrance any more."""
    facts = replace(QUIET, trainings=trained(NOW - 24 * HOUR), alerts=(ALERT,))
    assert decide(facts, ALL).train
    assert not decide(replace(facts, now=NOW - dt.timedelta(microseconds=1)), ALL).train


def test_a_limit_counts_each_training_of_a_day() -> None:
    """Two of three leave room for one."""
    three = replace(ALL, runs_a_day=3, cooldown_hours=1)
    facts = replace(QUIET, trainings=trained(NOW - 2 * HOUR, NOW - 23 * HOUR, NOW - 25 * HOUR), alerts=(ALERT,))
    assert decide(facts, three).train
    assert "2 of 2 training(s) have begun within 24 hours" in decide(facts, replace(three, runs_a_day=2)).text


def test_a_training_that_failed_answers_nothing() -> None:
    """The schedule is due still; only cool-down and limit look at the one that failed."""
    facts = replace(QUIET, trainings=(*QUIET.trainings, *trained(NOW - 2 * DAY, state="FAILED")))
    assert facts.last is not None
    assert facts.answer is not None
    assert (facts.last.run, facts.answer.run) == ("r0", "r1")
    assert "due since 2026-03-01" in decide(facts, ALL).text


STATES = st.sampled_from(["PENDING", "RUNNING", "CANCELLING", "SUCCEEDED", "FAILED", "CANCELLED"])
TRAININGS = st.lists(
    st.builds(
        Training,
        run=st.just("r"),
        state=STATES,
        started=st.integers(0, 100).map(lambda hours: NOW - hours * HOUR),
    ),
    max_size=5,
).map(tuple)
RETRAININGS = st.builds(
    Retraining,
    cron=st.sampled_from(["", "0 * * * *", "0 6 1 * *"]),
    new_rows=st.none() | st.integers(1, 2000),
    on_alert=st.just(value=True),
    cooldown_hours=st.integers(0, 50),
    runs_a_day=st.integers(1, 4),
)
FACTS = st.builds(
    Facts,
    now=st.just(NOW),
    trainings=TRAININGS,
    champion=st.sampled_from(["", "3"]),
    trained_to=st.none() | st.just(dt.date(2026, 1, 20)),
    split=st.just(SPLIT),
    new_rows=st.none() | st.integers(0, 3000),
    alerts=st.sampled_from([(), (ALERT,)]),
    tried=st.sampled_from([None, SPLIT, moved(SPLIT, dt.date(2026, 2, 27))]),
)


@settings(deadline=None)
@given(FACTS, RETRAININGS)
def test_whatever_the_facts_no_training_is_one_too_many(facts: Facts, retraining: Retraining) -> None:
    """What is decided never begins beside another, inside a cool-down, over the limit, or without a reason."""
    found = decide(facts, retraining)
    assert decide(facts, retraining) == found
    if found.train:
        assert all(training.state in {"SUCCEEDED", "FAILED", "CANCELLED"} for training in facts.trainings)
        assert all(facts.now - training.started >= retraining.cooldown_hours * HOUR for training in facts.trainings)
        assert sum(facts.now - training.started < DAY for training in facts.trainings) < retraining.runs_a_day
        assert found.evidence is not None
        assert found.evidence.reasons
        assert facts.new_rows
    else:
        assert found.text.startswith("do not train")


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 400), min_size=5, max_size=5),
    st.dates(dt.date(1990, 1, 1), dt.date(2090, 1, 1)),
    st.dates(dt.date(1990, 1, 1), dt.date(2090, 1, 1)),
)
def test_windows_keep_their_lengths_and_gaps(lengths: list[int], start: dt.date, day: dt.date) -> None:
    """They only move, and the test window ends on the day; to move twice is to move once."""
    ends = [start + dt.timedelta(days=sum(lengths[:number])) for number in range(6)]
    split = Split(
        train=Window(start=ends[0], end=ends[1]),
        validation=Window(start=ends[2], end=ends[3]),
        test=Window(start=ends[4], end=ends[5]),
    )
    found = moved(split, day)
    assert found.test.end == day
    by = day - split.test.end
    for one, other in ((split.train, found.train), (split.validation, found.validation), (split.test, found.test)):
        assert (other.start - one.start, other.end - one.end) == (by, by)
    assert moved(moved(split, start), day) == found


@pytest.mark.parametrize(
    ("days", "wanted"),
    [
        ([], SPLIT.test.end),
        ([dt.date(2026, 3, 8), dt.date(2026, 2, 1)], dt.date(2026, 3, 9)),
        ([dt.date(2026, 3, 9)], dt.date(2026, 3, 10)),
        ([dt.date(2026, 3, 9), dt.date(2026, 3, 10)], dt.date(2026, 3, 10)),
    ],
)
def test_windows_end_with_the_last_day_that_is_over(days: list[dt.date], wanted: dt.date) -> None:
    """Today is not, and without data the config's windows stay."""
    assert first_day(days, NOW, SPLIT) == wanted


@pytest.mark.parametrize(
    ("trained_to", "wanted"),
    [
        (None, 31),
        (dt.date(2025, 6, 1), 31),
        (dt.date(2026, 1, 20), 11),
        (dt.date(2026, 1, 30), 1),
        (dt.date(2026, 1, 31), 0),
        (dt.date(2026, 3, 1), 0),
    ],
)
def test_rows_are_new_after_the_last_day_of_the_champion(trained_to: dt.date | None, wanted: int) -> None:
    """Of the training window alone, January, with a row a day."""
    by_day = {dt.date(2025, 12, 1) + number * DAY: 1 for number in range(100)}
    assert new_rows(by_day, SPLIT.train, trained_to) == wanted


def test_a_section_travels_as_text() -> None:
    """And none as an empty one."""
    assert read_retraining(to_json(ALL)) == ALL
    assert read_retraining("") is None


def test_retraining_needs_a_reason() -> None:
    """A section that could never start anything is a mistake."""
    with pytest.raises(ValueError, match="at least one of cron, new_rows and on_alert"):
        Retraining(cooldown_hours=3)
