"""Vertex AI schedules: at most one for a problem, and at most one of its runs at a time.

A schedule keeps the whole pipeline job that it submits, so a change of code or config is a change of the schedule.
"""

from typing import Literal, TypeAlias

from google.cloud import aiplatform_v1 as vertex
from google.protobuf import field_mask_pb2

from plumbline.adapters.operations import service_errors
from plumbline.adapters.pipeline_jobs import Order, pipeline_job
from plumbline.adapters.registry import parent
from plumbline.adapters.retries import once
from plumbline.environment import Place, Schedule
from plumbline.errors import ServiceError

Schedules: TypeAlias = vertex.ScheduleServiceClient
Change = Literal["made", "changed", "resumed", "unchanged"]
_FIELDS = ("cron", "create_pipeline_job_request", "max_concurrent_run_count", "max_concurrent_active_run_count")


def put(schedules: Schedules, place: Place, when: Schedule, order: Order) -> tuple[vertex.Schedule, Change]:
    """The schedule of an order's problem, made or brought up to date and going on, and which of them was needed.

    Raises:
        ServiceError: Vertex AI refuses it, or there are several, which none of our commands makes.
    """
    wanted = _schedule(place, when, order)
    with service_errors(f"the schedule of {order.display_name}"):
        known = find(schedules, place, order.display_name)
        if known is None:
            made = once(
                schedules,
                lambda: find(schedules, place, order.display_name),
                lambda: schedules.create_schedule(parent=parent(place), schedule=wanted, retry=None),
            )
            return made, "made"
        change: Change = "unchanged"
        if any(getattr(known, field) != getattr(wanted, field) for field in _FIELDS):
            wanted.name, change = known.name, "changed"
            mask = field_mask_pb2.FieldMask(paths=_FIELDS)
            known = schedules.update_schedule(schedule=wanted, update_mask=mask)
        if known.state == vertex.Schedule.State.PAUSED:
            schedules.resume_schedule(name=known.name)
            known, change = schedules.get_schedule(name=known.name), "resumed"
        return known, change


def find(schedules: Schedules, place: Place, problem: str) -> vertex.Schedule | None:
    """The schedule of a problem, None where there is none.

    Raises:
        ServiceError: There are several.
    """
    request = vertex.ListSchedulesRequest(parent=parent(place), filter=f'display_name="{problem}"')
    with service_errors(f"the schedules of {problem}"):
        found = list(schedules.list_schedules(request))
    if len(found) > 1:
        names = ", ".join(schedule.name for schedule in found)
        raise ServiceError(f"wanted one schedule of {problem}, found {names}: delete all but one")
    return found[0] if found else None


def pause(schedules: Schedules, place: Place, problem: str) -> bool:
    """Whether a schedule of the problem was going on; now none is."""
    known = find(schedules, place, problem)
    if known is None or known.state != vertex.Schedule.State.ACTIVE:
        return False
    with service_errors(f"pausing {known.name}"):
        schedules.pause_schedule(name=known.name)
    return True


def _schedule(place: Place, when: Schedule, order: Order) -> vertex.Schedule:
    # Without an id: each run gets one of its own.
    request = vertex.CreatePipelineJobRequest(parent=parent(place), pipeline_job=pipeline_job(place, order))
    return vertex.Schedule(
        display_name=order.display_name,
        cron=f"TZ={when.time_zone} {when.cron}",
        create_pipeline_job_request=request,
        max_concurrent_run_count=1,
        max_concurrent_active_run_count=1,
    )
