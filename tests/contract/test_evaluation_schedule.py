"""The schedule of the evaluation: beside that of the training, and not to be mistaken for it."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.code import code_digest
from pipelines.evaluate import evaluation_order
from pipelines.parameters import local_images
from pipelines.run import Request, linked, order, start
from pipelines.session import Session
from plumbline.adapters import pipeline_jobs, schedules
from plumbline.adapters.clients import Clients
from plumbline.adapters.locks import held, lock_of
from plumbline.adapters.retraining import saved
from plumbline.adapters.storage import ensure_bucket
from plumbline.config import load_environment, load_problem
from plumbline.environment import Schedule, place
from plumbline.errors import ServiceError
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.vertex import fresh

CONFIGS = Path(__file__).parents[2] / "configs"
WEEKLY, DAILY = Schedule(cron="0 6 * * 1"), Schedule(cron="0 13 * * *")


@pytest.fixture
def session(emulator: Emulator, tmp_path: Path) -> Session:
    """The flights under another name, in the emulator's project."""
    loaded = load_problem(CONFIGS / "flights.yaml")
    named = replace(loaded, config=replace(loaded.config, name=fresh("flights").replace("-", "_")))
    local = load_environment(CONFIGS / "env" / "local.yaml")
    environment = replace(local, project=PROJECT, location=LOCATION, bucket="scheduled")
    clients = Clients(place(environment), emulator.environment)
    ensure_bucket(clients.storage(), clients.place)
    return Session(named, environment, clients, tmp_path, print)


def test_training_and_evaluation_have_a_schedule_each(session: Session) -> None:
    """Made once, unchanged after; the evaluation has the address of the very order that the training's schedule has."""
    code = code_digest()
    images = local_images(session.environment, code)
    spec = linked(images, state=session.state)
    request = Request(session.loaded, session.environment, session.clients, code, images, spec)
    at, where, name = session.clients.schedules(), session.clients.place, session.loaded.config.name
    training, evaluation = order(request, job_id=""), evaluation_order(session, request, job_id="", at="")
    assert [schedules.put(at, where, WEEKLY, training)[1] for _ in range(2)] == ["made", "unchanged"]
    assert [schedules.put(at, where, DAILY, evaluation)[1] for _ in range(2)] == ["made", "unchanged"]
    found = schedules.find(at, where, f"{name}-evaluation")
    assert found is not None
    assert found.cron == "TZ=UTC 0 13 * * *"
    job = found.create_pipeline_job_request.pipeline_job
    assert dict(job.labels).get("problem") is None
    assert job.labels["observes"] == name
    given = dict(job.runtime_config.parameter_values)
    assert saved(session.clients, str(given["order"])) == training
    assert given["at"] == ""
    assert schedules.pause(at, where, name)
    assert not schedules.pause(at, where, name)
    assert schedules.pause(at, where, f"{name}-evaluation")


def test_a_run_by_hand_waits_for_no_other_caller(session: Session) -> None:
    """While somebody starts a run of the problem, another one is refused, and none is started."""
    now = dt.datetime.now(dt.UTC)
    images = local_images(session.environment, "0" * 64)
    spec = linked(images, state=session.state)
    request = Request(session.loaded, session.environment, session.clients, "0" * 64, images, spec)
    where, name = session.clients.place, session.loaded.config.name
    with held(session.clients.storage(), where.bucket, lock_of(name), now=now, holder="other") as ours:
        assert ours
        with pytest.raises(ServiceError, match=f"another caller is starting a run of {name} at this moment"):
            start(request, print, now=lambda: now)
    assert pipeline_jobs.jobs(session.clients.pipelines(), where, name) == []


def test_an_evaluation_is_no_training(session: Session) -> None:
    """One that is under way does not stand against a training."""
    code = code_digest()
    images = local_images(session.environment, code)
    request = Request(
        session.loaded, session.environment, session.clients, code, images, linked(images, state=session.state)
    )
    wanted = evaluation_order(session, request, job_id=fresh("evaluation"), at="")
    pipelines = session.clients.pipelines()
    name = pipeline_jobs.submit(pipelines, session.clients.place, wanted)
    assert pipeline_jobs.jobs(pipelines, session.clients.place, session.loaded.config.name) == []
    pipeline_jobs.cancel(pipelines, name)
