"""Custom jobs: the environment of replicas, how jobs end, and what is refused before they start."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from google.cloud import aiplatform_v1 as v1

from emulator.project import project_number
from tests.contract import vertex as vx
from tests.contract.conftest import PROJECT, Emulator
from tests.contract.vertex import CONFLICT, INVALID, MISSING, PARENT, UNIMPLEMENTED, Vertex, fresh, refused

STATE = v1.JobState
ENDED = {STATE.JOB_STATE_SUCCEEDED, STATE.JOB_STATE_FAILED, STATE.JOB_STATE_CANCELLED}
MACHINE = v1.MachineSpec(machine_type="n1-standard-4")
TELL = "import json, os, sys; json.dump(dict(os.environ), open(sys.argv[1], 'w'))"
_SOON_S = 30.0


@pytest.fixture(scope="module")
def vertex(emulator: Emulator) -> Vertex:
    """Clients of the shared emulator."""
    return vx.connect(emulator)


def python(code: str, *arguments: str, env: Mapping[str, str] | None = None) -> v1.ContainerSpec:
    """A container that runs a piece of Python."""
    variables = [v1.EnvVar(name=name, value=value) for name, value in (env or {}).items()]
    return v1.ContainerSpec(image_uri=vx.IMAGE, command=["python", "-S", "-c", code], args=arguments, env=variables)


def pool(container: v1.ContainerSpec, count: int = 1, machine: v1.MachineSpec = MACHINE) -> v1.WorkerPoolSpec:
    """A worker pool."""
    return v1.WorkerPoolSpec(machine_spec=machine, replica_count=count, container_spec=container)


def job(*pools: v1.WorkerPoolSpec, **spec: object) -> v1.CustomJob:
    """A job of some pools."""
    return v1.CustomJob(display_name="train", job_spec=v1.CustomJobSpec(worker_pool_specs=pools, **spec))


def submit(vertex: Vertex, wanted: v1.CustomJob) -> str:
    """Starts a job; gives its name."""
    return str(vertex.jobs.create_custom_job(parent=PARENT, custom_job=wanted).name)


def end(vertex: Vertex, name: str) -> v1.CustomJob:
    """The job once it has ended."""
    return wait(vertex, name, *ENDED)


def wait(vertex: Vertex, name: str, *states: v1.JobState) -> v1.CustomJob:
    """The job once it is in one of the states."""
    deadline = time.monotonic() + _SOON_S
    while (found := vertex.jobs.get_custom_job(name=name)).state not in states:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def test_a_single_replica_gets_its_environment(vertex: Vertex, tmp_path: Path) -> None:
    """The directories end in a slash; there is no TF_CONFIG; own variables may name the service's."""
    told = tmp_path / "told"
    own = {"OWN": "1", "BOTH": "$(OWN)$(AIP_MODEL_DIR)"}
    wanted = job(
        pool(python(TELL, str(told), env=own)), base_output_directory=v1.GcsDestination(output_uri_prefix="gs://b/run")
    )
    ended = end(vertex, submit(vertex, wanted))
    assert ended.state == STATE.JOB_STATE_SUCCEEDED
    assert ended.create_time <= ended.start_time <= ended.end_time
    variables = json.loads(told.read_text())
    assert {name: variables[name] for name in variables if name.startswith(("AIP_", "OWN", "BOTH"))} == {
        "AIP_MODEL_DIR": "gs://b/run/model/",
        "AIP_CHECKPOINT_DIR": "gs://b/run/checkpoints/",
        "AIP_TENSORBOARD_LOG_DIR": "gs://b/run/logs/",
        "OWN": "1",
        "BOTH": "1gs://b/run/model/",
    }
    assert variables["CLOUD_ML_PROJECT_ID"] == project_number(PROJECT)
    assert "TF_CONFIG" not in variables
    assert json.loads(variables["CLUSTER_SPEC"])["task"] == {"type": "workerpool0", "index": 0}


def test_without_an_output_directory_there_are_none(vertex: Vertex, tmp_path: Path) -> None:
    """The AIP variables are there only with `base_output_directory`."""
    told = tmp_path / "told"
    end(vertex, submit(vertex, job(pool(python(TELL, str(told))))))
    assert not [name for name in json.loads(told.read_text()) if name.startswith("AIP_")]


def test_replicas_know_each_other(vertex: Vertex, tmp_path: Path) -> None:
    """One chief and two workers, each with a port of its own, in TensorFlow's words and in Vertex AI's."""
    code = "import json, os, sys; task = json.loads(os.environ['TF_CONFIG'])['task']; "
    code += "json.dump(dict(os.environ), open(f\"{sys.argv[1]}/{task['type']}{task['index']}\", 'w'))"
    ended = end(vertex, submit(vertex, job(pool(python(code, str(tmp_path))), pool(python(code, str(tmp_path)), 2))))
    assert ended.state == STATE.JOB_STATE_SUCCEEDED
    told = {path.name: json.loads(path.read_text()) for path in tmp_path.iterdir()}
    assert set(told) == {"chief0", "worker0", "worker1"}
    configs = [json.loads(variables["TF_CONFIG"]) for variables in told.values()]
    assert len({json.dumps(config["cluster"]) for config in configs}) == 1
    cluster = configs[0]["cluster"]
    assert {name: len(addresses) for name, addresses in cluster.items()} == {"chief": 1, "worker": 2}
    assert len({*cluster["chief"], *cluster["worker"]}) == 3
    spec = json.loads(told["worker1"]["CLUSTER_SPEC"])
    assert spec["cluster"] == {"workerpool0": cluster["chief"], "workerpool1": cluster["worker"]}
    assert spec["task"] == {"type": "workerpool1", "index": 1}


def test_a_failed_replica_fails_the_job_and_ends_the_others(vertex: Vertex, tmp_path: Path) -> None:
    """The message holds the replica, its exit code and its last lines."""
    others = tmp_path / "pid"
    sleeper = python(f"import os, time; open({str(others)!r}, 'w').write(str(os.getpid())); time.sleep(60)")
    waits = f"""
import os, sys, time
while not (os.path.exists({str(others)!r}) and open({str(others)!r}).read()):
    time.sleep(0.01)
print('epoch 1')
sys.exit('loss is NaN')
"""
    failing = python(waits)
    ended = end(vertex, submit(vertex, job(pool(sleeper), pool(failing))))
    assert ended.state == STATE.JOB_STATE_FAILED
    assert ended.error.message == "replica workerpool1-0 ended with 1:\nepoch 1\nloss is NaN"
    with pytest.raises(ProcessLookupError):
        os.kill(int(others.read_text()), 0)


def test_parameter_servers_do_not_keep_a_job_going(vertex: Vertex) -> None:
    """The job has succeeded when chief and workers have."""
    serve = python("import time; time.sleep(60)")
    quick = python("pass")
    ended = end(vertex, submit(vertex, job(pool(quick), pool(quick), pool(serve))))
    assert ended.state == STATE.JOB_STATE_SUCCEEDED


def test_a_job_is_cancelled(vertex: Vertex, tmp_path: Path) -> None:
    """Its replicas end; it can be deleted then, not before."""
    told = tmp_path / "pid"
    name = submit(
        vertex, job(pool(python(f"import os, time; open({str(told)!r}, 'w').write(str(os.getpid())); time.sleep(60)")))
    )
    wait(vertex, name, STATE.JOB_STATE_RUNNING)
    refused(CONFLICT, "still runs", lambda: vertex.jobs.delete_custom_job(name=name))
    deadline = time.monotonic() + _SOON_S
    while not (told.exists() and told.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)
    vertex.jobs.cancel_custom_job(name=name)
    assert end(vertex, name).state == STATE.JOB_STATE_CANCELLED
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)
    vx.done(vertex.jobs.delete_custom_job(name=name))
    refused(MISSING, name, lambda: vertex.jobs.get_custom_job(name=name))


def test_a_job_that_is_cancelled_at_once_does_not_run_on(vertex: Vertex) -> None:
    """Also when its replicas are not started yet."""
    name = submit(vertex, job(pool(python("import time; time.sleep(60)"))))
    vertex.jobs.cancel_custom_job(name=name)
    assert end(vertex, name).state == STATE.JOB_STATE_CANCELLED


def test_a_job_has_a_timeout(vertex: Vertex) -> None:
    """One for all of its attempts: it is not started anew when it has run out."""
    scheduling = v1.Scheduling(timeout={"seconds": 1}, restart_job_on_worker_restart=True)
    started = time.monotonic()
    ended = end(vertex, submit(vertex, job(pool(python("import time; time.sleep(60)")), scheduling=scheduling)))
    assert (ended.state, ended.error.message) == (
        STATE.JOB_STATE_FAILED,
        "the job did not end within 1 s, its timeout",
    )
    assert time.monotonic() - started < 2.0


@pytest.mark.parametrize(
    ("restart", "ends", "state", "attempts"),
    [
        (True, "os.kill(os.getpid(), 9)", STATE.JOB_STATE_SUCCEEDED, 2),
        (False, "os.kill(os.getpid(), 9)", STATE.JOB_STATE_FAILED, 1),
        (True, "sys.exit(1)", STATE.JOB_STATE_FAILED, 1),
    ],
)
def test_a_job_starts_anew_when_a_replica_is_taken_away(
    vertex: Vertex, tmp_path: Path, restart: bool, ends: str, state: v1.JobState, attempts: int
) -> None:
    """Where its scheduling says so, and only when a signal ended the replica: an error of the code stays one."""
    told = tmp_path / "attempts"
    code = f"import os, sys\nopen({str(told)!r}, 'a').write('x')\nif len(open({str(told)!r}).read()) < 2: {ends}"
    scheduling = v1.Scheduling(restart_job_on_worker_restart=restart)
    assert end(vertex, submit(vertex, job(pool(python(code)), scheduling=scheduling))).state == state
    assert told.read_text() == "x" * attempts


def test_a_program_that_is_not_there_fails_the_job(vertex: Vertex) -> None:
    """With its name; the replica that was started before it ends."""
    missing = v1.ContainerSpec(image_uri=vx.IMAGE, command=["no-such-program"])
    ended = end(vertex, submit(vertex, job(pool(python("import time; time.sleep(60)")), pool(missing))))
    assert ended.state == STATE.JOB_STATE_FAILED
    assert "no-such-program" in ended.error.message


def test_jobs_are_listed_by_state_and_name(vertex: Vertex) -> None:
    """With a filter on an enum's name."""
    wanted = job(pool(python("pass")))
    wanted.display_name = fresh("listed")
    names = {submit(vertex, wanted), submit(vertex, wanted)}
    for name in names:
        end(vertex, name)
    request = v1.ListCustomJobsRequest(
        parent=PARENT, filter=f'display_name="{wanted.display_name}" AND state="JOB_STATE_SUCCEEDED"', page_size=1
    )
    assert {found.name for found in vertex.jobs.list_custom_jobs(request)} == names


QUICK = python("pass")
T4, L4, V3 = (v1.AcceleratorType[name] for name in ("NVIDIA_TESLA_T4", "NVIDIA_L4", "TPU_V3"))
WITH_T4 = v1.MachineSpec(machine_type="n1-standard-4", accelerator_type=T4, accelerator_count=1)
WITH_L4 = v1.MachineSpec(machine_type="g2-standard-4", accelerator_type=L4, accelerator_count=1)
L4_TWICE = v1.MachineSpec(machine_type="g2-standard-24", accelerator_type=L4, accelerator_count=2)
V3_POD = v1.MachineSpec(machine_type="cloud-tpu", accelerator_type=V3, accelerator_count=32)
V5E = v1.MachineSpec(machine_type="ct5lp-hightpu-8t", tpu_topology="2x4")
V5E_POD = v1.MachineSpec(machine_type="ct5lp-hightpu-4t", tpu_topology="2x4")


def disk(kind: str, size_gb: int) -> v1.WorkerPoolSpec:
    """A worker pool with a boot disk of its own."""
    spec = v1.DiskSpec(boot_disk_type=kind, boot_disk_size_gb=size_gb)
    return v1.WorkerPoolSpec(machine_spec=MACHINE, replica_count=1, container_spec=QUICK, disk_spec=spec)


def test_a_job_shows_what_it_got(vertex: Vertex) -> None:
    """The boot disk that it did not name, and no restarts where it wants no retries."""
    scheduling = {"strategy": "SPOT", "disable_retries": True, "restart_job_on_worker_restart": True}
    made = vertex.jobs.create_custom_job(parent=PARENT, custom_job=job(pool(QUICK), scheduling=scheduling))
    shown, boot = made.job_spec.scheduling, made.job_spec.worker_pool_specs[0].disk_spec
    assert (shown.strategy, shown.disable_retries) == (v1.Scheduling.Strategy.SPOT, True)
    assert not shown.restart_job_on_worker_restart
    assert (boot.boot_disk_type, boot.boot_disk_size_gb) == ("pd-ssd", 100)
    assert end(vertex, made.name).state == STATE.JOB_STATE_SUCCEEDED


@pytest.mark.parametrize(
    ("machine", "scheduling"),
    [
        (WITH_L4, {"strategy": "FLEX_START", "max_wait_duration": {"seconds": 3600}}),
        (V5E, {"strategy": "SPOT"}),
        (V3_POD, {"strategy": "STANDARD"}),
    ],
)
def test_these_strategies_are_for_these_machines(
    vertex: Vertex, machine: v1.MachineSpec, scheduling: dict[str, object]
) -> None:
    """Flex Start for newer GPUs, spot for TPUs of one machine; what was asked for is kept."""
    made = vertex.jobs.create_custom_job(
        parent=PARENT, custom_job=job(pool(QUICK, machine=machine), scheduling=scheduling)
    )
    assert made.job_spec.scheduling == v1.Scheduling(scheduling)
    assert made.job_spec.worker_pool_specs[0].machine_spec == machine
    assert end(vertex, made.name).state == STATE.JOB_STATE_SUCCEEDED


@pytest.mark.parametrize(("scheduling", "attempts"), [({}, 7), ({"disable_retries": True}, 1)])
def test_spot_machines_that_are_taken_away_are_a_stockout(
    vertex: Vertex, tmp_path: Path, scheduling: dict[str, object], attempts: int
) -> None:
    """After six restarts, or at once where the job wants no retries."""
    told = tmp_path / "attempts"
    code = f"import os\nopen({str(told)!r}, 'a').write('x')\nos.kill(os.getpid(), 9)"
    wanted = job(pool(python(code)), scheduling={"strategy": "SPOT", **scheduling})
    ended = end(vertex, submit(vertex, wanted))
    assert ended.state == STATE.JOB_STATE_FAILED
    assert ended.error.message.startswith("STOCKOUT: spot machines were taken away")
    assert told.read_text() == "x" * attempts


@pytest.mark.parametrize(
    ("wanted", "status", "text"),
    [
        (v1.CustomJob(job_spec=job(pool(QUICK)).job_spec), INVALID, "custom_job.display_name"),
        (job(), INVALID, "1 to 4 entries, got 0"),
        (job(pool(QUICK, 2)), INVALID, "worker_pool_specs[0].replica_count must be 1, got 2"),
        (job(pool(QUICK), pool(QUICK, 0)), INVALID, "worker_pool_specs[1].replica_count must be at least 1"),
        (job(pool(v1.ContainerSpec(command=["x"]))), INVALID, "container_spec.image_uri is required"),
        (job(pool(v1.ContainerSpec(image_uri="x"))), UNIMPLEMENTED, "container_spec.command"),
        (job(pool(python("pass", env={"X": ""}))), INVALID, "X has an empty value"),
        (job(pool(python("pass", env={f"X{i}": "1" for i in range(101)}))), INVALID, "at most 100 variables"),
        (job(pool(python("pass", "x" * 100_001))), INVALID, "at most 100000 characters"),
        (job(pool(QUICK, machine=v1.MachineSpec())), INVALID, "machine_spec.machine_type is required"),
        (job(pool(QUICK, machine=v1.MachineSpec(machine_type="huge"))), INVALID, "no machine 'huge'"),
        (job(pool(QUICK, machine=v1.MachineSpec(machine_type="n1-standard-2"))), INVALID, "too small for training"),
        (
            job(pool(QUICK, machine=v1.MachineSpec(machine_type="n1-standard-4", accelerator_type=T4))),
            INVALID,
            "accelerator_type and accelerator_count belong together",
        ),
        (
            job(
                pool(
                    QUICK,
                    machine=v1.MachineSpec(machine_type="e2-standard-4", accelerator_type=T4, accelerator_count=1),
                )
            ),
            INVALID,
            "e2-standard-4 does not take 1 NVIDIA_TESLA_T4",
        ),
        (job(pool(QUICK), base_output_directory={"output_uri_prefix": "/run"}), INVALID, "must be a gs:// URI"),
        (job(pool(QUICK), tensorboard="projects/1/x"), UNIMPLEMENTED, "job_spec.tensorboard"),
        (job(pool(QUICK), scheduling={"strategy": "LOW_COST"}), UNIMPLEMENTED, "the deprecated strategy LOW_COST"),
        (job(pool(QUICK), scheduling={"timeout": {"seconds": -1}}), INVALID, "timeout must not be negative, got -1 s"),
        (job(pool(QUICK, machine=V3_POD), scheduling={"strategy": "SPOT"}), INVALID, "SPOT is not for TPU pods"),
        (job(pool(QUICK, machine=V5E_POD), scheduling={"strategy": "SPOT"}), INVALID, "SPOT is not for TPU pods"),
        (job(pool(QUICK, machine=WITH_T4), scheduling={"strategy": "FLEX_START"}), INVALID, "got NVIDIA_TESLA_T4"),
        (job(pool(QUICK), scheduling={"strategy": "FLEX_START"}), INVALID, "got n1-standard-4"),
        (
            job(pool(QUICK, machine=WITH_L4), pool(QUICK, machine=L4_TWICE), scheduling={"strategy": "FLEX_START"}),
            INVALID,
            "the same machine in all worker pools",
        ),
        (
            job(pool(QUICK, machine=WITH_L4), scheduling={"strategy": "FLEX_START", "timeout": {"seconds": 604_801}}),
            INVALID,
            "a timeout of at most 604800 s, got 604801 s",
        ),
        (job(pool(QUICK, machine=V5E), pool(QUICK)), INVALID, "exactly one worker pool with one replica"),
        (
            job(pool(QUICK, machine=v1.MachineSpec(machine_type="ct5lp-hightpu-4t"))),
            INVALID,
            "worker_pool_specs[0].machine_spec.tpu_topology is required for ct5lp-hightpu-4t",
        ),
        (job(disk("pd-fast", 100)), INVALID, "boot_disk_type must be one of"),
        (job(disk("pd-ssd", 99)), INVALID, "boot_disk_size_gb must be 100 to 64000, got 99"),
        (job(disk("pd-ssd", 64_001)), INVALID, "boot_disk_size_gb must be 100 to 64000, got 64001"),
        (job(pool(QUICK), enable_web_access=True), UNIMPLEMENTED, "job_spec.enable_web_access"),
        (
            job(v1.WorkerPoolSpec(machine_spec=MACHINE, replica_count=1, python_package_spec={"python_module": "x"})),
            UNIMPLEMENTED,
            "worker_pool_specs[0].python_package_spec",
        ),
    ],
)
def test_a_wrong_job_is_refused(vertex: Vertex, wanted: v1.CustomJob, status: str, text: str) -> None:
    """Before anything is started, with the field that is wrong or that the emulator does not have."""
    refused(status, text, lambda: submit(vertex, wanted))
