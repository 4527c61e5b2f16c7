"""What is to be done for a schedule at a moment."""

import datetime as dt

import pytest
from google.cloud.aiplatform_v1.types import schedule as schedules

from emulator.aiplatform.methods import Message
from emulator.aiplatform.schedules.resource import Step, begin_anew, job_id, move_on, next_look, step

NOW = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def schedule(**fields: object) -> Message:
    """A schedule whose next run is due now; times are hours from now."""
    message = schedules.Schedule.pb()(cron="0 * * * *")
    for name, value in {"next_run_time": 0, **fields}.items():
        if name.endswith("_time") and value is not None:
            getattr(message, name).FromDatetime(NOW + float(str(value)) * HOUR)
        elif value is not None:
            setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ("fields", "active", "wanted"),
    [
        ({}, 0, Step.START),
        ({}, 99, Step.START),
        ({"next_run_time": -5}, 0, Step.START),
        ({"next_run_time": 1}, 0, Step.WAIT),
        ({"next_run_time": None}, 0, Step.COMPLETE),
        ({"max_run_count": 3, "started_run_count": 2}, 0, Step.START),
        ({"max_run_count": 3, "started_run_count": 3}, 0, Step.COMPLETE),
        ({"end_time": 0}, 0, Step.START),
        ({"next_run_time": -1, "end_time": -0.5}, 0, Step.START),
        ({"next_run_time": 0, "end_time": -0.5}, 0, Step.COMPLETE),
        ({"next_run_time": 1, "end_time": 0.5}, 0, Step.WAIT),
        ({"max_concurrent_active_run_count": 2}, 1, Step.START),
        ({"max_concurrent_active_run_count": 2}, 2, Step.SKIP),
        ({"max_concurrent_active_run_count": 2, "allow_queueing": True}, 2, Step.QUEUE),
        ({"max_concurrent_active_run_count": 2, "next_run_time": 1}, 2, Step.WAIT),
    ],
)
def test_a_schedule_has_one_thing_to_do(fields: dict[str, object], active: int, wanted: Step) -> None:
    """By its next run, its end, its counts and what is active of it."""
    assert step(schedule(**fields), NOW, active) is wanted


def test_it_is_looked_at_again_at_its_next_run_or_its_end() -> None:
    """Whichever comes first."""
    assert next_look(schedule(next_run_time=2)) == NOW + 2 * HOUR
    assert next_look(schedule(next_run_time=2, end_time=1)) == NOW + HOUR


def test_the_run_after_the_next_is_by_the_cron() -> None:
    """From the run that was due, not from now: what was missed comes one by one."""
    made = schedule(next_run_time=-3)
    move_on(made)
    assert made.next_run_time.ToDatetime(tzinfo=dt.UTC) == NOW - 2 * HOUR


def test_a_schedule_begins_at_its_start() -> None:
    """The run of that very moment is one of its own; without a start it is the next one from now on."""
    made = schedule(start_time=3)
    begin_anew(made, NOW)
    assert made.next_run_time.ToDatetime(tzinfo=dt.UTC) == NOW + 3 * HOUR
    begin_anew(made, NOW + 4.5 * HOUR)
    assert made.next_run_time.ToDatetime(tzinfo=dt.UTC) == NOW + 5 * HOUR


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Taxi trips!", "taxi-trips-20260302120000"),
        ("x" * 200, f"{'x' * 113}-20260302120000"),
        ("a", "a-20260302120000"),
    ],
)
def test_a_run_is_named_after_its_pipeline_and_its_time(name: str, wanted: str) -> None:
    """At most 128 characters: 113, a hyphen and 14 digits."""
    made = schedule()
    made.create_pipeline_job_request.pipeline_job.pipeline_spec.update({"pipelineInfo": {"name": name}})
    assert job_id(made) == wanted
