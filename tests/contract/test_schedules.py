"""Schedules: what they start when, on a clock that the tests set forward; a week passes in a moment."""

import datetime as dt
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform_v1 as v1
from google.protobuf import field_mask_pb2, json_format, struct_pb2

from emulator.aiplatform.context import Context
from emulator.aiplatform.server import create_service
from emulator.clock import ManualClock, WakingClock
from emulator.processes import Supervisor
from emulator.serving import served
from emulator.store import Store
from tests.contract import vertex as vx
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.faults import fault, faults
from tests.contract.vertex import CONFLICT, INVALID, MISSING, PARENT, UNIMPLEMENTED, refused

# A Monday.
START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
State = v1.Schedule.State
_SOON_S = 20.0


@dataclass(frozen=True, slots=True)
class Site:
    """Vertex AI alone, with a clock of its own."""

    url: str
    state: Path
    clock: ManualClock
    schedules: v1.ScheduleServiceClient
    pipelines: v1.PipelineServiceClient

    def create(self, cron: str = "0 * * * *", **fields: object) -> v1.Schedule:
        """A new schedule; fields replace those it has."""
        return self.schedules.create_schedule(parent=PARENT, schedule=schedule(cron, **fields))

    def get(self, name: str) -> v1.Schedule:
        """A schedule as it is now."""
        return self.schedules.get_schedule(name=name)

    def runs(self, name: str) -> list[v1.PipelineJob]:
        """The runs of a schedule, the oldest first."""
        request = v1.ListPipelineJobsRequest(parent=PARENT, filter=f"schedule_name={name}", order_by="name")
        return list(self.pipelines.list_pipeline_jobs(request))

    def pass_by(self, time_: dt.timedelta, name: str) -> v1.Schedule:
        """Lets time pass; the schedule once everything that was due is done."""
        self.clock.advance(time_)
        return self.settled(name)

    def settled(self, name: str) -> v1.Schedule:
        """The schedule once nothing of it is due."""

        def nothing_is_due() -> bool:
            found = self.get(name)
            return found.state != State.ACTIVE or found.next_run_time > self.clock.now()

        soon(nothing_is_due)
        return self.get(name)


def soon(true: Callable[[], object]) -> None:
    """Returns once something is true."""
    deadline = time.monotonic() + _SOON_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def client(kind: Callable[..., Any], url: str) -> Any:
    """A client of Vertex AI at an address."""
    return kind(credentials=AnonymousCredentials(), client_options={"api_endpoint": url}, transport="rest")


@contextmanager
def site_on(state: Path, clock: ManualClock) -> Iterator[Site]:
    """Vertex AI alone on a state folder and a clock, until a clean stop."""
    path = f"{Path(sys.executable).parent}:{os.defpath}"
    supervisor = Supervisor({"PATH": path}, owner=str(state))
    waking: WakingClock = clock
    store = Store(state / "vertex.sqlite")
    context = Context(PROJECT, LOCATION, state=state, store=store, clock=waking, supervisor=supervisor, path=path)
    service = create_service(context)
    with socket.create_server(("127.0.0.1", 0)) as listener, served(service.app, listener, "vertex"):
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        schedules, pipelines = client(v1.ScheduleServiceClient, url), client(v1.PipelineServiceClient, url)
        try:
            yield Site(url, state, clock, schedules, pipelines)
        finally:
            service.stop()
            supervisor.stop_all()
            store.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Vertex AI alone, at START."""
    with site_on(tmp_path, ManualClock(START)) as made:
        yield made


def job(*command: str) -> v1.PipelineJob:
    """A pipeline of one task."""
    spec = struct_pb2.Struct()
    executor = {"container": {"image": "i", "command": list(command or ("true",))}}
    spec.update(
        {
            "pipelineInfo": {"name": "Nightly Trips"},
            "root": {"dag": {"tasks": {"work": {"componentRef": {"name": "comp-work"}}}}},
            "components": {"comp-work": {"executorLabel": "exec-work"}},
            "deploymentSpec": {"executors": {"exec-work": executor}},
        }
    )
    config = v1.PipelineJob.RuntimeConfig(gcs_output_directory="gs://b/root")
    return v1.PipelineJob(display_name="nightly", pipeline_spec=spec, runtime_config=config, labels={"team": "t"})


def schedule(cron: str, *command: str, **fields: object) -> v1.Schedule:
    """A schedule of a pipeline of one task."""
    request = v1.CreatePipelineJobRequest(parent=PARENT, pipeline_job=job(*command))
    usual: dict[str, object] = {
        "display_name": "nightly",
        "cron": cron,
        "max_concurrent_run_count": 1,
        "create_pipeline_job_request": request,
    }
    return v1.Schedule(**{**usual, **fields})


def ids(runs: list[v1.PipelineJob]) -> list[str]:
    """The ids of jobs."""
    return [run.name.rpartition("/")[2] for run in runs]


def mask(*paths: str) -> field_mask_pb2.FieldMask:
    """An update mask."""
    return field_mask_pb2.FieldMask(paths=paths)


def test_a_week_of_nights_has_seven_runs(site: Site) -> None:
    """At 5:30 in Chicago, which is 11:30 UTC until 7 March 2026 and 10:30 from then on; the ids have the UTC time."""
    made = site.create("TZ=America/Chicago 30 5 * * *")
    assert made.state == State.ACTIVE
    assert (made.start_time, made.next_run_time) == (START, START + 11.5 * HOUR)
    assert made.started_run_count == 0
    after = site.pass_by(7 * DAY, made.name)
    runs = site.runs(made.name)
    times = ["20260302113000", "20260303113000", "20260304113000", "20260305113000", "20260306113000"]
    assert ids(runs) == [f"nightly-trips-{time_}" for time_ in [*times, "20260307113000", "20260308103000"]]
    assert after.started_run_count == 7
    assert after.next_run_time == START + 7 * DAY + 10.5 * HOUR
    last = after.last_scheduled_run_response
    assert (last.scheduled_run_time, last.run_response) == (START + 6 * DAY + 10.5 * HOUR, runs[-1].name)
    assert runs[0].schedule_name == made.name
    assert (runs[0].display_name, dict(runs[0].labels)) == ("nightly", {"team": "t"})
    ended = v1.PipelineState.PIPELINE_STATE_SUCCEEDED
    soon(lambda: all(run.state == ended for run in site.runs(made.name)))


def test_a_schedule_ends_with_its_number_of_runs(site: Site) -> None:
    """It is COMPLETED then, and cannot be paused, resumed or changed."""
    made = site.create(max_run_count=2)
    after = site.pass_by(5 * HOUR, made.name)
    assert (after.state, after.started_run_count) == (State.COMPLETED, 2)
    assert "next_run_time" not in after
    assert len(site.runs(made.name)) == 2
    for change in (site.schedules.pause_schedule, site.schedules.resume_schedule):
        refused(CONFLICT, "is COMPLETED", lambda change=change: change(name=made.name))  # type: ignore[misc] # bound
    asked = v1.Schedule(name=made.name, display_name="x")
    refused(
        CONFLICT,
        "is COMPLETED",
        lambda: site.schedules.update_schedule(schedule=asked, update_mask=mask("display_name")),
    )


def test_a_schedule_ends_at_its_end(site: Site) -> None:
    """The run of that very moment still starts; the schedule is ACTIVE until then."""
    made = site.create(start_time=START + 2 * HOUR, end_time=START + 3.5 * HOUR)
    assert made.next_run_time == START + 2 * HOUR
    site.pass_by(2 * HOUR, made.name)
    assert site.pass_by(HOUR, made.name).state == State.ACTIVE
    site.clock.advance(HOUR)
    soon(lambda: site.get(made.name).state == State.COMPLETED)
    assert ids(site.runs(made.name)) == ["nightly-trips-20260302020000", "nightly-trips-20260302030000"]


@pytest.mark.parametrize(
    ("catch_up", "hours"), [(False, ["01", "05"]), (True, ["01", "02", "03", "04", "05"])], ids=["anew", "catch up"]
)
def test_a_paused_schedule_starts_nothing(site: Site, catch_up: bool, hours: list[str]) -> None:
    """Resumed, it goes on from now, or starts first what it has missed, where it is to catch up."""
    made = site.create()
    site.pass_by(HOUR, made.name)
    site.schedules.pause_schedule(name=made.name)
    refused(CONFLICT, "is PAUSED", lambda: site.schedules.pause_schedule(name=made.name))
    site.clock.advance(3.5 * HOUR)
    paused = site.get(made.name)
    assert (paused.state, paused.last_pause_time) == (State.PAUSED, START + HOUR)
    site.schedules.resume_schedule(v1.ResumeScheduleRequest(name=made.name, catch_up=catch_up))
    resumed = site.settled(made.name)
    assert (resumed.state, resumed.last_resume_time) == (State.ACTIVE, START + 4.5 * HOUR)
    assert resumed.catch_up == catch_up
    refused(CONFLICT, "is ACTIVE", lambda: site.schedules.resume_schedule(name=made.name))
    site.pass_by(HOUR, made.name)
    assert ids(site.runs(made.name)) == [f"nightly-trips-20260302{hour}0000" for hour in hours]


def test_a_run_is_skipped_while_as_many_as_may_be_are_active(site: Site) -> None:
    """It is not counted, and the next one starts when the active one has ended by then."""
    request = v1.CreatePipelineJobRequest(parent=PARENT, pipeline_job=job("sleep", "60"))
    made = site.create(create_pipeline_job_request=request, max_concurrent_active_run_count=1)
    assert site.pass_by(3 * HOUR, made.name).started_run_count == 1
    (run,) = site.runs(made.name)
    site.pipelines.cancel_pipeline_job(name=run.name)
    soon(lambda: site.runs(made.name)[0].state == v1.PipelineState.PIPELINE_STATE_CANCELLED)
    assert site.pass_by(HOUR, made.name).started_run_count == 2
    assert ids(site.runs(made.name)) == ["nightly-trips-20260302010000", "nightly-trips-20260302040000"]


def test_a_run_is_queued_where_that_is_allowed(site: Site) -> None:
    """It starts when the active one has ended, with the time for which it was scheduled."""
    request = v1.CreatePipelineJobRequest(parent=PARENT, pipeline_job=job("sleep", "60"))
    made = site.create(
        create_pipeline_job_request=request, max_concurrent_active_run_count=1, allow_queueing=True, max_run_count=2
    )
    site.clock.advance(3.5 * HOUR)
    soon(lambda: site.runs(made.name))
    behind = site.get(made.name)
    assert (behind.started_run_count, behind.next_run_time) == (1, START + 2 * HOUR)
    site.pipelines.cancel_pipeline_job(name=site.runs(made.name)[0].name)
    soon(lambda: site.get(made.name).state == State.COMPLETED)
    assert ids(site.runs(made.name)) == ["nightly-trips-20260302010000", "nightly-trips-20260302020000"]


def test_a_change_holds_from_now_on(site: Site) -> None:
    """The next run is by the new cron; what the mask leaves out stays."""
    made = site.create()
    site.clock.advance(0.5 * HOUR)
    asked = v1.Schedule(name=made.name, cron="15 12 * * *", display_name="noon", allow_queueing=True)
    changed = site.schedules.update_schedule(schedule=asked, update_mask=mask("cron", "allow_queueing"))
    assert (changed.cron, changed.display_name, changed.allow_queueing) == ("15 12 * * *", "nightly", True)
    assert changed.next_run_time == START + 12.25 * HOUR
    assert site.pass_by(DAY, made.name).started_run_count == 1


@pytest.mark.parametrize(
    ("fields", "paths", "text"),
    [
        ({}, [], "update_mask names []"),
        ({}, ["state"], "update_mask names ['state']"),
        ({}, ["display_name"], "schedule.display_name cannot be unset"),
        ({}, ["max_run_count"], "schedule.max_run_count cannot be unset"),
        ({"cron": "every day"}, ["cron"], "five fields of crontab"),
        ({"end_time": START}, ["end_time"], "must be after its start"),
    ],
)
def test_a_wrong_change_is_refused(site: Site, fields: dict[str, object], paths: list[str], text: str) -> None:
    """And changes nothing."""
    made = site.create()
    asked = v1.Schedule(name=made.name, **fields)
    refused(INVALID, text, lambda: site.schedules.update_schedule(schedule=asked, update_mask=mask(*paths)))
    assert site.get(made.name) == made


def test_a_deleted_schedule_starts_nothing_more(site: Site) -> None:
    """Its runs stay."""
    made = site.create()
    site.pass_by(HOUR, made.name)
    vx.done(site.schedules.delete_schedule(name=made.name))
    refused(MISSING, made.name, lambda: site.get(made.name))
    other = site.create()
    site.pass_by(2 * HOUR, other.name)
    assert len(site.runs(made.name)) == 1


def test_two_schedules_of_a_pipeline_do_not_get_in_each_other_s_way(site: Site) -> None:
    """Runs of one moment have ids of their own."""
    names = [site.create().name for _ in range(2)]
    site.clock.advance(HOUR)
    for name in names:
        assert site.settled(name).started_run_count == 1
    assert len({*ids(site.runs(names[0])), *ids(site.runs(names[1]))}) == 2


def test_a_run_that_fails_does_not_end_its_schedule(site: Site) -> None:
    """It has started, so it counts."""
    made = site.create()
    with faults(site.state, fault("CreatePipelineJob", "operation_fails", "INTERNAL", "out of order")):
        site.pass_by(HOUR, made.name)
        failed = v1.PipelineState.PIPELINE_STATE_FAILED
        soon(lambda: [run.state for run in site.runs(made.name)] == [failed])
    assert site.pass_by(HOUR, made.name).started_run_count == 2


def test_schedules_go_on_after_a_restart(tmp_path: Path) -> None:
    """With the runs from then on: what would have started while the emulator was down is left out."""
    clock = ManualClock(START)
    with site_on(tmp_path, clock) as before:
        name = before.create().name
        before.pass_by(HOUR, name)
    clock.advance(3.5 * HOUR)
    with site_on(tmp_path, clock) as after:
        after.pass_by(HOUR, name)
        assert ids(after.runs(name)) == ["nightly-trips-20260302010000", "nightly-trips-20260302050000"]


def test_schedules_are_listed(site: Site) -> None:
    """The newest first; by name and state."""
    old = site.create(display_name="one")
    site.clock.advance(dt.timedelta(minutes=1))
    new = site.create(display_name="two")
    site.schedules.pause_schedule(name=new.name)
    assert [found.name for found in site.schedules.list_schedules(parent=PARENT)] == [new.name, old.name]
    for filter_, name in (('display_name="one"', old.name), ('state="PAUSED"', new.name)):
        request = v1.ListSchedulesRequest(parent=PARENT, filter=filter_)
        assert [found.name for found in site.schedules.list_schedules(request)] == [name]


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({"display_name": ""}, INVALID, "schedule.display_name must have 1 to 128"),
        ({"max_concurrent_run_count": 0}, INVALID, "schedule.max_concurrent_run_count is required"),
        ({"max_run_count": -1}, INVALID, "schedule.max_run_count must not be negative"),
        ({"create_pipeline_job_request": None}, INVALID, "create_pipeline_job_request is required"),
        ({"cron": ""}, INVALID, "five fields of crontab"),
        ({"end_time": START}, INVALID, "schedule.end_time 2026-03-02T00:00:00Z must be after"),
        ({"start_time": START + DAY, "end_time": START + HOUR}, INVALID, "must be after its start"),
        ({"catch_up": True}, UNIMPLEMENTED, "schedule.catch_up"),
    ],
)
def test_a_wrong_schedule_is_refused(site: Site, fields: dict[str, Any], status: str, text: str) -> None:
    """With the field that is wrong."""
    refused(status, text, lambda: site.create(**fields))
    assert not list(site.schedules.list_schedules(parent=PARENT))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"pipeline_job_id": "mine"}, "pipeline_job_id cannot be given"),
        ({"parent": PARENT.replace(LOCATION, "europe-west4")}, "create_pipeline_job_request.parent must be"),
        ({"pipeline_job": v1.PipelineJob(display_name="x")}, "gcs_output_directory"),
    ],
)
def test_a_wrong_pipeline_job_is_refused_with_its_schedule(site: Site, fields: dict[str, object], text: str) -> None:
    """Not only when it would be started."""
    usual: dict[str, object] = {"parent": PARENT, "pipeline_job": job()}
    request = v1.CreatePipelineJobRequest(**{**usual, **fields})
    refused(INVALID, text, lambda: site.create(create_pipeline_job_request=request))


def test_the_sdk_makes_and_changes_schedules(emulator: Emulator, tmp_path: Path) -> None:
    """`PipelineJob.create_schedule` and what follows, on the emulator with the machine's own clock."""
    from google.cloud import aiplatform  # noqa: PLC0415 - takes seconds, which other tests need not wait for

    aiplatform.init(
        project=PROJECT,
        location=LOCATION,
        api_endpoint=emulator.endpoints.aiplatform,
        api_transport="rest",
        credentials=AnonymousCredentials(),
    )
    spec = json_format.MessageToDict(v1.PipelineJob.pb(job()).pipeline_spec)
    file = tmp_path / "pipeline.yaml"
    file.write_text(yaml.safe_dump({**spec, "schemaVersion": "2.1.0", "sdkVersion": "kfp-2.17.3"}))
    order = aiplatform.PipelineJob(
        display_name="nightly", template_path=str(file), pipeline_root="gs://b/root", labels={"team": "t"}
    )
    name = vx.fresh("nightly")
    made = order.create_schedule(cron="TZ=Europe/Berlin 0 3 1 1 *", display_name=name, max_concurrent_run_count=1)
    assert (made.state, made.cron, made.max_concurrent_run_count) == (State.ACTIVE, "TZ=Europe/Berlin 0 3 1 1 *", 1)
    made.update(cron="0 3 1 1 *")
    made.pause()
    made.resume(catch_up=True)
    (found,) = aiplatform.PipelineJobSchedule.list(filter=f'display_name="{name}"')
    assert (found.cron, found.state, found.list_jobs(enable_simple_view=False)) == ("0 3 1 1 *", State.ACTIVE, [])
    made.delete()
