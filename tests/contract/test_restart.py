"""What becomes of resources when the emulator ends, and another one starts on its state folder."""

import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from google.cloud import aiplatform_v1 as v1

from emulator.aiplatform.context import Context
from emulator.aiplatform.server import create_service
from emulator.clock import SystemClock
from emulator.processes import Supervisor
from emulator.serving import served
from emulator.store import Store
from tests.contract import test_tuning_jobs as searches
from tests.contract import vertex as vx
from tests.contract.conftest import LOCATION, PROJECT
from tests.contract.vertex import Vertex
from tests.waiting import soon

_SOON_S = 20.0


@contextmanager
def vertex_on(state: Path) -> Iterator[Vertex]:
    """Vertex AI alone on a state folder, until a clean stop."""
    path = f"{Path(sys.executable).parent}:{os.defpath}"
    supervisor = Supervisor({"PATH": path}, owner=str(state))
    context = Context(
        project=PROJECT,
        location=LOCATION,
        state=state,
        store=Store(state / "vertex.sqlite"),
        clock=SystemClock(),
        supervisor=supervisor,
    )
    service = create_service(context)
    with socket.create_server(("127.0.0.1", 0)) as listener, served(service.app, listener, "vertex"):
        try:
            yield vx.clients(f"http://127.0.0.1:{listener.getsockname()[1]}", state)
        finally:
            service.stop()
            supervisor.stop_all()


def test_what_was_deployed_serves_again(tmp_path: Path) -> None:
    """Endpoint, model and traffic are as they were, and new containers come up by themselves."""
    with vertex_on(tmp_path) as before:
        model, endpoint = vx.upload(before), vx.endpoint(before)
        deployed = vx.deploy(before, endpoint, model)
        (old,) = vx.pids(before, endpoint, 1)
    with pytest.raises(ProcessLookupError):
        os.kill(old, 0)
    with vertex_on(tmp_path) as after:
        assert dict(after.endpoints.get_endpoint(name=endpoint).traffic_split) == {deployed.id: 100}
        new = _pid_soon(after, endpoint)
        assert new != old
        assert after.models.get_model(name=model).deployed_models[0].deployed_model_id == deployed.id
        # Numbers go on where they were.
        assert int(vx.endpoint(after).rpartition("/")[2]) > int(endpoint.rpartition("/")[2])


def test_what_is_undeployed_while_it_comes_up_does_not_stay(tmp_path: Path) -> None:
    """The container that was being started again is ended."""
    with vertex_on(tmp_path) as before:
        spec = v1.ModelContainerSpec(image_uri=vx.IMAGE, command=vx.SERVING, env=[v1.EnvVar(name="SLOW", value="0.5")])
        model, endpoint = vx.upload(before, container_spec=spec), vx.endpoint(before)
        deployed = vx.deploy(before, endpoint, model)
    with vertex_on(tmp_path) as after:
        vx.done(after.endpoints.undeploy_model(endpoint=endpoint, deployed_model_id=deployed.id))
        deadline = time.monotonic() + _SOON_S
        while vx.containers_of(endpoint) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not vx.containers_of(endpoint)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_job_fails_with_the_emulator(tmp_path: Path, end: str) -> None:
    """And says so; it is not left running for ever."""
    container = v1.ContainerSpec(image_uri=vx.IMAGE, command=["sleep", "60"])
    machine = v1.MachineSpec(machine_type="n1-standard-4")
    pool = v1.WorkerPoolSpec(machine_spec=machine, replica_count=1, container_spec=container)
    wanted = v1.CustomJob(display_name="train", job_spec=v1.CustomJobSpec(worker_pool_specs=[pool]))
    with vertex_on(tmp_path / "stop") as before:
        name = before.jobs.create_custom_job(parent=vx.PARENT, custom_job=wanted).name
        _copy_as_a_kill_leaves_it(before, tmp_path / "kill")
    with vertex_on(tmp_path / end) as after:
        ended = after.jobs.get_custom_job(name=name)
    assert (ended.state, ended.error.message) == (
        v1.JobState.JOB_STATE_FAILED,
        "the emulator was stopped while the job ran",
    )


def test_a_search_fails_with_the_emulator(tmp_path: Path) -> None:
    """And so do the trials that ran."""
    wanted = searches.job("import time; time.sleep(60)", parameters=[searches.integers("x", 1, 9)], parallel=2)
    with vertex_on(tmp_path / "stop") as before:
        name = searches.submit(before, wanted)
        assert soon(lambda: len(searches.look(before, name).trials) == 2, within_s=_SOON_S)
        _copy_as_a_kill_leaves_it(before, tmp_path / "kill")
    with vertex_on(tmp_path / "kill") as after:
        ended = searches.look(after, name)
    assert (ended.state, ended.error.message) == (
        v1.JobState.JOB_STATE_FAILED,
        "the emulator was stopped while the job ran",
    )
    assert {trial.state for trial in ended.trials} == {v1.Trial.State.INFEASIBLE}


def test_an_operation_that_was_under_way_is_aborted(tmp_path: Path) -> None:
    """Whoever waits for it learns that it will not be done; nothing of it is on the endpoint."""
    with vertex_on(tmp_path / "state") as before:
        spec = v1.ModelContainerSpec(image_uri=vx.IMAGE, command=["sleep", "60"])
        model, endpoint = vx.upload(before, container_spec=spec), vx.endpoint(before)
        pending = before.endpoints.deploy_model(endpoint=endpoint, deployed_model=vx.deployed_model(model))
        _copy_as_a_kill_leaves_it(before, tmp_path / "kill")
    with vertex_on(tmp_path / "kill") as after:
        operation = after.endpoints.get_operation({"name": pending.operation.name})
        assert operation.done
        assert operation.error.message == "the emulator was stopped while this ran"
        assert not after.endpoints.get_endpoint(name=endpoint).deployed_models


def _copy_as_a_kill_leaves_it(vertex: Vertex, to: Path) -> None:
    shutil.copytree(vertex.state, to)


def _pid_soon(vertex: Vertex, endpoint: str) -> int:
    deadline = time.monotonic() + _SOON_S
    while True:
        try:
            return vx.pids(vertex, endpoint, 1)[0]
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
