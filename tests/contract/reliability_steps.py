"""The cloud steps as the fault matrix tries them: where each begins, what it does, and what it may leave."""

import gc
import hashlib
import time
import uuid
import warnings
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from google.api_core import exceptions
from google.cloud import aiplatform_v1 as vertex

from pipelines.images import Wanted, obtain
from plumbline.adapters import bigquery as bq
from plumbline.adapters import custom_jobs, monitoring_jobs, pipeline_jobs, registry, schedules, snapshot
from plumbline.adapters import endpoints as on
from plumbline.adapters.clients import Clients
from plumbline.adapters.custom_jobs import Job
from plumbline.adapters.ingestion import ingest
from plumbline.adapters.rollout import roll_out
from plumbline.adapters.storage import ensure_bucket
from plumbline.candidate import Candidate
from plumbline.config import load_environment
from plumbline.deployment import STAGING
from plumbline.environment import Schedule
from plumbline.hardware import Hardware
from plumbline.lineage import Ingredients
from plumbline.probe import Probe
from plumbline.problem import Serving
from plumbline.section import to_json
from tests.contract import test_ingestion as parcels
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.small_search import search, states
from tests.contract.test_rollout import WATCH
from tests.contract.vertex import containers_of
from tests.waiting import soon

SERVED = ("python", "-S", str(Path(__file__).with_name("scoring_container.py")))
QUICK = ("python", "-S", "-c", "pass")
ROOT = Path(__file__).parents[2]
_ENDED = frozenset(("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"))
ONE_STEP = {
    "schemaVersion": "2.1.0",
    "sdkVersion": "kfp-2.17.3",
    "pipelineInfo": {"name": "one"},
    "components": {"comp-ingest": {"executorLabel": "exec-ingest"}},
    "deploymentSpec": {
        "executors": {"exec-ingest": {"container": {"image": "x", "command": ["python", "-S", "-c"], "args": ["pass"]}}}
    },
    "root": {
        "dag": {
            "tasks": {
                "ingest": {
                    "componentRef": {"name": "comp-ingest"},
                    "taskInfo": {"name": "ingest"},
                    "cachingOptions": {},
                }
            }
        }
    },
}


@dataclass(frozen=True, slots=True)
class World:
    """A problem that no other test has, and what its steps do to it."""

    emulator: Emulator
    clients: Clients
    name: str

    @property
    def serving(self) -> Serving:
        """Its endpoint; a deployment may take three seconds."""
        return Serving(endpoint=self.name.replace("_", "-"), timeout_s=3)

    @property
    def endpoint(self) -> str:
        """The endpoint's resource name."""
        return f"{registry.parent(self.clients.place)}/endpoints/{self.serving.endpoint}"

    def candidate(self, content: str) -> Candidate:
        """A model with a content of its own."""
        folder = self.emulator.state / "gcs" / "models" / self.name / content
        folder.mkdir(parents=True, exist_ok=True)
        return Candidate(
            artifact_uri=f"gs://models/{self.name}/{content}",
            content=content,
            image="us-central1-docker.pkg.dev/p/serving@sha256:0",
            command=SERVED,
            environment={"SCORE": "0.5"},
            labels={},
        )

    def register(self, content: str) -> str:
        """A version of that content."""
        models = self.clients.models()
        return registry.register(models, self.clients.place, self.name, self.candidate(content), card="gs://c").name

    def deploy(self, version: int) -> None:
        """A version that is registered, in full service."""
        probe = Probe(instances=({"x": 1},), scores=np.array([0.5]), tolerance=1e-6)
        name = f"{registry.parent(self.clients.place)}/models/{self.name}@{version}"
        roll_out(self.clients, self.serving, name, probe)

    def served(self) -> Mapping[str, int]:
        """Traffic by version number."""
        now = self.clients.endpoints().get_endpoint(name=self.endpoint)
        versions = {model.id: model.model_version_id for model in now.deployed_models}
        return {versions[deployed]: share for deployed, share in now.traffic_split.items()}

    def deployed(self) -> int:
        """How many models are on the endpoint and its staging endpoint, or have containers there."""
        found = [on.find(self.clients.endpoints(), name) for name in (self.endpoint, f"{self.endpoint}{STAGING}")]
        listed = sum(len(endpoint.deployed_models) for endpoint in found if endpoint)
        running = sum(len(containers_of(name)) for name in (self.endpoint, f"{self.endpoint}{STAGING}"))
        return max(listed, running)

    def staging(self) -> bool:
        """Whether the staging endpoint is there."""
        return on.find(self.clients.endpoints(), f"{self.endpoint}{STAGING}") is not None


@dataclass(frozen=True, slots=True)
class Step:
    """What a cell tries.

    Args:
        before: Brings the world to where the step begins.
        act: The step.
        clean: Fails where a step that stopped has left or changed something.
        done: Fails where a step that succeeded has not made exactly what it should.
    """

    before: Callable[[World], object]
    act: Callable[[World], object]
    clean: Callable[[World], None]
    done: Callable[[World], None]


def _nothing(_: World) -> None:
    """There is nothing to do, or nothing that could be left."""


def _submit(world: World) -> None:
    spec = {**ONE_STEP, "pipelineInfo": {"name": world.name.replace("_", "-")}}
    order = _order(world, spec, f"{world.name.replace('_', '-')}-{uuid.uuid4().hex[:4]}")
    name = pipeline_jobs.submit(world.clients.pipelines(), world.clients.place, order)
    while pipeline_jobs.look(world.clients.pipelines(), name).state not in {"SUCCEEDED", "FAILED"}:
        pass


def _order(world: World, spec: Mapping[str, object], job_id: str) -> pipeline_jobs.Order:
    return pipeline_jobs.Order(
        job_id, world.name, spec, {}, root=f"gs://models/{world.name}/runs", labels={"problem": world.name}
    )


def _submitted_once(world: World) -> None:
    found = world.clients.pipelines().list_pipeline_jobs(
        vertex.ListPipelineJobsRequest(
            parent=registry.parent(world.clients.place), filter=f'labels.problem="{world.name}"'
        )
    )
    # A look that failed has left the job that it wanted to look at; it has ended by itself.
    ids = [job.name for job in found]
    assert len(set(ids)) == len(ids) in {1, 2}
    assert not pipeline_jobs.running(world.clients.pipelines(), world.clients.place, world.name)


def _snapshot(world: World) -> None:
    made_from = Ingredients(sql="", data=to_json(parcels.DATA), validation="", training="", code="")
    snapshot.take(world.clients, world.name, made_from)


def _load_parcels(world: World) -> None:
    bq.ensure_dataset(world.clients.bigquery(), world.clients.place)
    parcels.load(world.clients, "parcels")


def _ingest(world: World) -> None:
    folder = world.emulator.state / "gcs" / "models" / world.name / "dataset"
    ingest(world.clients, world.name, parcels.DATA, parcels.SQL, dataset=folder)


def _train(world: World) -> None:
    job = Job(f"{world.name}-train", "image", QUICK, (), {}, output=f"gs://models/{world.name}/train")
    quick = Hardware(wait_s=1, timeout_s=1)
    custom_jobs.run(world.clients.jobs(), replace(world.clients.place, labels={"world": world.name}), job, quick)


def _tune(world: World) -> None:
    search(replace(world.clients, place=replace(world.clients.place, labels={"world": world.name})), world.name)


def _no_search_runs(world: World) -> None:
    assert soon(lambda: all(state in _ENDED for state in states(world.clients, world.name)), within_s=5)


def _tuned_once(world: World) -> None:
    _no_search_runs(world)
    found = states(world.clients, world.name)
    # As with training.
    assert found.count("JOB_STATE_SUCCEEDED") in {1, 2}
    assert len(found) <= 2


def _jobs(world: World) -> list[vertex.CustomJob]:
    request = vertex.ListCustomJobsRequest(
        parent=registry.parent(world.clients.place), filter=f'labels.world="{world.name}"'
    )
    return list(world.clients.jobs().list_custom_jobs(request))


def _no_job_runs(world: World) -> None:
    # A cancelled job takes a moment to end.
    assert soon(lambda: all(job.state.name in _ENDED for job in _jobs(world)), within_s=5)


def _trained_once(world: World) -> None:
    _no_job_runs(world)
    # Where reading failed, the job itself has succeeded or was cancelled; it is trained again, once.
    succeeded = [job for job in _jobs(world) if job.state.name == "JOB_STATE_SUCCEEDED"]
    assert len(succeeded) in {1, 2}
    assert len(_jobs(world)) <= 2


def _versions(world: World) -> int:
    try:
        name = f"{registry.parent(world.clients.place)}/models/{world.name}"
        return len(list(world.clients.models().list_model_versions(name=name)))
    except exceptions.NotFound:
        return 0


def _registered_at_most_once(world: World) -> None:
    assert _versions(world) <= 1


def _registered_once(world: World) -> None:
    assert _versions(world) == 1


def _first_serves(world: World) -> None:
    world.register("first")
    world.deploy(1)


def _second_is_registered(world: World) -> None:
    _first_serves(world)
    world.register("second")


def _traffic_is_where_it_was(world: World) -> None:
    # The champion's alias and the clearing up come after the traffic has moved to a version that passed every test.
    assert world.served() in ({"1": 100}, {"2": 100})
    assert world.deployed() == 1
    assert not world.staging()


def _second_serves(world: World) -> None:
    assert world.served() == {"2": 100}
    assert world.deployed() == 1
    assert not world.staging()


def _watch(world: World) -> None:
    clients = world.clients
    monitoring_jobs.watch(clients.jobs(), clients.endpoints(), clients.place, world.endpoint, WATCH)


def _watches(world: World) -> int:
    request = vertex.ListModelDeploymentMonitoringJobsRequest(parent=registry.parent(world.clients.place))
    found = world.clients.jobs().list_model_deployment_monitoring_jobs(request)
    return sum(job.endpoint == world.endpoint for job in found)


def _watched_at_most_once(world: World) -> None:
    assert _watches(world) <= 1


def _watched_once(world: World) -> None:
    assert _watches(world) == 1


def _schedule(world: World) -> None:
    clients, when = world.clients, Schedule(cron="0 6 * * 1", time_zone="Europe/Berlin")
    schedules.put(clients.schedules(), clients.place, when, _order(world, ONE_STEP, ""))


def _scheduled_at_most_once(world: World) -> None:
    schedules.find(world.clients.schedules(), world.clients.place, world.name)


def _scheduled_once(world: World) -> None:
    found = schedules.find(world.clients.schedules(), world.clients.place, world.name)
    assert found is not None
    world.clients.schedules().delete_schedule(name=found.name).result()


def _write_page(world: World) -> None:
    with closing(world.clients.storage()) as storage:
        ensure_bucket(storage, world.clients.place)
        storage.bucket("models").blob(f"{world.name}/page.html").upload_from_string("page")


def _read_page(world: World) -> None:
    from pipelines.finish import fetch  # noqa: PLC0415 - imports the command line

    with warnings.catch_warnings():
        # Google's client leaves the connection of an answer that it asks for again to the collector.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            fetch(f"gs://models/{world.name}/page.html", world.clients, world.emulator.state / f"{world.name}.html")
        finally:
            gc.collect()


def _code(world: World) -> str:
    return hashlib.sha256(world.name.encode()).hexdigest()


def _images(world: World) -> None:
    environment = load_environment(ROOT / "configs" / "env" / "dev.yaml", project=PROJECT, location=LOCATION)
    wanted = Wanted(replace(environment, build_service_account=""), _code(world))
    ensure_bucket(world.clients.storage(), world.clients.place)
    obtain(wanted, world.clients, build=True, say=lambda _: None)


def _builds(world: World) -> int:
    listed = world.clients.builds().list_builds(request={"parent": registry.parent(world.clients.place)})
    tag = _code(world)[:40]
    return sum(any(tag in variable for step in build.steps for variable in step.env) for build in listed)


def _built_at_most_once(world: World) -> None:
    # A build whose progress could not be read goes on; the next run finds its images, or waits for it.
    time.sleep(0.5)
    assert _builds(world) <= 1


def _built_once(world: World) -> None:
    assert _builds(world) == 1


def _cancel(world: World) -> None:
    for job in pipeline_jobs.running(world.clients.pipelines(), world.clients.place, world.name):
        pipeline_jobs.cancel(world.clients.pipelines(), job.name)


def _runs(world: World) -> None:
    container = {"image": "x", "command": ["python", "-S", "-c"], "args": ["import time; time.sleep(60)"]}
    spec = {**ONE_STEP, "deploymentSpec": {"executors": {"exec-ingest": {"container": container}}}}
    order = _order(world, spec, f"{world.name.replace('_', '-')}-long")
    pipeline_jobs.submit(world.clients.pipelines(), world.clients.place, order)


def _nothing_runs(world: World) -> None:
    deadline = time.monotonic() + 10
    while pipeline_jobs.running(world.clients.pipelines(), world.clients.place, world.name):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _empty(world: World) -> None:
    endpoint = on.find(world.clients.endpoints(), world.endpoint)
    assert endpoint is not None
    on.empty(world.clients.endpoints(), endpoint)


def _is_empty(world: World) -> None:
    assert world.deployed() == 0
    assert on.find(world.clients.endpoints(), world.endpoint) is not None


STEPS: Mapping[str, Step] = {
    "images": Step(_nothing, _images, _built_at_most_once, _built_once),
    "cancel": Step(_runs, _cancel, _nothing, _nothing_runs),
    "clean-cloud": Step(_first_serves, _empty, _nothing, _is_empty),
    "submit": Step(_nothing, _submit, _nothing, _submitted_once),
    "snapshot": Step(_load_parcels, _snapshot, _nothing, _nothing),
    "ingest": Step(_load_parcels, _ingest, _nothing, _nothing),
    "tune": Step(_nothing, _tune, _no_search_runs, _tuned_once),
    "train": Step(_nothing, _train, _no_job_runs, _trained_once),
    "register": Step(_nothing, lambda world: world.register("first"), _registered_at_most_once, _registered_once),
    "deploy": Step(_second_is_registered, lambda world: world.deploy(2), _traffic_is_where_it_was, _second_serves),
    "monitor": Step(_first_serves, _watch, _watched_at_most_once, _watched_once),
    "schedule": Step(_nothing, _schedule, _scheduled_at_most_once, _scheduled_once),
    "pages": Step(_write_page, _read_page, _nothing, _nothing),
}
