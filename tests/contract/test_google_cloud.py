"""What the product asks of Google, on the emulator and, with `pytest -m gcp`, on a project of yours.

`PLUMBLINE_GCP_ENV` names the environment file, with its project written in; its bucket and dataset must be there, and
images of this code (`make images`). What a test makes has a name of its own and is taken away again.
"""

import datetime as dt
import os
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pytest
from google.api_core import exceptions
from google.cloud import bigquery

from pipelines.code import code_digest
from pipelines.images import Wanted, obtain
from plumbline.adapters import bigquery as bq
from plumbline.adapters import custom_jobs, pipeline_jobs, registry, schedules
from plumbline.adapters import endpoints as on
from plumbline.adapters.clients import Clients
from plumbline.adapters.custom_jobs import Job
from plumbline.adapters.storage import ensure_bucket
from plumbline.candidate import Candidate
from plumbline.config import load_environment
from plumbline.environment import Environment, Schedule, place
from plumbline.hardware import Hardware
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.reliability_steps import ONE_STEP
from tests.contract.vertex import fresh

ROOT = Path(__file__).parents[2]
WEEKLY = Schedule(cron="0 6 * * 1", time_zone="Europe/Berlin")


@dataclass(frozen=True, slots=True)
class Cloud:
    """A project, emulated or real."""

    environment: Environment
    clients: Clients

    def image(self, name: str) -> str:
        """One of the three images, with its digest."""
        built = not self.clients.environ.get("AIPLATFORM_EMULATOR_HOST")
        wanted = Wanted(self.environment, code_digest())
        return obtain(wanted, self.clients, build=not built, say=print)[f"plumbline/{name}"]


@pytest.fixture(params=["emulator", pytest.param("gcp", marks=pytest.mark.gcp)])
def cloud(request: pytest.FixtureRequest) -> Cloud:
    """The emulator, and a project of yours where that is asked for."""
    if request.param == "gcp":
        environment = load_environment(Path(os.environ["PLUMBLINE_GCP_ENV"]))
        return Cloud(environment, Clients(place(environment), os.environ))
    emulator: Emulator = request.getfixturevalue("emulator")
    environment = load_environment(ROOT / "configs" / "env" / "dev.yaml", project=PROJECT, location=LOCATION)
    environment = replace(environment, build_service_account="")
    made = Cloud(environment, Clients(place(environment), emulator.environment))
    with closing(made.clients.storage()) as storage:
        ensure_bucket(storage, made.clients.place)
    bq.ensure_dataset(made.clients.bigquery(), made.clients.place)
    return made


@pytest.fixture
def table(cloud: Cloud) -> Iterator[str]:
    """The full name of a table that is taken away again."""
    name = bq.full_name(cloud.clients.place, fresh("contract").replace("-", "_"))
    yield name
    cloud.clients.bigquery().delete_table(name, not_found_ok=True)


def test_a_table_is_loaded_queried_and_read(cloud: Cloud, table: str) -> None:
    """Rows go in as Parquet, a query's result replaces them, and the Storage Read API gives them back."""
    rows = pa.table({"id": [1, 2, 3], "weight": [0.5, None, 2.0]})
    schema = [bigquery.SchemaField("id", "INT64"), bigquery.SchemaField("weight", "FLOAT64")]
    client = cloud.clients.bigquery()
    bq.load_table(client, table, rows, schema)
    before = bq.source_version(client, cloud.clients.place, [table.rpartition(".")[2]])
    sql = f"SELECT id, weight FROM `{table}` WHERE id > 1"  # noqa: S608 - a name of our own
    bq.materialise(client, sql, table, maximum_bytes=10**9, labels={})
    read = pa.Table.from_batches(bq.read_table(cloud.clients.bigquery_read(), table, columns=["id", "weight"]))
    assert sorted(read.to_pydict()["id"]) == [2, 3]
    assert bq.source_version(client, cloud.clients.place, [table.rpartition(".")[2]]) != before


def test_a_version_is_registered_once_and_promoted(cloud: Cloud) -> None:
    """The same files are the same version; the aliases move to it."""
    name, models = fresh("contract").replace("-", "_"), cloud.clients.models()
    with closing(cloud.clients.storage()) as storage:
        storage.bucket(cloud.environment.bucket).blob(f"{name}/saved_model.pb").upload_from_string("model")
    candidate = Candidate(
        artifact_uri=f"gs://{cloud.environment.bucket}/{name}",
        content="c",
        image=cloud.image("serving"),
        command=("python", "-m", "serving"),
        environment={"THRESHOLD": "0.5"},
        labels={"lineage": "l", "opponent": "none"},
    )
    try:
        made = registry.register(models, cloud.clients.place, name, candidate, card="gs://card")
        again = registry.register(models, cloud.clients.place, name, candidate, card="gs://card")
        assert again == made
        registry.promote(models, made.name)
        aliases = set(models.get_model(name=made.name).version_aliases)
        assert aliases == {"candidate", "champion", "default"}
        assert registry.opponent(models, cloud.clients.place, name, "other").version == made.name
    finally:
        models.delete_model(name=f"{registry.parent(cloud.clients.place)}/models/{name}").result()


def test_an_endpoint_is_made_once_and_goes(cloud: Cloud) -> None:
    """An id is one endpoint, whoever asks for it again."""
    endpoints, endpoint_id = cloud.clients.endpoints(), fresh("contract")
    made = on.ensure(endpoints, cloud.clients.place, endpoint_id, problem="contract", kind=on.Kind(logging=0.5))
    try:
        assert on.ensure(endpoints, cloud.clients.place, endpoint_id, problem="contract").name == made.name
        assert on.empty(endpoints, made) == 0
    finally:
        on.remove(endpoints, made)
    assert on.find(endpoints, made.name) is None


def test_a_training_job_runs_to_its_end(cloud: Cloud) -> None:
    """A container of ours on the machines of the config, waited for."""
    name = fresh("contract")
    output = f"gs://{cloud.environment.bucket}/{name}/train"
    job = Job(name, cloud.image("trainer"), ("python", "-S", "-c", "pass"), (), {}, output)
    job_name = custom_jobs.run(cloud.clients.jobs(), cloud.clients.place, job, Hardware(machine_type="n1-standard-4"))
    assert cloud.clients.jobs().get_custom_job(name=job_name).state.name == "JOB_STATE_SUCCEEDED"


def test_a_pipeline_job_is_found_while_it_runs_and_cancelled(cloud: Cloud) -> None:
    """It is listed by its problem, and listed no more when it has ended."""
    problem = fresh("contract")
    pipelines, given = (
        cloud.clients.pipelines(),
        order(cloud, problem, job_id=f"{problem}-1", script="import time; time.sleep(60)"),
    )
    name = pipeline_jobs.submit(pipelines, cloud.clients.place, given)
    assert [job.name.rpartition("/")[2] for job in pipeline_jobs.running(pipelines, cloud.clients.place, problem)] == [
        name.rpartition("/")[2]
    ]
    pipeline_jobs.cancel(pipelines, name)
    deadline = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=10)
    while pipeline_jobs.running(pipelines, cloud.clients.place, problem):
        assert dt.datetime.now(dt.UTC) < deadline
    assert pipeline_jobs.look(pipelines, name).state == "CANCELLED"


def test_a_schedule_is_made_once_and_changed(cloud: Cloud) -> None:
    """The same again is no change, another time is one, and there is never a second."""
    client, problem = cloud.clients.schedules(), fresh("contract")
    given = order(cloud, problem, job_id="", script="pass")
    made, change = schedules.put(client, cloud.clients.place, WEEKLY, given)
    try:
        assert change == "made"
        assert schedules.put(client, cloud.clients.place, WEEKLY, given)[1] == "unchanged"
        daily = replace(WEEKLY, cron="0 6 * * *")
        changed, change = schedules.put(client, cloud.clients.place, daily, given)
        assert (changed.name, changed.cron, change) == (made.name, "TZ=Europe/Berlin 0 6 * * *", "changed")
        assert schedules.pause(client, cloud.clients.place, problem)
        assert not schedules.pause(client, cloud.clients.place, problem)
        resumed, change = schedules.put(client, cloud.clients.place, daily, given)
        assert (resumed.state.name, change) == ("ACTIVE", "resumed")
    finally:
        with suppress(exceptions.NotFound):
            client.delete_schedule(name=made.name).result()


def order(cloud: Cloud, problem: str, *, job_id: str, script: str) -> pipeline_jobs.Order:
    """A pipeline of one step that runs a script."""
    container = {"image": cloud.image("components"), "command": ["python", "-S", "-c"], "args": [script]}
    spec = {**ONE_STEP, "deploymentSpec": {"executors": {"exec-ingest": {"container": container}}}}
    root = f"gs://{cloud.environment.bucket}/{problem}"
    return pipeline_jobs.Order(job_id, problem, spec, {}, root=root, labels={"problem": problem})
