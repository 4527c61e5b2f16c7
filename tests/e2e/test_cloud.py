"""The cloud commands as a user types them, in the environment of dev.yaml with its services on this machine."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from google.cloud import aiplatform_v1 as vertex

from emulator.aiplatform.ports import free_ports
from pipelines.session import connect
from plumbline.adapters.clients import Clients
from plumbline.adapters.storage import ensure_bucket
from plumbline.config import load_environment
from tests.e2e.test_runs import ORDERS, ROOT, environ, orders

PROJECT = "plumbline-local"


@dataclass(frozen=True, slots=True)
class Project:
    """A Google Cloud project, emulated, with its bucket, its dataset and a table of orders."""

    folder: Path
    env: Path

    @property
    def clients(self) -> Clients:
        """The product's clients of it."""
        return connect(load_environment(self.env))

    @property
    def parent(self) -> str:
        """What its Vertex AI resources hang under."""
        return f"projects/{PROJECT}/locations/us-central1"

    def run(self, command: str, *options: str) -> subprocess.CompletedProcess[str]:
        """A command of the command line: its exit status and what it says."""
        argv = [
            sys.executable,
            "-m",
            "pipelines",
            command,
            "--env",
            str(self.env),
            "--state",
            str(self.folder),
            *options,
        ]
        return subprocess.run(
            [*argv, "--config", str(ORDERS)],
            cwd=ROOT,
            env=environ(),
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )

    def change(self, **values: object) -> "Project":
        """The same project with another environment file."""
        content = yaml.safe_load(self.env.read_text(encoding="utf-8"))
        other = self.folder / "changed.yaml"
        other.write_text(yaml.safe_dump({**content, **values}), encoding="utf-8")
        return Project(self.folder, other)

    def jobs(self) -> list[vertex.PipelineJob]:
        """Its pipeline jobs."""
        return list(self.clients.pipelines().list_pipeline_jobs(parent=self.parent))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The project, up as long as the module's tests run."""
    folder = tmp_path_factory.mktemp("project")
    ports = dict(zip(("aiplatform", "bigquery", "bigquery_storage", "storage"), free_ports(4), strict=True))
    content = yaml.safe_load((ROOT / "configs" / "env" / "dev.yaml").read_text(encoding="utf-8"))
    content["project"] = PROJECT
    content["schedule"] = {"cron": "0 6 * * 1", "time_zone": "Europe/Berlin"}
    content["endpoints"] = {
        name: f"127.0.0.1:{port}" if name == "bigquery_storage" else f"http://127.0.0.1:{port}"
        for name, port in ports.items()
    }
    env = folder / "env.yaml"
    env.write_text(yaml.safe_dump(content), encoding="utf-8")
    made = Project(folder, env)
    argv = [sys.executable, "-m", "emulator", "--state", str(folder / "emulator"), "--project", PROJECT]
    argv += ["--port", str(ports["aiplatform"]), "--bigquery-port", str(ports["bigquery"])]
    argv += ["--bigquery-storage-port", str(ports["bigquery_storage"]), "--storage-port", str(ports["storage"])]
    process = subprocess.Popen(argv, cwd=ROOT, env=environ(), stdout=subprocess.DEVNULL)
    try:
        while not (folder / "emulator" / "endpoints.json").exists():
            assert process.poll() is None
            time.sleep(0.05)
        ensure_bucket(made.clients.storage(), made.clients.place)
        orders(made.run, folder)
        yield made
    finally:
        process.terminate()
        process.wait(20)


def test_what_is_missing_stops_a_run_before_it_starts(project: Project) -> None:
    """Doctor's errors, each with the command that mends it; nothing is submitted, exit status 2."""
    denied = {"member": "user:you@example.com", "permission": "aiplatform.pipelineJobs.create"}
    access = project.folder / "emulator" / "access.json"
    access.write_text(json.dumps({"denied": [denied]}), encoding="utf-8")
    try:
        ended = project.run("run-pipeline")
    finally:
        access.unlink()
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "aiplatform.pipelineJobs.create" in ended.stdout
    assert "gcloud projects add-iam-policy-binding" in ended.stdout
    assert "nothing was started" in ended.stdout
    assert project.jobs() == []


def test_a_run_that_would_cost_too_much_is_not_submitted(project: Project) -> None:
    """The estimate is above max_run_cost: the dear lines are named, and nothing is built or submitted."""
    ended = project.change(max_run_cost=0.01).run("run-pipeline")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "max_run_cost" in ended.stderr
    assert "building" not in ended.stdout
    assert project.jobs() == []


def test_from_nothing_to_a_schedule_and_back(project: Project) -> None:
    """Images, a run that is followed, the same again without a double, a schedule, and everything undeployed."""
    submitted = project.run("run-pipeline", "--no-wait")
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    assert "building components, trainer, serving" in submitted.stdout
    assert "console.cloud.google.com" in submitted.stdout
    followed = project.run("run-pipeline")
    assert followed.returncode == 0, followed.stdout + followed.stderr
    assert "is under way with the same code and config: following it" in followed.stdout
    assert "building" not in followed.stdout
    assert "SHIPPED" in followed.stdout
    (job,) = project.jobs()
    assert job.service_account == f"plumbline-pipeline-dev@{PROJECT}.iam.gserviceaccount.com"
    assert {"environment", "product", "problem", "code", "inputs"} <= set(job.labels)
    again = project.run("run-pipeline")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "cached" in again.stdout
    endpoints = list(project.clients.endpoints().list_endpoints(parent=project.parent))
    assert [(len(e.deployed_models), sum(e.traffic_split.values())) for e in endpoints] == [(1, 100)]
    models = project.clients.models()
    assert len(list(models.list_model_versions(name=f"{project.parent}/models/orders"))) == 1
    watched = project.clients.jobs().list_model_deployment_monitoring_jobs(parent=project.parent)
    assert len(list(watched)) == 1

    for wanted in ("schedule made: TZ=Europe/Berlin 0 6 * * 1", "schedule unchanged"):
        scheduled = project.run("schedule")
        assert scheduled.returncode == 0, scheduled.stdout + scheduled.stderr
        assert wanted in scheduled.stdout
    published = project.run("publish", "--tag", "v1")
    assert published.returncode == 0, published.stdout + published.stderr
    assert "as v1" in published.stdout

    cleaned = project.run("clean-cloud", "--yes")
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    (left,) = project.clients.endpoints().list_endpoints(parent=project.parent)
    assert (left.name, list(left.deployed_models)) == (endpoints[0].name, [])
    (paused,) = project.clients.schedules().list_schedules(parent=project.parent)
    assert paused.state == vertex.Schedule.State.PAUSED
    assert "nothing is deployed" in project.run("clean-cloud", "--yes").stdout


def test_a_run_is_cancelled_and_still_reports(project: Project) -> None:
    """`make cancel` ends what is under way; with nothing under way it says so."""
    assert "no run is under way" in project.run("cancel").stdout
    submitted = project.run("run-pipeline", "--no-wait")
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    cancelled = project.run("cancel")
    assert cancelled.returncode == 0
    assert "asked to end; its report is still written" in cancelled.stdout
    newest = project.jobs()[0].name
    deadline = time.monotonic() + 60
    while (job := project.clients.pipelines().get_pipeline_job(name=newest)).state.name != "PIPELINE_STATE_CANCELLED":
        assert time.monotonic() < deadline, job.state
        time.sleep(0.2)
    states = {task.task_name: task.state.name for task in job.job_detail.task_details}
    assert states["report"] == "SUCCEEDED"
