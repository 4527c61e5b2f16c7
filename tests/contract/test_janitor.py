"""`make janitor`: what is there, read through Google's clients, with nothing changed."""

import dataclasses
import datetime as dt
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from google.cloud import aiplatform_v1 as v1
from google.cloud import bigquery

from pipelines.janitor import janitor
from plumbline.adapters import bigquery as bq
from plumbline.adapters import pipeline_jobs, schedules
from plumbline.adapters.clients import Clients
from plumbline.adapters.pipeline_jobs import Order
from plumbline.adapters.storage import ensure_bucket
from plumbline.environment import Environment, Images, Prices, Schedule, place
from plumbline.inventory import Entry
from plumbline.runs import ENDED
from tests.contract import test_monitoring_jobs as monitoring
from tests.contract import vertex as vx
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.vertex import PARENT, Vertex, fresh

NOW = dt.datetime.now(dt.UTC)
SLEEPS = """
components:
  comp-wait: {executorLabel: exec-wait}
deploymentSpec:
  executors:
    exec-wait:
      container: {image: plumbline/components, command: [python, -c, 'import time; time.sleep(120)']}
pipelineInfo: {name: sleeps}
root:
  dag:
    tasks:
      wait: {componentRef: {name: comp-wait}, taskInfo: {name: wait}}
schemaVersion: 2.1.0
sdkVersion: kfp-2.17.3
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Site:
    """An environment of its own: nothing else has its labels."""

    environment: Environment
    clients: Clients
    vertex: Vertex

    @property
    def labels(self) -> Mapping[str, str]:
        """What everything of the place carries."""
        return self.environment.labels

    def look(self, *, now: dt.datetime = NOW, days: int = 30) -> tuple[dict[str, Entry], str]:
        """The entries by kind, of which there is one each, and what was said."""
        said: list[str] = []
        entries = janitor(self.environment, self.clients, said.append, now=lambda: now, days=days)
        kinds = [entry.kind for entry in entries]
        assert len(kinds) == len(set(kinds)), entries
        return {entry.kind: entry for entry in entries}, "\n".join(said)


@pytest.fixture
def site(emulator: Emulator) -> Site:
    """An empty place."""
    environment = Environment(
        project=PROJECT,
        location=LOCATION,
        bucket=fresh("janitor"),
        dataset=fresh("janitor").replace("-", "_"),
        bigquery_location=LOCATION,
        images=Images(components="plumbline/components", trainer="plumbline/trainer", serving="plumbline/serving"),
        labels={"site": fresh("s"), "team": "t"},
        prices=Prices(
            currency="EUR",
            source="a page",
            date=dt.date(2026, 1, 1),
            query_tib=6.0,
            pipeline_run=0.03,
            step_hour=0.2,
            training_hour={"n1-standard-4": 0.4},
            serving_hour={"n1-standard-2": 0.1},
        ),
    )
    return Site(environment, Clients(place(environment), emulator.environment), vx.connect(emulator))


def order(site: Site, problem: str = "trips") -> Order:
    """A pipeline job that sleeps."""
    spec: Mapping[str, Any] = yaml.safe_load(SLEEPS)
    stamp = f"{dt.datetime.now(dt.UTC):%Y%m%d%H%M%S}"
    labels = {**site.labels, "problem": problem}
    return Order(f"{fresh(problem)}-{stamp}-ab12", problem, spec, {}, f"gs://{site.environment.bucket}/runs", labels)


@pytest.fixture
def run(site: Site) -> Iterator[str]:
    """The name of a pipeline job that runs until the test has ended."""
    pipelines = site.clients.pipelines()
    name = pipeline_jobs.submit(pipelines, site.clients.place, order(site))
    yield name
    end(site, name)


def end(site: Site, name: str) -> None:
    """Cancels a pipeline job and waits for its end."""
    pipelines, deadline = site.clients.pipelines(), time.monotonic() + 60
    pipeline_jobs.cancel(pipelines, name)
    while pipeline_jobs.look(pipelines, name).state not in ENDED:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_empty_place_has_nothing(site: Site) -> None:
    """Whatever others have in the same project: bucket and dataset need not be there either."""
    found, said = site.look()
    assert not found
    assert said.endswith("0 listed, 0 of no run (marked !)")


def test_models_on_endpoints_are_told_by_their_traffic(site: Site, run: str) -> None:
    """While a run of the problem goes on, a version without traffic is its own; afterwards it is nobody's."""
    trips = f"trips-{site.labels['site']}"
    request = v1.UploadModelRequest(parent=PARENT, model=vx.model(site.vertex, labels=site.labels), model_id=trips)
    model = str(vx.done(site.vertex.models.upload_model(request)).model)
    endpoint = vx.endpoint(site.vertex, labels=site.labels)
    deployed = vx.deploy(site.vertex, endpoint, model, {}, max_replica_count=3)
    found, _ = site.look()
    assert set(found) == {"deployed model", "pipeline job"}
    entry = found["deployed model"]
    # The run is of another problem than this model.
    assert entry.orphan
    assert entry.price == pytest.approx(73.0)
    assert entry.detail == f"{trips}@1, 0 % of the traffic, 1 to 3 x n1-standard-2"
    assert entry.command.endswith(
        f"undeploy-model {endpoint.rpartition('/')[2]} --deployed-model-id={deployed.id} "
        f"--region={LOCATION} --project={PROJECT}"
    )
    other = pipeline_jobs.submit(site.clients.pipelines(), site.clients.place, order(site, trips))
    end(site, run)
    assert not site.look()[0]["deployed model"].orphan
    end(site, other)
    site.vertex.endpoints.update_endpoint(
        endpoint=v1.Endpoint(name=endpoint, traffic_split={deployed.id: 100}), update_mask={"paths": ["traffic_split"]}
    )
    served = site.look()[0]["deployed model"]
    assert (served.orphan, served.detail[: len(trips) + 9]) == ("", f"{trips}@1, 100 %"[: len(trips) + 9])


def test_a_job_is_its_run_s_until_that_has_ended(site: Site, run: str) -> None:
    """Listed with its machines by the hour, and with the command that ends it once it is nobody's."""
    machine = v1.MachineSpec(machine_type="n1-standard-4")
    container = v1.ContainerSpec(image_uri="i", command=[sys.executable, "-c", "import time; time.sleep(120)"])
    pool = v1.WorkerPoolSpec(machine_spec=machine, replica_count=1, container_spec=container)
    job = v1.CustomJob(
        display_name="trips-train",
        job_spec={"worker_pool_specs": [pool]},
        labels={**site.labels, "problem": "trips"},
    )
    made = site.vertex.jobs.create_custom_job(parent=PARENT, custom_job=job)
    try:
        owned, said = site.look()
        assert not owned["custom job"].orphan
        assert "0.40 EUR by the hour" in said
        assert owned["pipeline job"].name == run.rpartition("/")[2]
        end(site, run)
        left, said = site.look()
        assert set(left) == {"custom job"}
        number = made.name.rpartition("/")[2]
        assert f"the pipeline job that waited for it has ended: gcloud ai custom-jobs cancel {number}" in said
        assert "1 listed, 1 of no run" in said
    finally:
        site.vertex.jobs.cancel_custom_job(name=made.name)


def test_a_search_that_was_left_is_found(site: Site) -> None:
    """With the machines of all trials that run side by side, and the command that ends it."""
    # A trial is given flags, which `sleep` would not take.
    container = v1.ContainerSpec(image_uri="i", command=[sys.executable, "-c", "import time; time.sleep(120)"])
    machine = v1.MachineSpec(machine_type="n1-standard-4")
    pool = v1.WorkerPoolSpec(machine_spec=machine, replica_count=1, container_spec=container)
    kinds = v1.StudySpec
    space = kinds.ParameterSpec(parameter_id="x", discrete_value_spec=kinds.ParameterSpec.DiscreteValueSpec(values=[1]))
    metric = kinds.MetricSpec(metric_id="m", goal=kinds.MetricSpec.GoalType.MAXIMIZE)
    search = v1.HyperparameterTuningJob(
        display_name="trips-tune",
        study_spec=kinds(metrics=[metric], parameters=[space]),
        max_trial_count=4,
        parallel_trial_count=2,
        trial_job_spec=v1.CustomJobSpec(worker_pool_specs=[pool]),
        labels={**site.labels, "problem": "trips"},
    )
    made = site.vertex.jobs.create_hyperparameter_tuning_job(parent=PARENT, hyperparameter_tuning_job=search)
    try:
        found, said = site.look()
        number = made.name.rpartition("/")[2]
        assert found["tuning job"].detail == "trips-tune, 2 x n1-standard-4"
        assert "0.80 EUR by the hour" in said
        assert f"gcloud ai hp-tuning-jobs cancel {number}" in said
    finally:
        site.vertex.jobs.cancel_hyperparameter_tuning_job(name=made.name)


def test_a_staging_endpoint_that_was_left_is_found(site: Site) -> None:
    """Nothing is deleted by looking."""
    name = f"{fresh('trips')}-staging"
    wanted = v1.Endpoint(display_name=name, labels=dict(site.labels))
    vx.done(site.vertex.endpoints.create_endpoint(parent=PARENT, endpoint=wanted, endpoint_id=name))
    assert site.look()[0]["staging endpoint"].command.startswith(f"gcloud ai endpoints delete {name} ")
    assert site.look()[0]["staging endpoint"].orphan


def test_monitoring_goes_with_what_it_watches(site: Site) -> None:
    """Once its endpoint serves nothing it is nobody's."""
    model = vx.upload(site.vertex)
    endpoint = vx.endpoint(site.vertex, labels=site.labels)
    deployed = vx.deploy(site.vertex, endpoint, model)
    wanted = monitoring.job(endpoint, monitoring.objective(deployed.id), labels=site.labels)
    made = monitoring.create(site.vertex, wanted)
    assert not site.look()[0]["monitoring job"].orphan
    request = v1.UndeployModelRequest(endpoint=endpoint, deployed_model_id=deployed.id)
    vx.done(site.vertex.endpoints.undeploy_model(request))
    entry = site.look()[0]["monitoring job"]
    assert (entry.name, bool(entry.orphan)) == (made.name.rpartition("/")[2], True)


def test_an_active_schedule_is_listed_and_a_paused_one_is_not(site: Site) -> None:
    """It is found by the labels of the job that it submits."""
    wanted = order(site, fresh("trips"))
    client = site.clients.schedules()
    made, _ = schedules.put(client, site.clients.place, Schedule(cron="0 0 1 1 *"), wanted)
    assert site.look()[0]["schedule"].detail.startswith(f"{wanted.display_name}, TZ=UTC 0 0 1 1 *")
    client.pause_schedule(name=made.name)
    assert not site.look()[0]
    client.delete_schedule(name=made.name)


def test_a_version_that_nothing_points_at_is_listed(site: Site) -> None:
    """The first is the default; the second has no alias."""
    first = vx.model(site.vertex, labels=dict(site.labels))
    name = fresh("model")
    vx.done(site.vertex.models.upload_model(v1.UploadModelRequest(parent=PARENT, model=first, model_id=name)))
    again = v1.UploadModelRequest(parent=PARENT, model=first, parent_model=f"{PARENT}/models/{name}")
    vx.done(site.vertex.models.upload_model(again))
    entry = site.look()[0]["model version"]
    assert (entry.name, bool(entry.orphan)) == (f"{name}@2", True)


def test_old_tables_and_folders_are_listed_a_month_later(site: Site) -> None:
    """Not before, and not the source tables."""
    client, where = site.clients.bigquery(), site.clients.place
    bq.ensure_dataset(client, where)
    rows, schema = pa.table({"id": [1]}), [bigquery.SchemaField("id", "INT64")]
    for name in ("trips", "trips_features_0123456789ab"):
        bq.load_table(client, bq.full_name(where, name), rows, schema)
    ensure_bucket(site.clients.storage(), where)
    folder = f"runs/trips-{NOW:%Y%m%d%H%M%S}-ab12"
    for path in (f"{folder}/ingest/file", f"runs/123456/{Path(folder).name}x/file", "other/file"):
        site.clients.storage().bucket(where.bucket).blob(path).upload_from_string("x")
    assert not site.look()[0]
    found, _ = site.look(now=NOW + dt.timedelta(days=31))
    assert found["features table"].name.endswith(".trips_features_0123456789ab")
    assert found["features table"].orphan
    assert found["run folder"].command == f"gcloud storage rm --recursive gs://{where.bucket}/{folder}/"


def test_a_run_that_goes_on_is_seen_however_old_it_is(site: Site, run: str) -> None:
    """Its things would be called nobody's otherwise."""
    assert site.look(now=NOW + dt.timedelta(days=3), days=1)[0]["pipeline job"].name == run.rpartition("/")[2]
