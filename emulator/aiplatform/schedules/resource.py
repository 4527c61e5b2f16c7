"""The rules of schedules: what they may ask for, and what is to be done when.

Source: schedule.proto, schedule_service.proto; Vertex AI, "Schedule a pipeline run with scheduler API".
"""

import datetime as dt
import enum
import re

from google.protobuf import json_format

from emulator.aiplatform import wire
from emulator.aiplatform.errors import invalid, precondition
from emulator.aiplatform.methods import Message
from emulator.aiplatform.schedules import cron
from emulator.aiplatform.states import set_state, state_name

CHANGEABLE = (
    "display_name",
    "cron",
    "start_time",
    "end_time",
    "max_run_count",
    "max_concurrent_run_count",
    "max_concurrent_active_run_count",
    "allow_queueing",
    "create_pipeline_job_request",
)
FIELDS = CHANGEABLE
ACTIVE, PAUSED, COMPLETED = "ACTIVE", "PAUSED", "COMPLETED"
_LONGEST_NAME = 128
_LONGEST_JOB_ID = 128
_STAMP = "%Y%m%d%H%M%S"
_TICK = dt.timedelta(microseconds=1)
_COUNTS = ("max_run_count", "max_concurrent_run_count", "max_concurrent_active_run_count")


class Step(enum.Enum):
    """What is to be done for an active schedule."""

    WAIT = enum.auto()
    """Nothing is due."""
    START = enum.auto()
    """A run."""
    SKIP = enum.auto()
    """The run that is due, since as many are active as may be."""
    QUEUE = enum.auto()
    """Nothing until a run ends; then the run that is due."""
    COMPLETE = enum.auto()
    """No run will come any more."""


def check(schedule: Message, parent: str, now: dt.datetime) -> None:
    """Nothing, when Vertex AI would take the schedule; its pipeline job has to be looked at too.

    Args:
        schedule: With the fields that a client can set only.
        parent: `projects/P/locations/L`, where it is to be.
        now: The moment.

    Raises:
        ApiError: It would not.
    """
    wire.only(schedule, FIELDS, "schedule")
    if not 1 <= len(schedule.display_name) <= _LONGEST_NAME:
        raise invalid(f"schedule.display_name must have 1 to {_LONGEST_NAME} characters, got {schedule.display_name!r}")
    if not schedule.HasField("create_pipeline_job_request"):
        raise invalid("schedule.create_pipeline_job_request is required")
    request = schedule.create_pipeline_job_request
    if request.parent != parent:
        raise invalid(f"create_pipeline_job_request.parent must be {parent}, got {request.parent!r}")
    if request.pipeline_job_id:
        raise invalid("create_pipeline_job_request.pipeline_job_id cannot be given: each run gets one of its own")
    for name in _COUNTS:
        if (count := getattr(schedule, name)) < 0:
            raise invalid(f"schedule.{name} must not be negative, got {count}")
    if not schedule.max_concurrent_run_count:
        raise invalid("schedule.max_concurrent_run_count is required")
    cron.parse(schedule.cron)
    _check_end(schedule, now)


def _check_end(schedule: Message, now: dt.datetime) -> None:
    if schedule.HasField("end_time") and _moment(schedule.end_time) <= max(now, _start(schedule, now)):
        raise invalid(f"schedule.end_time {schedule.end_time.ToJsonString()} must be after its start, and to come")


def changed(schedule: Message, asked: Message, mask: Message) -> Message:
    """A schedule with the fields of another that an update mask names.

    Raises:
        ApiError: The mask is empty or names what cannot be changed, or would take a value away.
    """
    paths = list(mask.paths)
    if not paths or (set(paths) - set(CHANGEABLE)):
        raise invalid(f"update_mask names {paths}; it can name {list(CHANGEABLE)}")
    result = type(schedule)()
    result.CopyFrom(schedule)
    given = {field.name for field, _ in asked.ListFields()}
    for path in paths:
        if path not in given and path != "allow_queueing":
            raise invalid(f"schedule.{path} cannot be unset")
        result.ClearField(path)
    wanted = type(schedule)()
    mask.MergeMessage(asked, wanted)
    result.MergeFrom(wanted)
    return result


def settings(schedule: Message) -> Message:
    """Only what a client can set of a schedule."""
    result = type(schedule)()
    result.CopyFrom(schedule)
    for field, _ in schedule.ListFields():
        if field.name not in FIELDS:
            result.ClearField(field.name)
    return result


def check_can(schedule: Message, *states: str) -> None:
    """Nothing, when a schedule is in one of the states.

    Raises:
        ApiError: It is not.
    """
    if state_name(schedule) not in states:
        raise precondition(f"{schedule.name} is {state_name(schedule)}, it must be {' or '.join(states)}")


def step(schedule: Message, now: dt.datetime, active: int) -> Step:
    """What is to be done for an active schedule.

    Args:
        schedule: It.
        now: The moment.
        active: How many of its runs have not ended.
    """
    if not schedule.HasField("next_run_time"):
        return Step.COMPLETE
    if schedule.max_run_count and schedule.started_run_count >= schedule.max_run_count:
        return Step.COMPLETE
    due = _moment(schedule.next_run_time)
    if schedule.HasField("end_time") and due > (end := _moment(schedule.end_time)):
        return Step.COMPLETE if now >= end else Step.WAIT
    if due > now:
        return Step.WAIT
    if 0 < schedule.max_concurrent_active_run_count <= active:
        return Step.QUEUE if schedule.allow_queueing else Step.SKIP
    return Step.START


def next_look(schedule: Message) -> dt.datetime:
    """When something is to be done for a schedule for which nothing is due."""
    due = _moment(schedule.next_run_time)
    return min(due, _moment(schedule.end_time)) if schedule.HasField("end_time") else due


def move_on(schedule: Message) -> None:
    """Writes the time of the run after the next one."""
    _write_next(schedule, _moment(schedule.next_run_time))


def begin_anew(schedule: Message, now: dt.datetime) -> None:
    """Writes the time of the next run from now on: what would have run before is left out."""
    _write_next(schedule, max(now, _start(schedule, now) - _TICK))


def complete(schedule: Message) -> None:
    """Writes that no run will come any more."""
    set_state(schedule, COMPLETED)
    schedule.ClearField("next_run_time")


def job_id(schedule: Message) -> str:
    """The id of the run that is due: `<pipeline>-<UTC time for which it was scheduled>`.

    Google does not say what its ids look like; this is how the SDK makes those of jobs that are given none.
    """
    spec = json_format.MessageToDict(schedule.create_pipeline_job_request.pipeline_job.pipeline_spec)
    name = re.sub(r"[^-0-9a-z]+", "-", str(spec.get("pipelineInfo", {}).get("name", "pipeline")).lower()).strip("-")
    stamp = _moment(schedule.next_run_time).strftime(_STAMP)
    return f"{name[: _LONGEST_JOB_ID - len(stamp) - 1]}-{stamp}"


def _write_next(schedule: Message, after: dt.datetime) -> None:
    following = cron.parse(schedule.cron).after(after)
    if following is None:
        schedule.ClearField("next_run_time")
    else:
        schedule.next_run_time.FromDatetime(following)


def _start(schedule: Message, now: dt.datetime) -> dt.datetime:
    return _moment(schedule.start_time) if schedule.HasField("start_time") else now


def _moment(timestamp: Message) -> dt.datetime:
    return timestamp.ToDatetime(tzinfo=dt.UTC)
