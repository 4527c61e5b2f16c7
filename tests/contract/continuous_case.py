"""A problem in service: parcels with a version that answers, and what its trainings are ordered from."""

import datetime as dt
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from google.cloud import aiplatform_v1 as vertex
from google.cloud import bigquery

from plumbline.adapters import bigquery as bq
from plumbline.adapters import endpoints as on
from plumbline.adapters import pipeline_jobs, registry
from plumbline.adapters.clients import Clients
from plumbline.adapters.monitoring_jobs import watch
from plumbline.adapters.pipeline_jobs import Order
from plumbline.adapters.rollout import roll_out
from plumbline.adapters.storage import ensure_bucket
from plumbline.candidate import Candidate
from plumbline.environment import Place
from plumbline.evidence import Evidence, read_evidence
from plumbline.monitoring import Watch
from plumbline.problem import Serving
from plumbline.runs import ENDED, Run
from plumbline.section import to_json
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.late_labels import DATA
from tests.contract.shop import COMMAND, IMAGE, PROBE
from tests.contract.vertex import fresh

FEATURES = "SELECT number, sent_at, booked_at, depot, line, weight, express, late FROM {parcels}"
PARCELS = (
    bigquery.SchemaField("number", "STRING"),
    bigquery.SchemaField("sent_at", "DATETIME"),
    bigquery.SchemaField("booked_at", "DATETIME"),
    bigquery.SchemaField("depot", "STRING"),
    bigquery.SchemaField("line", "INT64"),
    bigquery.SchemaField("weight", "FLOAT64"),
    bigquery.SchemaField("express", "BOOL"),
    bigquery.SchemaField("late", "BOOL"),
)
TRAINING = """
from kfp import dsl

@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def ingest(name: str, seconds: int):
    import time
    time.sleep(seconds)

@dsl.pipeline(name="small")
def small(name: str, data: str, sql: str, seconds: int = 0, why: str = ""):
    ingest(name=name, seconds=seconds).set_caching_options(False)
"""
"""A training pipeline with the parameters that the decision reads and writes."""
_WAIT_S = 90.0


@dataclass(frozen=True, slots=True)
class Business:
    """A problem that no other test has."""

    clients: Clients
    state: Path
    name: str

    @property
    def serving(self) -> Serving:
        """Its endpoint."""
        return Serving(endpoint=self.name.replace("_", "-"), timeout_s=30)

    def serve(self, *, threshold: float = 0.5, trained_to: dt.date = dt.date(2020, 1, 31)) -> str:
        """Registers and deploys a version; the id under which it answers."""
        folder = self.state / "gcs" / self.clients.place.bucket / self.name / fresh("content")
        folder.mkdir(parents=True)
        candidate = Candidate(
            artifact_uri=f"gs://{self.clients.place.bucket}/{self.name}/{folder.name}",
            content=folder.name,
            image=IMAGE,
            command=COMMAND,
            environment={"SCORE": "0.5", registry.THRESHOLD: str(threshold)},
            labels={"trained_to": trained_to.isoformat()},
        )
        made = registry.register(self.clients.models(), self.clients.place, self.name, candidate, card="gs://c")
        roll_out(self.clients, self.serving, made.name, PROBE)
        found = on.find(
            self.clients.endpoints(), f"{registry.parent(self.clients.place)}/endpoints/{self.serving.endpoint}"
        )
        assert found is not None
        return str(next(model.id for model in found.deployed_models))

    def watch(self) -> None:
        """Has the endpoint monitored, against the table of parcels."""
        what = Watch(
            training_table=bq.full_name(self.clients.place, "parcels"),
            label="late",
            schema_uri="",
            skew={"weight": 0.3},
            drift={"weight": 0.3},
            sampling_rate=1.0,
            interval_hours=24,
            emails=("a@example.com",),
        )
        endpoint = f"{registry.parent(self.clients.place)}/endpoints/{self.serving.endpoint}"
        watch(self.clients.jobs(), self.clients.endpoints(), self.clients.place, endpoint, what)

    def order(self, spec: Mapping[str, Any]) -> Order:
        """The order of its training, as a command makes it."""
        return Order(
            job_id="",
            display_name=self.name,
            spec=spec,
            parameters={"name": self.name, "data": to_json(replace(DATA, tables=("parcels",))), "sql": FEATURES},
            root=f"gs://{self.clients.place.bucket}/runs",
            labels={"problem": self.name, "inputs": "0"},
        )

    def parcels(self, days: Sequence[dt.date], *, each: int) -> None:
        """So many parcels on each of some days."""
        moments = [dt.datetime.combine(day, dt.time(number % 24)) for day in days for number in range(each)]
        count = len(moments)
        times = pa.array(moments, pa.timestamp("us"))
        rows = {
            "number": [str(number) for number in range(count)],
            "sent_at": times,
            "booked_at": times,
            "depot": ["north"] * count,
            "line": pa.array([4] * count, pa.int64()),
            "weight": [1.0] * count,
            "express": [True] * count,
            "late": [number % 3 == 0 for number in range(count)],
        }
        bq.load_table(self.clients.bigquery(), bq.full_name(self.clients.place, "parcels"), pa.table(rows), PARCELS)

    def trainings(self) -> Sequence[vertex.PipelineJob]:
        """Its trainings, the newest first."""
        return pipeline_jobs.jobs(self.clients.pipelines(), self.clients.place, self.name)

    def evidence(self, job: str) -> Evidence | None:
        """Why a training was started."""
        return read_evidence(pipeline_jobs.parameter(self.clients.pipelines(), job, "why"))

    def ended(self, job: str) -> Run:
        """A job once it has ended."""
        pipelines, deadline = self.clients.pipelines(), time.monotonic() + _WAIT_S
        while (run := pipeline_jobs.look(pipelines, job)).state not in ENDED:
            assert time.monotonic() < deadline, run
            time.sleep(0.05)
        return run

    def rows(self, series: str) -> list[dict[str, Any]]:
        """A time series of the problem."""
        table = bq.full_name(self.clients.place, f"{self.name}_{series}")
        return [dict(row) for row in self.clients.bigquery().query(f"SELECT * FROM `{table}`").result()]  # noqa: S608 - ours

    def log(self, run: Run, step: str) -> list[dict[str, Any]]:
        """What a step has logged as lines of JSON."""
        text = (self.state / "logs" / f"task-{run.run_id}-{step}-0.log").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines() if line.startswith('{"severity"')]


def business(emulator: Emulator) -> Business:
    """A new problem, with a bucket and a dataset."""
    name = fresh("parcels").replace("-", "_")
    place = Place(project=PROJECT, location=LOCATION, bucket="business", dataset=name, bigquery_location=LOCATION)
    bq.ensure_dataset(emulator.bigquery(), place)
    ensure_bucket(emulator.storage(), place)
    return Business(Clients(place, emulator.environment), emulator.state, name)
