"""`make doctor` on the emulated project: nothing to mend where all is well, and each fault found with its command."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from google.cloud import aiplatform_v1 as v1
from google.cloud import bigquery

from pipelines.doctor import doctor
from pipelines.local import environ_for
from plumbline.adapters.clients import Clients
from plumbline.config import Loaded, load_environment, load_problem
from plumbline.diagnosis import SERVICES
from plumbline.environment import Endpoints, Environment, Images, place
from plumbline.finding import Finding, failed
from plumbline.permissions import NEEDS, Who
from tests.contract import vertex as vx
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.test_monitoring_jobs import job, objective

ROOT = Path(__file__).parents[2]
ACCOUNT = f"plumbline-pipeline-dev@{PROJECT}.iam.gserviceaccount.com"
USER = "user:you@example.com"
REPOSITORIES = f"projects/{PROJECT}/locations/{LOCATION}/repositories"
CPUS = "custom_model_training_cpus"
_QUICK = """
import os, sys
from pathlib import Path
from pipelines.doctor import doctor
from plumbline.adapters.clients import Clients
from plumbline.config import load_environment, load_problem
from plumbline.environment import place

env = load_environment(Path("configs/env/dev.yaml"), project=sys.argv[2])
loaded = load_problem(Path("configs/flights.yaml"))
doctor(loaded, env, Clients(place(env), os.environ), print, offline=sys.argv[1] == "offline")
"""


@dataclass(frozen=True, slots=True)
class Patient:
    """A project, and what is done to it."""

    loaded: Loaded
    environment: Environment
    environ: Mapping[str, str]
    state: Path

    def examined(self, environment: Environment | None = None, *, offline: bool = False) -> Sequence[Finding]:
        """What doctor finds."""
        env = environment or self.environment
        return doctor(self.loaded, env, Clients(place(env), self.environ), lambda _: None, offline=offline)

    def access(self, **content: object) -> None:
        """Takes something away from the project."""
        (self.state / "access.json").write_text(json.dumps(content), encoding="utf-8")

    def fault(self, method: str, code: str, *, times: int | None = None) -> None:
        """Lets a call fail."""
        rule = {"id": method, "method": method, "kind": "answer", "code": code, "message": "on demand"}
        limited = rule if times is None else {**rule, "times": times}
        (self.state / "faults.json").write_text(json.dumps([limited]), encoding="utf-8")


@pytest.fixture(scope="module")
def project(emulator: Emulator) -> Patient:
    """A project with everything that a run needs."""
    named = emulator.endpoints
    endpoints = Endpoints(
        aiplatform=named.aiplatform,
        bigquery=named.bigquery,
        bigquery_storage=named.bigquery_storage,
        storage=named.storage,
    )
    env = replace(
        load_environment(ROOT / "configs" / "env" / "dev.yaml", project=PROJECT, location=LOCATION),
        bucket="doctor-bucket",
        dataset="doctor",
        endpoints=endpoints,
    )
    loaded = load_problem(ROOT / "configs" / "flights.yaml")
    emulator.storage().create_bucket(env.bucket, location=LOCATION)
    client = emulator.bigquery()
    dataset = bigquery.Dataset(f"{PROJECT}.{env.dataset}")
    dataset.location = LOCATION
    client.create_dataset(dataset)
    for table in loaded.config.data.tables:
        schema = [bigquery.SchemaField("x", "INTEGER")]
        client.create_table(bigquery.Table(f"{PROJECT}.{env.dataset}.{table}", schema=schema))
    return Patient(loaded, env, environ_for(env, {}), emulator.state)


@pytest.fixture
def patient(project: Patient) -> Iterator[Patient]:
    """The project, made well again after the test."""
    yield project
    for name in ("access.json", "faults.json"):
        (project.state / name).unlink(missing_ok=True)


def errors(findings: Sequence[Finding]) -> Mapping[str, str]:
    """Message and command of each error."""
    return {finding.message: finding.mend for finding in findings if finding.severity == "error"}


def the_error(findings: Sequence[Finding]) -> Finding:
    """The only error."""
    (found,) = (finding for finding in findings if finding.severity == "error")
    return found


def test_a_healthy_project_has_no_error(patient: Patient) -> None:
    """Images that are not built yet are a note: the run builds them."""
    findings = patient.examined()
    assert not errors(findings)
    assert not failed(findings)
    assert {finding.check for finding in findings if finding.severity == "note"} == {"images"}
    assert not [finding for finding in findings if finding.severity == "warning"]


@pytest.mark.parametrize(("who", "permission"), sorted({(need.who, need.permission) for need in NEEDS}))
def test_one_permission_less_fails_in_doctor(patient: Patient, who: Who, permission: str) -> None:
    """The finding names the permission, and comes with the command that grants it."""
    member = f"serviceAccount:{ACCOUNT}" if who == "pipeline" else USER
    patient.access(denied=[{"member": member, "permission": permission}])
    findings = patient.examined()
    granting = [f for f in findings if permission in f.message and ("--role=roles/" in f.mend or "GRANT" in f.mend)]
    assert {finding.severity for finding in granting} == {"error"}
    # What is refused for want of it may be an error too, and no other permission is.
    assert all(permission in finding.message for finding in findings if finding.severity == "error")


def test_findings_come_with_severity_check_and_command(patient: Patient) -> None:
    """What one command mends stands together above it."""
    said: list[str] = []
    patient.access(
        denied=[
            {"member": f"serviceAccount:{ACCOUNT}", "permission": f"aiplatform.models.{verb}"}
            for verb in ("get", "upload")
        ]
    )
    env = patient.environment
    doctor(patient.loaded, env, Clients(place(env), patient.environ), said.append, offline=False)
    start = next(index for index, line in enumerate(said) if line.startswith("error"))
    assert said[start].startswith(f"error    permissions      {ACCOUNT} lacks aiplatform.models.get on the project")
    assert said[start + 1].startswith(f"error    permissions      {ACCOUNT} lacks aiplatform.models.upload")
    assert said[start + 2].strip().startswith("mend: gcloud projects add-iam-policy-binding")
    assert said[-1].startswith("\n2 errors, ")


def test_offline_asks_nobody(patient: Patient) -> None:
    """So it also works where there is no network, and finds what it can."""
    nowhere = dict.fromkeys(patient.environ, "http://127.0.0.1:9")
    env = replace(patient.environment, network="projects/name/global/networks/n")
    findings = doctor(patient.loaded, env, Clients(place(env), nowhere), lambda _: None, offline=True)
    assert the_error(findings).check == "network"


def test_offline_and_online_findings_come_together(patient: Patient) -> None:
    """One run finds all of them."""
    patient.access(disabled_services=["cloudbuild.googleapis.com"])
    env = replace(patient.environment, network="projects/name/global/networks/n", bucket="doctor-none")
    assert [f.check for f in patient.examined(env) if f.severity == "error"] == ["network", "APIs", "bucket"]


def test_without_credentials_nobody_is_asked(patient: Patient, tmp_path: Path) -> None:
    """There is one command that comes first."""
    env = replace(patient.environment, endpoints=None)
    clients = Clients(place(env), {"HOME": str(tmp_path)})
    finding = the_error(doctor(patient.loaded, env, clients, lambda _: None, offline=False))
    assert (finding.check, finding.mend) == ("credentials", "gcloud auth application-default login")


def test_a_project_that_is_not_there_is_the_one_finding(patient: Patient) -> None:
    """Google answers the same for one that may not be seen."""
    env = replace(patient.environment, project="another-project", service_account="", images=_images("another-project"))
    env = replace(env, pipelines="")
    finding = the_error(patient.examined(env))
    assert finding.message.startswith("there is no project another-project, or you lack resourcemanager.projects.get")


def test_apis_that_are_off_are_enabled_by_one_command(patient: Patient) -> None:
    """And nothing else is said of them."""
    off = ["cloudquotas.googleapis.com", "artifactregistry.googleapis.com", "aiplatform.googleapis.com"]
    patient.access(disabled_services=off)
    assert the_error(patient.examined()).mend == f"gcloud services enable {' '.join(sorted(off))} --project={PROJECT}"


@pytest.mark.parametrize("service", SERVICES)
def test_any_api_that_is_off_is_one_finding(patient: Patient, service: str) -> None:
    """Whatever is asked of it, doctor's own APIs too."""
    patient.access(disabled_services=[service])
    found = patient.examined()
    assert any(service in finding.message for finding in found if finding.severity == "error")


def test_a_bucket_of_another_region_is_found(patient: Patient, emulator: Emulator) -> None:
    """Vertex AI could not read it."""
    emulator.storage().create_bucket("doctor-far", location="europe-west4")
    finding = the_error(patient.examined(replace(patient.environment, bucket="doctor-far")))
    assert finding.mend == f"gcloud storage buckets relocate gs://doctor-far --location={LOCATION}"


def test_a_dataset_that_is_not_there_is_found_with_its_tables(patient: Patient) -> None:
    """Each has a command."""
    found = errors(patient.examined(replace(patient.environment, dataset="doctor_none")))
    assert list(found.values()) == [
        f"bq --location={LOCATION} mk --dataset {PROJECT}:doctor_none",
        f"bq load --source_format=PARQUET {PROJECT}:doctor_none.flights flights.parquet",
        f"bq load --source_format=PARQUET {PROJECT}:doctor_none.weather weather.parquet",
    ]


def test_a_dataset_of_another_region_is_found(patient: Patient, emulator: Emulator) -> None:
    """The config says another than BigQuery."""
    dataset = bigquery.Dataset(f"{PROJECT}.doctor_far")
    dataset.location = "EU"
    emulator.bigquery().create_dataset(dataset)
    found = patient.examined(replace(patient.environment, dataset="doctor_far"))
    assert "write bigquery_location: eu in the environment's config" in errors(found).values()


def test_an_account_that_is_not_there_is_found(patient: Patient) -> None:
    """Nothing is said of permissions that nobody can have."""
    patient.access(missing_service_accounts=[ACCOUNT])
    finding = the_error(patient.examined())
    assert finding.mend == f"gcloud iam service-accounts create plumbline-pipeline-dev --project={PROJECT}"


def test_without_an_account_the_default_one_is_examined(patient: Patient) -> None:
    """Its address is made from the project's number."""
    found = patient.examined(replace(patient.environment, service_account=""))
    assert not errors(found)
    assert any("-compute@developer.gserviceaccount.com is there" in finding.message for finding in found)


def test_repositories_that_are_not_there_are_found(patient: Patient) -> None:
    """One for images, one for compiled pipelines."""
    patient.access(missing_repositories=[f"{REPOSITORIES}/plumbline", f"{REPOSITORIES}/plumbline-pipelines"])
    place_ = f"--location={LOCATION} --project={PROJECT}"
    assert set(errors(patient.examined()).values()) == {
        f"gcloud artifacts repositories create plumbline --repository-format=docker {place_}",
        f"gcloud artifacts repositories create plumbline-pipelines --repository-format=kfp {place_}",
    }


def test_a_quota_that_is_too_small_is_found(patient: Patient) -> None:
    """The example trains on eight CPUs."""
    patient.access(quotas={CPUS: {LOCATION: 7}})
    finding = the_error(patient.examined())
    assert finding.message == f"{CPUS} in {LOCATION} is 7, wanted 8"
    assert "--quota-id=CustomModelTrainingCPUsPerProjectPerRegion --preferred-value=8" in finding.mend


def test_an_endpoint_that_can_no_longer_log_is_found(patient: Patient, emulator: Emulator) -> None:
    """It has monitoring, and no logging of requests; before there is monitoring, all is well."""
    vertex, name = vx.connect(emulator), vx.fresh("doctor")
    serving = replace(patient.loaded.config.serving, endpoint=name)
    loaded = replace(patient.loaded, config=replace(patient.loaded.config, serving=serving))
    watched = replace(patient, loaded=loaded)
    assert f"{name} is made by the first run" in [finding.message for finding in watched.examined()]
    wanted = v1.Endpoint(display_name=name)
    made = vx.done(vertex.endpoints.create_endpoint(parent=vx.PARENT, endpoint=wanted, endpoint_id=name)).name
    assert f"{name} is there" in [finding.message for finding in watched.examined()]
    deployed = vx.deploy(vertex, made, vx.upload(vertex)).id
    vertex.jobs.create_model_deployment_monitoring_job(
        parent=vx.PARENT, model_deployment_monitoring_job=job(made, objective(deployed))
    )
    (finding,) = (each for each in watched.examined() if each.severity == "warning")
    assert finding.message.startswith(f"{name} has model monitoring and no request-response logging")


@pytest.mark.parametrize(
    ("method", "check"),
    [
        ("BatchGetServices", "APIs"),
        ("ListQuotaInfos", "quota"),
        ("GetServiceAccount", "service account"),
        ("GenerateAccessToken", "impersonation"),
        ("GetEndpoint", "endpoint"),
        ("GetTag", "images"),
        ("TestIamPermissions", "permissions"),
        ("GET /storage/v1/b/doctor-bucket$", "bucket"),
        ("GET /bigquery/v2/projects/[^/]+/datasets/doctor$", "dataset"),
    ],
)
def test_a_call_that_fails_is_a_finding_of_its_check(patient: Patient, method: str, check: str) -> None:
    """Never a crash; the other checks are made all the same."""
    patient.fault(method, "PERMISSION_DENIED")
    found = patient.examined()
    assert check in {finding.check for finding in found if finding.severity == "error"}
    assert {"project", "bucket", "endpoint", "service account"} <= {finding.check for finding in found}


def test_a_call_that_fails_for_a_moment_is_tried_again(patient: Patient) -> None:
    """A busy service is no finding."""
    patient.fault("GetServiceAccount", "UNAVAILABLE", times=1)
    assert not errors(patient.examined())


@pytest.mark.parametrize(("mode", "limit_s"), [("offline", 2.0), ("online", 10.0)])
def test_doctor_is_quick(patient: Patient, mode: str, limit_s: float) -> None:
    """In a process of its own, imports and all, as its processor time tells: other tests may run beside it."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", _QUICK, mode, PROJECT]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=ROOT, env={**environ, **patient.environ}, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < limit_s


def _images(owner: str) -> Images:
    start = f"{LOCATION}-docker.pkg.dev/{owner}/plumbline"
    return Images(components=f"{start}/components", trainer=f"{start}/trainer", serving=f"{start}/serving")
