"""What doctor concludes from what it was told: each check fires on its fault, and says the command that mends it."""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from plumbline import diagnosis
from plumbline.config import load_environment, load_problem
from plumbline.environment import Environment
from plumbline.finding import Finding, failed
from plumbline.permissions import NEEDS, Need
from plumbline.problem import ProblemConfig
from plumbline.project import (
    Bucket,
    Endpoint,
    Facts,
    Identity,
    Image,
    Project,
    Question,
    Quota,
    Refused,
    Repository,
    images,
    questions,
)

CONFIGS = Path(__file__).parents[3] / "configs"
ALLOW = "gcloud allow"
ACCOUNT = "plumbline-pipeline-dev@my-project.iam.gserviceaccount.com"
MISSING = Refused("NOT_FOUND", "gone")
FORBIDDEN = Refused("PERMISSION_DENIED", "no")
OFF = Refused("PERMISSION_DENIED", "off", "SERVICE_DISABLED")
BUSY = Refused("UNAVAILABLE", "busy")
REPOSITORY = Repository("us-central1", "my-project", "plumbline")
SERVING = Image(REPOSITORY, "serving")
NEEDED = {"custom_model_training_cpus": 8}


@functools.cache
def config() -> ProblemConfig:
    """The example problem."""
    return load_problem(CONFIGS / "flights.yaml").config


@functools.cache
def environment() -> Environment:
    """The example's environment, in us-central1."""
    return load_environment(CONFIGS / "env" / "dev.yaml", project="my-project")


def healthy() -> Facts:
    """A project with everything that a run needs."""
    env = environment()
    asked = [
        question
        for who in ("pipeline", "submitter")
        for question in questions(env, config().data.tables, who=who, account=ACCOUNT)
    ]
    return Facts(
        identity=Identity("user", quota_project="my-project"),
        project=Project("123", active=True),
        services=frozenset(diagnosis.SERVICES),
        bucket=Bucket("us-central1", "region"),
        dataset="us-central1",
        account=ACCOUNT,
        enabled=True,
        impersonated=True,
        granted={question: frozenset(question.permissions) for question in asked},
        quotas={"custom_model_training_cpus": Quota("CPUs", 42)},
        tags=dict.fromkeys(images(env), True),
        endpoint=None,
    )


def only(findings: Iterable[Finding]) -> tuple[str, str, str]:
    """Severity, message and command of the one finding."""
    (finding,) = findings
    return finding.severity, finding.message, finding.mend


def test_a_project_with_everything_has_nothing_to_mend() -> None:
    """Every check says what it has seen."""
    findings = diagnosis.diagnose(config(), environment(), healthy(), NEEDED)
    assert {finding.severity for finding in findings} == {"ok"}
    assert {finding.check for finding in findings} == {
        "project",
        "APIs",
        "bucket",
        "dataset",
        "service account",
        "impersonation",
        "permissions",
        "quota",
        "images",
        "endpoint",
    }
    assert not failed(findings)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    """One fault hides no other."""
    bad = replace(healthy(), bucket=MISSING, dataset=MISSING, enabled=False, services=frozenset(), quotas=BUSY)
    findings = diagnosis.diagnose(config(), environment(), bad, NEEDED)
    checks = [finding.check for finding in findings if finding.severity == "error"]
    assert checks == ["APIs", "bucket", "dataset", "service account", "quota"]
    assert failed(findings)


@pytest.mark.parametrize(
    ("refused", "check", "mend"),
    [
        (Refused("UNAUTHENTICATED", "expired"), "credentials", "gcloud auth application-default login"),
        (MISSING, "project", "gcloud projects create p"),
        (
            FORBIDDEN,
            "project",
            'gcloud projects add-iam-policy-binding p --member="user:a@b" --role=roles/browser --condition=None',
        ),
        (BUSY, "project", "make doctor"),
    ],
)
def test_a_project_that_cannot_be_asked_is_one_finding(refused: Refused, check: str, mend: str) -> None:
    """Credentials that are not taken, no project, or none that the caller may see."""
    finding = diagnosis.unreachable(refused, "p", "user:a@b")
    assert (finding.severity, finding.check, finding.mend) == ("error", check, mend)


def test_a_project_that_is_being_deleted_is_found() -> None:
    """It can be brought back for a while."""
    found = diagnosis.check_project(Project("1", active=False), "p")
    assert only(found) == ("error", "p is being deleted", "gcloud projects undelete p")


def test_all_missing_apis_are_enabled_by_one_command() -> None:
    """Those that are enabled are left out of it."""
    enabled = frozenset(diagnosis.SERVICES) - {"storage.googleapis.com", "bigquery.googleapis.com"}
    severity, _, mend = only(diagnosis.check_services(enabled, "p", allow=ALLOW))
    wanted = "gcloud services enable bigquery.googleapis.com storage.googleapis.com --project=p"
    assert (severity, mend) == ("error", wanted)


def test_without_service_usage_every_api_is_to_be_enabled() -> None:
    """A new project has it off; no answer is no proof that an API is on."""
    severity, _, mend = only(diagnosis.check_services(OFF, "p", allow=ALLOW))
    assert severity == "error"
    assert mend.count(".googleapis.com") == len(diagnosis.SERVICES)


@pytest.mark.parametrize(
    ("found", "mend"),
    [
        (
            MISSING,
            "gcloud storage buckets create gs://my-project-plumbline-dev --location=us-central1 --project=my-project "
            "--uniform-bucket-level-access",
        ),
        (
            Bucket("us", "multi-region"),
            "gcloud storage buckets relocate gs://my-project-plumbline-dev --location=us-central1",
        ),
        (
            Bucket("nam4", "dual-region"),
            "gcloud storage buckets relocate gs://my-project-plumbline-dev --location=us-central1",
        ),
        (
            Bucket("europe-west4", "region"),
            "gcloud storage buckets relocate gs://my-project-plumbline-dev --location=us-central1",
        ),
        (FORBIDDEN, ALLOW),
    ],
)
def test_a_bucket_that_vertex_ai_cannot_use_is_found(found: Bucket | Refused, mend: str) -> None:
    """None, of several regions, of another region, or one that may not be looked at."""
    severity, _, command = only(diagnosis.check_bucket(found, environment(), allow=ALLOW))
    assert (severity, command) == ("error", mend)


@pytest.mark.parametrize(
    ("location", "said", "found", "severity", "mend"),
    [
        (
            "us-central1",
            "us-central1",
            MISSING,
            "error",
            "bq --location=us-central1 mk --dataset my-project:plumbline_dev",
        ),
        ("us-central1", "US", MISSING, "error", "bq --location=us mk --dataset my-project:plumbline_dev"),
        ("us-central1", "us-central1", "us", "error", "write bigquery_location: us in the environment's config"),
        (
            "us-central1",
            "US",
            "us",
            "warning",
            "bq --location=us-central1 mk --dataset my-project:plumbline_dev_regional",
        ),
        (
            "europe-west4",
            "EU",
            "eu",
            "error",
            "bq --location=europe-west4 mk --dataset my-project:plumbline_dev_regional",
        ),
        (
            "us-central1",
            "us-east1",
            "us-east1",
            "error",
            "bq --location=us-central1 mk --dataset my-project:plumbline_dev_regional",
        ),
        ("us-central1", "us-central1", FORBIDDEN, "error", ALLOW),
    ],
)
def test_a_dataset_in_the_wrong_place_is_found(
    location: str, said: str, found: str | Refused, severity: str, mend: str
) -> None:
    """None, other than the config says, or where bucket and Vertex AI are not; the US multi-region is only dear."""
    env = replace(environment(), location=location, bigquery_location=said)
    finding = only(diagnosis.check_dataset(found, env, allow=ALLOW))
    assert (finding[0], finding[2]) == (severity, mend)


def test_a_dataset_beside_the_bucket_passes() -> None:
    """In the region of Vertex AI."""
    assert only(diagnosis.check_dataset("us-central1", environment(), allow=ALLOW))[0] == "ok"


@pytest.mark.parametrize(
    ("found", "mend"),
    [
        (MISSING, "gcloud iam service-accounts create abc --project=p"),
        (False, "gcloud iam service-accounts enable abc@p.iam.gserviceaccount.com --project=p"),
        (FORBIDDEN, ALLOW),
    ],
)
def test_an_account_that_cannot_run_anything_is_found(found: bool | Refused, mend: str) -> None:
    """None, a disabled one, or one that may not be looked at."""
    email = "abc@p.iam.gserviceaccount.com"
    severity, _, command = only(diagnosis.check_account(found, email, "p", allow=ALLOW))
    assert (severity, command) == ("error", mend)


def test_an_account_that_cannot_be_impersonated_is_found() -> None:
    """What it may do is unknown then; of an account that is not there this is said elsewhere."""
    severity, message, mend = only(diagnosis.check_impersonation(FORBIDDEN, "a@p", allow=ALLOW))
    assert (severity, mend) == ("error", ALLOW)
    assert message.startswith("you cannot impersonate a@p")
    assert not list(diagnosis.check_impersonation(MISSING, "a@p", allow=ALLOW))
    assert only(diagnosis.check_impersonation(BUSY, "a@p", allow=ALLOW))[2] == "make doctor"


@pytest.mark.parametrize("need", NEEDS, ids=lambda need: f"{need.who}-{need.on}-{need.permission}-{need.step}")
def test_every_permission_that_is_lacking_is_an_error(need: Need) -> None:
    """It names the permission, who lacks it, on what, and the step and the call that need it."""
    facts = healthy()
    granted = {
        question: frozenset(question.permissions) - ({need.permission} if need in question.needs else set())
        for question in facts.granted
    }
    found = list(diagnosis.check_permissions(replace(facts, granted=granted), "my-project"))
    assert {finding.severity for finding in found} == {"error"}
    for finding in found:
        assert finding.message.startswith(ACCOUNT if need.who == "pipeline" else "you lack")
        assert need.permission in finding.message
        assert f"{need.step} ({need.call})" in finding.message
        assert f"the {need.on.replace('_', ' ')} " in finding.message
        assert "--role=roles/" in finding.mend or "GRANT" in finding.mend


def test_what_one_command_mends_stands_together() -> None:
    """Two permissions of one role in one place are two findings with the same command, one after the other."""
    facts = healthy()
    findings = list(
        diagnosis.check_permissions(
            replace(facts, granted=dict.fromkeys(facts.granted, frozenset[str]())), "my-project"
        )
    )
    mends = [finding.mend for finding in findings]
    assert len(mends) > len(set(mends))
    assert mends == sorted(mends)


def test_permissions_that_could_not_be_tested_do_not_count_as_granted() -> None:
    """But for an API that is off, or a place that is not there, which are findings of their own."""
    facts = healthy()

    def said(refused: Refused) -> list[str]:
        found = diagnosis.check_permissions(replace(facts, granted=dict.fromkeys(facts.granted, refused)), "p")
        return [finding.severity for finding in found]

    assert said(BUSY) == ["error"]
    assert said(OFF) == said(MISSING) == []


def test_tables_and_repositories_that_are_not_there_are_found() -> None:
    """Each once, with the command that makes it."""
    granted = {q: MISSING if q.on in ("table", "repository") else frozenset[str]() for q in healthy().granted}
    found = {finding.message: finding.mend for finding in diagnosis.check_places(granted, environment())}
    place = "--location=us-central1 --project=my-project"
    where = "projects/my-project/locations/us-central1/repositories"
    load = "bq load --source_format=PARQUET my-project:plumbline_dev"
    assert found == {
        "there is no table my-project.plumbline_dev.flights": f"{load}.flights flights.parquet",
        "there is no table my-project.plumbline_dev.weather": f"{load}.weather weather.parquet",
        f"there is no {where}/plumbline": (
            f"gcloud artifacts repositories create plumbline --repository-format=docker {place}"
        ),
        f"there is no {where}/plumbline-pipelines": (
            f"gcloud artifacts repositories create plumbline-pipelines --repository-format=kfp {place}"
        ),
    }


@pytest.mark.parametrize(("limit", "severity"), [(7, "error"), (0, "error"), (8, "ok"), (-1, "ok")])
def test_a_quota_that_is_too_small_is_found(limit: int, severity: str) -> None:
    """Eight are needed; -1 is no limit."""
    quotas = {"custom_model_training_cpus": Quota("CPUsPerRegion", limit)}
    finding = only(diagnosis.check_quotas(quotas, NEEDED, environment(), allow=ALLOW))
    assert finding[0] == severity
    if severity == "error":
        assert finding[2] == (
            "gcloud beta quotas preferences create --service=aiplatform.googleapis.com --project=my-project "
            "--quota-id=CPUsPerRegion --preferred-value=8 --dimensions=region=us-central1"
        )


def test_a_quota_that_is_not_named_is_doubtful() -> None:
    """And one that may not be looked at is an error."""
    assert only(diagnosis.check_quotas({}, NEEDED, environment(), allow=ALLOW))[0] == "warning"
    assert only(diagnosis.check_quotas(FORBIDDEN, NEEDED, environment(), allow=ALLOW))[::2] == ("error", ALLOW)


def test_an_image_that_is_not_built_is_no_error() -> None:
    """A run builds it; where the repository is missing, that is said instead."""
    assert only(diagnosis.check_images({SERVING: False}, {}, allow=ALLOW))[::2] == ("note", "make images")
    assert only(diagnosis.check_images({SERVING: True}, {}, allow=ALLOW))[0] == "ok"
    assert only(diagnosis.check_images({SERVING: FORBIDDEN}, {}, allow=ALLOW))[::2] == ("error", ALLOW)
    question = Question("submitter", "repository", REPOSITORY.resource, ())
    assert not list(diagnosis.check_images({SERVING: False}, {question: MISSING}, allow=ALLOW))


def test_a_serving_image_of_another_project_needs_a_grant() -> None:
    """To the service agent that pulls it."""
    project = Project("123", active=True)
    assert not list(diagnosis.check_pull([SERVING], project, "my-project"))
    severity, _, mend = only(diagnosis.check_pull([SERVING, SERVING], project, "other"))
    assert severity == "warning"
    assert mend == (
        "gcloud artifacts repositories add-iam-policy-binding plumbline "
        '--member="serviceAccount:service-123@gcp-sa-aiplatform.iam.gserviceaccount.com" '
        "--role=roles/artifactregistry.reader --location=us-central1 --project=my-project"
    )


@pytest.mark.parametrize(
    ("found", "severity"),
    [
        (None, "ok"),
        (Endpoint(monitored=False, logged=False), "ok"),
        (Endpoint(monitored=True, logged=True), "ok"),
        (Endpoint(monitored=True, logged=False), "warning"),
        (FORBIDDEN, "error"),
    ],
)
def test_an_endpoint_that_can_no_longer_log_is_found(found: Endpoint | Refused | None, severity: str) -> None:
    """Monitoring came first, so logging cannot follow."""
    assert only(diagnosis.check_endpoint(found, "flights", allow=ALLOW))[0] == severity


@pytest.mark.parametrize("check", ["services", "bucket", "dataset", "enabled", "quotas", "endpoint"])
def test_what_may_not_be_looked_at_comes_with_the_command_that_allows_it(check: str) -> None:
    """Each check knows the permission that it needs."""
    changed: Mapping[str, object] = {check: FORBIDDEN}
    findings = diagnosis.diagnose(config(), environment(), replace(healthy(), **changed), NEEDED)  # type: ignore[arg-type] # one of the facts
    (finding,) = (each for each in findings if each.severity == "error")
    assert "PERMISSION_DENIED" in finding.message
    assert "add-iam-policy-binding" in finding.mend or "GRANT" in finding.mend
    assert "user:$(gcloud config get account)" in finding.mend


def test_an_api_that_is_off_is_said_once() -> None:
    """Not by each check that needed it."""
    facts = replace(healthy(), services=frozenset(), bucket=OFF, dataset=OFF, quotas=OFF, endpoint=OFF, enabled=OFF)
    errors = [f.check for f in diagnosis.diagnose(config(), environment(), facts, NEEDED) if f.severity == "error"]
    assert errors == ["APIs"]
