"""The training job as Vertex AI is asked for it, against golden files that Google's own types read.

`python -m tests.unit.plumbline.adapters.test_custom_job` writes them anew; read the difference before you keep it.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from google.cloud import aiplatform_v1 as vertex
from google.protobuf import json_format

from emulator.aiplatform.custom_jobs import resource
from plumbline.adapters.custom_jobs import Job, custom_job
from plumbline.environment import Place
from plumbline.hardware import PRESETS, Hardware
from plumbline.section import from_json
from plumbline.training import COMMAND, ENVIRONMENT

GOLDEN = Path(__file__).parents[3] / "golden" / "custom_jobs"
JOB = Job(
    name="orders-train",
    image="us-central1-docker.pkg.dev/my-project/plumbline/trainer@sha256:" + "a" * 64,
    command=COMMAND,
    arguments=("--dataset=gs://my-bucket/dataset", "--history=gs://my-bucket/history.json"),
    environment=ENVIRONMENT,
    output="gs://my-bucket/run/train",
    labels={"run": "run-1"},
)
PLACE = Place(
    project="my-project",
    location="us-central1",
    bucket="my-bucket",
    dataset="orders",
    bigquery_location="us-central1",
    service_account="pipeline@my-project.iam.gserviceaccount.com",
    labels={"environment": "dev"},
)
PRIVATE = Place(
    project="my-project",
    location="us-central1",
    bucket="my-bucket",
    dataset="orders",
    bigquery_location="us-central1",
    network="projects/123/global/networks/private",
    encryption_key="projects/my-project/locations/us-central1/keyRings/ring/cryptoKeys/key",
)
V5E = Hardware(machine_type="ct5lp-hightpu-4t", tpu_topology="2x2")


def preset(name: str) -> Hardware:
    """A preset as a config names it."""
    return from_json(Hardware, json.dumps(name))


CASES: Mapping[str, tuple[Place, Hardware]] = {
    **{name: (PLACE, preset(name)) for name in PRESETS},
    "spot": (PLACE, Hardware(preset="multi-worker", scheduling="spot", disk_gb=200)),
    "flex_start": (
        PLACE,
        Hardware(
            machine_type="g2-standard-8",
            accelerator_type="NVIDIA_L4",
            accelerator_count=1,
            scheduling="flex_start",
            wait_s=3600,
        ),
    ),
    "reserved": (
        PLACE,
        Hardware(preset="gpu", reservation="projects/my-project/zones/us-central1-a/reservations/mine", restart=False),
    ),
    "v5e": (PLACE, V5E),
    "private": (PRIVATE, Hardware()),
}


def body(place: Place, hardware: Hardware) -> str:
    """The JSON of the request's body."""
    message = vertex.CustomJob.pb(custom_job(place, JOB, hardware))
    return json.dumps(json_format.MessageToDict(message), indent=2, sort_keys=True) + "\n"


@pytest.mark.parametrize("name", CASES)
def test_the_job_is_the_golden_one(name: str) -> None:
    """Each preset and each way to get machines makes the job that somebody has read."""
    assert body(*CASES[name]) == (GOLDEN / f"{name}.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_google_s_types_read_the_golden_file(path: Path) -> None:
    """No field is misspelt, and no file is left of a case that is gone."""
    json_format.Parse(path.read_text(encoding="utf-8"), vertex.CustomJob.pb()())
    assert path.stem in CASES


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_the_emulator_takes_the_golden_file(path: Path) -> None:
    """Its table of machines is another copy of Google's pages: two that agree."""
    resource.check(json_format.Parse(path.read_text(encoding="utf-8"), vertex.CustomJob.pb()()))


def test_several_replicas_are_a_chief_and_workers() -> None:
    """Four replicas: one chief, three workers, on the same machines with the same container."""
    chief, workers = custom_job(*with_job("multi-worker")).job_spec.worker_pool_specs
    assert (chief.replica_count, workers.replica_count) == (1, 3)
    assert chief.machine_spec == workers.machine_spec
    assert chief.container_spec == workers.container_spec


def test_a_v5e_is_asked_for_by_topology_and_told_to_tensorflow() -> None:
    """No accelerator type, and the two variables without which TensorFlow finds no TPU v5e."""
    (pool,) = custom_job(*with_job("v5e")).job_spec.worker_pool_specs
    machine = pool.machine_spec
    assert (machine.machine_type, machine.tpu_topology, machine.accelerator_count) == ("ct5lp-hightpu-4t", "2x2", 0)
    assert machine.accelerator_type == vertex.AcceleratorType.ACCELERATOR_TYPE_UNSPECIFIED
    assert {variable.name: variable.value for variable in pool.container_spec.env} == {
        "NEXT_PLUGGABLE_DEVICE_USE_C_API": "true",
        "TF_PLUGGABLE_DEVICE_LIBRARY_PATH": "/lib/libtpu.so",
        "TF_USE_LEGACY_KERAS": "1",
    }


def test_only_flex_start_waits_for_machines() -> None:
    """An hour with flex_start; with spot Vertex AI has no such setting."""
    flexible = custom_job(*with_job("flex_start")).job_spec.scheduling
    spot = custom_job(*with_job("spot")).job_spec.scheduling
    assert flexible.strategy == vertex.Scheduling.Strategy.FLEX_START
    assert flexible.max_wait_duration.total_seconds() == 3600
    assert spot.strategy == vertex.Scheduling.Strategy.SPOT
    assert not spot.max_wait_duration


@pytest.mark.parametrize("restart", [True, False])
def test_a_job_restarts_or_does_not_retry(restart: bool) -> None:
    """A restart is one way, and failing at the first trouble the other."""
    scheduling = custom_job(PLACE, JOB, Hardware(restart=restart)).job_spec.scheduling
    assert (scheduling.restart_job_on_worker_restart, scheduling.disable_retries) == (restart, not restart)


def test_the_key_encrypts_the_job() -> None:
    """The environment's key is the job's, and without one there is none."""
    assert custom_job(*with_job("private")).encryption_spec.kms_key_name == PRIVATE.encryption_key
    assert not custom_job(*with_job("cpu")).encryption_spec


def with_job(name: str) -> tuple[Place, Job, Hardware]:
    """The arguments of a case."""
    place, hardware = CASES[name]
    return place, JOB, hardware


if __name__ == "__main__":
    for name, case in CASES.items():
        (GOLDEN / f"{name}.json").write_text(body(*case), encoding="utf-8")
