"""Google Cloud's APIs around Vertex AI, through Google's own clients."""

import datetime as dt
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import (
    aiplatform_v1,
    artifactregistry_v1,
    cloudquotas_v1,
    iam_credentials_v1,
    resourcemanager_v3,
    service_usage_v1,
    storage,
)
from google.cloud.devtools import cloudbuild_v1
from google.oauth2.credentials import Credentials
from kfp.registry import RegistryClient

from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.vertex import done, fresh, refused

ACCOUNT = f"pipeline@{PROJECT}.iam.gserviceaccount.com"
USER = "user:you@example.com"
HOST = f"{LOCATION}-docker.pkg.dev"
REPOSITORIES = f"projects/{PROJECT}/locations/{LOCATION}/repositories"
DENIED, MISSING, INVALID = "PERMISSION_DENIED", "NOT_FOUND", "INVALID_ARGUMENT"
STATUS = cloudbuild_v1.Build.Status
Client = TypeVar("Client")
Make = Callable[..., Any]
Allow = Callable[..., None]


@pytest.fixture
def make(emulator: Emulator) -> Make:
    """Makes a client of a class; as the service account of a token, where there is one."""

    def client(kind: Callable[..., Client], token: str = "") -> Client:
        credentials = Credentials(token) if token else AnonymousCredentials()
        options = ClientOptions(api_endpoint=emulator.endpoints.aiplatform)
        return kind(credentials=credentials, client_options=options, transport="rest")

    return client


@pytest.fixture
def allow(emulator: Emulator) -> Iterator[Allow]:
    """Writes what the project allows; at the end it allows everything again."""
    file = emulator.state / "access.json"

    def write(**content: object) -> None:
        file.write_text(json.dumps(content), encoding="utf-8")

    yield write
    file.unlink(missing_ok=True)


def deny(permission: str, member: str = USER) -> Mapping[str, object]:
    """What takes one permission from a member."""
    return {"denied": [{"member": member, "permission": permission}]}


def build(*steps: cloudbuild_v1.BuildStep, **fields: object) -> cloudbuild_v1.Build:
    """A build that ends in success, unless its steps say otherwise."""
    usual = cloudbuild_v1.BuildStep(name="gcr.io/cloud-builders/docker", args=["build", "."])
    return cloudbuild_v1.Build(steps=steps or (usual,), **fields)


def reason(error: exceptions.GoogleAPICallError) -> str:
    """The reason in an error's details."""
    return str(error.reason)


# Projects


@pytest.mark.parametrize("permissions", [["aiplatform.models.upload", "bigquery.jobs.create"]])
def test_the_project_says_its_id_its_number_and_what_the_caller_may_do(
    make: Make, allow: Allow, permissions: list[str]
) -> None:
    """A permission that is taken away is missing from the answer, for that member only."""
    projects = make(resourcemanager_v3.ProjectsClient)
    project = projects.get_project(name=f"projects/{PROJECT}")
    number = project.name.removeprefix("projects/")
    assert (project.project_id, project.state.name) == (PROJECT, "ACTIVE")
    assert (len(number), number.isdecimal()) == (12, True)
    assert projects.get_project(name=project.name).project_id == PROJECT
    allow(**deny("bigquery.jobs.create"))
    assert projects.test_iam_permissions(resource=project.name, permissions=permissions).permissions == permissions[:1]
    account = make(resourcemanager_v3.ProjectsClient, f"emulated:{ACCOUNT}")
    assert list(account.test_iam_permissions(resource=project.name, permissions=permissions).permissions) == permissions


def test_a_project_that_is_not_there_is_one_that_the_caller_may_not_see(make: Make) -> None:
    """Google does not tell the two apart."""
    projects = make(resourcemanager_v3.ProjectsClient)
    words = "'//cloudresourcemanager.googleapis.com/projects/other' (or it may not exist)."
    refused(DENIED, words, lambda: projects.get_project(name="projects/other"))
    refused(DENIED, "denied", lambda: projects.test_iam_permissions(resource="projects/other", permissions=["a.b.c"]))
    pattern = {"resource": f"projects/{PROJECT}", "permissions": ["storage.*"]}
    refused(INVALID, "wildcards", lambda: projects.test_iam_permissions(pattern))


def test_a_token_that_the_emulator_did_not_give_is_refused(emulator: Emulator) -> None:
    """A real token that was sent here by mistake is never taken for anybody's; Google's client would renew it."""
    url = f"{emulator.endpoints.aiplatform}/v3/projects/{PROJECT}"
    answer = requests.get(url, headers={"Authorization": "Bearer ya29.real"}, timeout=10)
    assert (answer.status_code, answer.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert "invalid authentication credentials" in answer.json()["error"]["message"]


# Services


def test_apis_are_on_but_for_those_that_are_off(make: Make, allow: Allow) -> None:
    """One by one and together, in the order in which they were asked for; one alone too."""
    usage = make(service_usage_v1.ServiceUsageClient)
    parent = f"projects/{PROJECT}"
    vertex, builds = f"{parent}/services/aiplatform.googleapis.com", f"{parent}/services/cloudbuild.googleapis.com"
    allow(disabled_services=["cloudbuild.googleapis.com"])
    found = usage.batch_get_services(service_usage_v1.BatchGetServicesRequest(parent=parent, names=[builds, vertex]))
    assert [(service.config.name, service.state.name) for service in found.services] == [
        ("cloudbuild.googleapis.com", "DISABLED"),
        ("aiplatform.googleapis.com", "ENABLED"),
    ]
    alone = usage.batch_get_services(service_usage_v1.BatchGetServicesRequest(parent=parent, names=[vertex]))
    assert [service.state.name for service in alone.services] == ["ENABLED"]
    assert usage.get_service(service_usage_v1.GetServiceRequest(name=builds)).state.name == "DISABLED"
    nope = service_usage_v1.GetServiceRequest(name=f"{parent}/services/nope")
    refused(DENIED, "Not found or permission denied for service(s): nope.", lambda: usage.get_service(nope))
    too_many = service_usage_v1.BatchGetServicesRequest(parent=parent, names=[vertex] * 31)
    refused(INVALID, "at most 30, got 31", lambda: usage.batch_get_services(too_many))
    foreign = service_usage_v1.BatchGetServicesRequest(parent=parent, names=["projects/x/services/a.googleapis.com"])
    refused(INVALID, "must be services of", lambda: usage.batch_get_services(foreign))


def test_an_api_that_is_off_answers_403_with_the_way_to_turn_it_on(make: Make, allow: Allow) -> None:
    """Vertex AI as well as the small ones, with Google's reason in the details."""
    allow(disabled_services=["aiplatform.googleapis.com", "cloudbuild.googleapis.com"])
    models, builds = make(aiplatform_v1.ModelServiceClient), make(cloudbuild_v1.CloudBuildClient)
    for title, host, call in (
        ("Vertex AI API", "aiplatform", lambda: list(models.list_models(parent=f"projects/{PROJECT}/locations/l"))),
        ("Cloud Build API", "cloudbuild", lambda: builds.list_builds(project_id=PROJECT)),
    ):
        with pytest.raises(exceptions.Forbidden) as caught:
            call()
        url = f"https://console.developers.google.com/apis/api/{host}.googleapis.com/overview?project={PROJECT}"
        assert f"{title} has not been used in project {PROJECT} before or it is disabled" in caught.value.message
        assert reason(caught.value) == "SERVICE_DISABLED"
        assert caught.value.metadata["activationUrl"] == url


# Service accounts


def test_a_token_of_a_service_account_makes_its_caller_that_account(make: Make, allow: Allow) -> None:
    """It holds an hour unless less is asked for; without the permission there is none."""
    tokens = make(iam_credentials_v1.IAMCredentialsClient)
    name, scope = f"projects/-/serviceAccounts/{ACCOUNT}", ["https://www.googleapis.com/auth/cloud-platform"]
    answer = tokens.generate_access_token(name=name, scope=scope)
    left = answer.expire_time - dt.datetime.now(dt.UTC)
    assert answer.access_token == f"emulated:{ACCOUNT}"
    assert dt.timedelta(minutes=59) < left <= dt.timedelta(hours=1)
    short = tokens.generate_access_token(name=name, scope=scope, lifetime=dt.timedelta(minutes=5))
    assert short.expire_time - dt.datetime.now(dt.UTC) <= dt.timedelta(minutes=5)
    allow(**deny("resourcemanager.projects.get", f"serviceAccount:{ACCOUNT}"))
    as_account = make(resourcemanager_v3.ProjectsClient, answer.access_token)
    words = "Permission 'resourcemanager.projects.get' denied"
    refused(DENIED, words, lambda: as_account.get_project(name=f"projects/{PROJECT}"))
    assert make(resourcemanager_v3.ProjectsClient).get_project(name=f"projects/{PROJECT}").project_id == PROJECT


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({"name": f"projects/{PROJECT}/serviceAccounts/{ACCOUNT}", "scope": ["s"]}, "name must be projects/-/"),
        ({"name": f"projects/-/serviceAccounts/{ACCOUNT}", "scope": []}, "at least one OAuth scope"),
        (
            {"name": f"projects/-/serviceAccounts/{ACCOUNT}", "scope": ["s"], "lifetime": dt.timedelta(hours=2)},
            "at most 3600s, got 7200s",
        ),
    ],
)
def test_a_token_that_cannot_be_is_refused(make: Make, request_: Mapping[str, object], text: str) -> None:
    """As the service's reference says of each field."""
    tokens = make(iam_credentials_v1.IAMCredentialsClient)
    refused(INVALID, text, lambda: tokens.generate_access_token(**request_))


def test_a_token_needs_a_permission_and_an_account(make: Make, allow: Allow) -> None:
    """403 for a caller who may not, 404 for an account that is not there."""
    tokens = make(iam_credentials_v1.IAMCredentialsClient)
    name = f"projects/-/serviceAccounts/{ACCOUNT}"
    allow(**deny("iam.serviceAccounts.getAccessToken"))
    words = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."
    refused(DENIED, words, lambda: tokens.generate_access_token(name=name, scope=["s"]))
    allow(missing_service_accounts=[ACCOUNT])
    refused(MISSING, f"id not found for email {ACCOUNT}", lambda: tokens.generate_access_token(name=name, scope=["s"]))


def test_iam_says_whether_an_account_is_there_and_what_the_caller_may_do_with_it(
    emulator: Emulator, allow: Allow
) -> None:
    """By REST: Google's client for it speaks gRPC only."""
    url = f"{emulator.endpoints.aiplatform}/v1/projects/{PROJECT}/serviceAccounts/{ACCOUNT}"
    asked = {"permissions": ["iam.serviceAccounts.actAs", "iam.serviceAccounts.get"]}
    assert requests.get(url, timeout=10).json()["email"] == ACCOUNT
    allow(**deny("iam.serviceAccounts.actAs"))
    answer = requests.post(f"{url}:testIamPermissions", json=asked, timeout=10)
    assert answer.json() == {"permissions": ["iam.serviceAccounts.get"]}
    allow(missing_service_accounts=[ACCOUNT])
    for gone in (requests.get(url, timeout=10), requests.post(f"{url}:testIamPermissions", json=asked, timeout=10)):
        assert (gone.status_code, gone.json()["error"]["status"]) == (404, MISSING)
        assert "does not exist" in gone.json()["error"]["message"]


# Buckets


def test_a_bucket_says_what_the_caller_may_do_with_it(emulator: Emulator, allow: Allow) -> None:
    """As the user, and as a service account."""
    name = fresh("permissions")
    emulator.storage().create_bucket(name)
    wanted = ["storage.objects.create", "storage.objects.get"]
    allow(**deny("storage.objects.get", f"serviceAccount:{ACCOUNT}"))
    options = ClientOptions(api_endpoint=emulator.endpoints.storage)
    clients = [
        storage.Client(project=PROJECT, credentials=credentials, client_options=options)
        for credentials in (AnonymousCredentials(), Credentials(f"emulated:{ACCOUNT}"))
    ]
    assert [client.bucket(name).test_iam_permissions(wanted) for client in clients] == [wanted, wanted[:1]]
    url = f"{emulator.endpoints.storage}/storage/v1/b/{name}/iam/testPermissions"
    assert requests.get(url, headers={"Authorization": "Bearer ya29.real"}, timeout=10).status_code == 401
    allow(**deny("storage.objects.get"))
    assert clients[0].bucket(name).test_iam_permissions(wanted[1:]) == []


# Quotas


def test_every_accelerator_has_a_quota_in_every_region(make: Make, allow: Allow) -> None:
    """Limits that are set hold in their region, others stay as they are; zero is a limit too."""
    quotas = make(cloudquotas_v1.CloudQuotasClient)
    parent = f"projects/{PROJECT}/locations/global/services/aiplatform.googleapis.com"
    allow(quotas={"custom_model_training_nvidia_t4_gpus": {LOCATION: 0, "mars-north1": 7}})
    found = {info.metric: info for info in quotas.list_quota_infos(parent=parent)}
    t4 = found["aiplatform.googleapis.com/custom_model_training_nvidia_t4_gpus"]
    limits = {info.dimensions["region"]: info.details.value for info in t4.dimensions_infos}
    assert (limits[LOCATION], limits["mars-north1"], limits["europe-west4"]) == (0, 7, 1000)
    assert {next(iter(info.applicable_locations)) for info in t4.dimensions_infos} == set(limits)
    assert t4.quota_id == "CustomModelTrainingT4GPUsPerProjectPerRegion"
    for kind in ("training_cpus", "training_tpu_v2", "serving_nvidia_a100_80gb_gpus", "training_preemptible_cpus"):
        assert f"aiplatform.googleapis.com/custom_model_{kind}" in found
    assert quotas.get_quota_info(name=t4.name) == t4
    refused(MISSING, "quotaInfos/Nope", lambda: quotas.get_quota_info(name=f"{parent}/quotaInfos/Nope"))
    allow(**deny("cloudquotas.quotas.get"))
    refused(DENIED, "cloudquotas.quotas.get", lambda: quotas.list_quota_infos(parent=parent))


def test_quotas_of_other_services_are_not_there(make: Make, allow: Allow) -> None:
    """Nor does the emulator take a limit for a metric that nothing is called."""
    quotas = make(cloudquotas_v1.CloudQuotasClient)
    other = f"projects/{PROJECT}/locations/global/services/compute.googleapis.com"
    refused("UNIMPLEMENTED", other, lambda: quotas.list_quota_infos(parent=other))
    allow(quotas={"custom_model_training_nvidia_t5_gpus": {LOCATION: 0}})
    vertex = f"projects/{PROJECT}/locations/global/services/aiplatform.googleapis.com"
    # Past the client, which tries an internal error again.
    answer = requests.get(f"{quotas.api_endpoint}/v1/{vertex}/quotaInfos", timeout=10)
    assert (answer.status_code, "nvidia_t5_gpus" in answer.text) == (500, True)


# Builds and images


def test_a_build_ends_and_what_it_pushes_is_in_the_registry(make: Make) -> None:
    """Through its operation; from `images`, from `docker push`, and from a build that pushes what it tags."""
    builds, registry = make(cloudbuild_v1.CloudBuildClient), make(artifactregistry_v1.ArtifactRegistryClient)
    place = f"{HOST}/{PROJECT}/{fresh('images')}"
    steps = (
        cloudbuild_v1.BuildStep(
            name="gcr.io/cloud-builders/docker", args=["build", "-t", f"{place}/only-built:1", "."]
        ),
        cloudbuild_v1.BuildStep(name="gcr.io/cloud-builders/docker", args=["push", f"{place}/pushed:$_TAG"]),
        cloudbuild_v1.BuildStep(
            name="docker", script=f"#!/bin/bash\ndocker buildx build --push --tag={place}/deep/one:2 .\n"
        ),
    )
    wanted = build(*steps, images=[f"{place}/listed", "gcr.io/elsewhere/x:1"], substitutions={"_TAG": "7"})
    pending = builds.create_build(parent=f"projects/{PROJECT}/locations/{LOCATION}", build=wanted)
    assert pending.metadata.build.status in {STATUS.QUEUED, STATUS.WORKING}
    ended = done(pending)
    assert (ended.status, ended.status_detail) == (STATUS.SUCCESS, "")
    assert builds.get_build(cloudbuild_v1.GetBuildRequest(name=ended.name)) == ended
    digests = {image.name: image.digest for image in ended.results.images}
    assert list(digests) == [f"{place}/listed", f"{place}/pushed:7", f"{place}/deep/one:2"]
    assert digests[f"{place}/pushed:7"] == "sha256:" + hashlib.sha256(f"{place}/pushed:7".encode()).hexdigest()
    repository = f"{REPOSITORIES}/{place.rpartition('/')[2]}"
    tag = registry.get_tag(name=f"{repository}/packages/pushed/tags/7")
    assert tag.version == f"{repository}/packages/pushed/versions/{digests[f'{place}/pushed:7']}"
    assert [found.name for found in registry.list_tags(parent=f"{repository}/packages/deep%2Fone")] == [
        f"{repository}/packages/deep%2Fone/tags/2"
    ]
    image = registry.get_docker_image(name=f"{repository}/dockerImages/listed@{digests[f'{place}/listed']}")
    assert (image.uri, list(image.tags)) == (f"{place}/listed@{digests[f'{place}/listed']}", ["latest"])
    assert {found.uri for found in registry.list_docker_images(parent=repository)} == {
        f"{name.partition(':')[0]}@{digest}" for name, digest in digests.items()
    }
    refused(MISSING, "only-built", lambda: registry.get_tag(name=f"{repository}/packages/only-built/tags/1"))
    assert registry.get_repository(name=repository).format_.name == "DOCKER"
    assert [found.name for found in registry.list_packages(parent=repository)] == [
        f"{repository}/packages/{package}" for package in ("deep%2Fone", "listed", "pushed")
    ]


def test_a_build_without_a_region_is_in_global(make: Make) -> None:
    """With the name of an operation that Google gives it; a build can be asked for by its bare id, and listed."""
    builds = make(cloudbuild_v1.CloudBuildClient)
    pending = builds.create_build(project_id=PROJECT, build=build())
    assert pending.operation.name.startswith(f"operations/build/{PROJECT}/")
    ended = done(pending)
    assert ended.name == f"projects/{PROJECT}/locations/global/builds/{ended.id}"
    assert builds.get_build(project_id=PROJECT, id=ended.id) == ended
    assert next(iter(builds.list_builds(project_id=PROJECT))) == ended


@pytest.mark.parametrize(
    ("wanted", "detail", "kind"),
    [
        (build(cloudbuild_v1.BuildStep(name="gcr.io/tests/fail")), 'Build step 0 "gcr.io/tests/fail" failed', 5),
        (
            build(source={"storage_source": {"bucket": "no-such-bucket", "object_": "source.tgz"}}),
            '"gs://no-such-bucket/source.tgz" does not exist',
            6,
        ),
        (
            build(images=[f"{HOST}/{PROJECT}/gone/x:1"]),
            f'denied on resource "{REPOSITORIES}/gone" (or it may not exist)',
            3,
        ),
        (
            build(
                images=[f"{HOST}/{PROJECT}/there/never:1"],
                service_account=f"projects/{PROJECT}/serviceAccounts/{ACCOUNT}",
                options={"logging": "CLOUD_LOGGING_ONLY"},
            ),
            "artifactregistry.repositories.uploadArtifacts",
            3,
        ),
    ],
)
def test_a_build_fails_and_says_why(
    make: Make, allow: Allow, wanted: cloudbuild_v1.Build, detail: str, kind: int
) -> None:
    """A step, a source that is not there, a repository that is not, an account that may not push; nothing is pushed."""
    upload = deny("artifactregistry.repositories.uploadArtifacts", f"serviceAccount:{ACCOUNT}")
    allow(missing_repositories=[f"{REPOSITORIES}/gone"], **upload)
    builds, registry = make(cloudbuild_v1.CloudBuildClient), make(artifactregistry_v1.ArtifactRegistryClient)
    pending = builds.create_build(project_id=PROJECT, build=wanted)
    with pytest.raises(exceptions.GoogleAPICallError, match="Build failed; check build logs for details"):
        done(pending)
    failed = builds.get_build(project_id=PROJECT, id=pending.metadata.build.id)
    assert (failed.status, failed.failure_info.type_) == (STATUS.FAILURE, kind)
    assert detail in failed.status_detail
    name = f"{REPOSITORIES}/there/packages/never/tags/1"
    refused(MISSING, name, lambda: registry.get_tag(name=name))


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (cloudbuild_v1.Build(), "no build steps are specified"),
        (build(cloudbuild_v1.BuildStep(args=["x"])), "invalid build step name in steps [0]"),
        (build(substitutions={"TAG": "1"}), "keys must match"),
        (build(service_account=f"projects/{PROJECT}/serviceAccounts/{ACCOUNT}"), "build.logs_bucket"),
    ],
)
def test_a_build_that_cannot_be_is_refused(make: Make, wanted: cloudbuild_v1.Build, text: str) -> None:
    """Before it begins."""
    builds = make(cloudbuild_v1.CloudBuildClient)
    refused(INVALID, text, lambda: builds.create_build(project_id=PROJECT, build=wanted))


def test_a_build_needs_permission_to_be_made_and_to_be_its_account(make: Make, allow: Allow) -> None:
    """The caller's, for both."""
    builds = make(cloudbuild_v1.CloudBuildClient)
    allow(**deny("cloudbuild.builds.create"))
    words = f"'//cloudbuild.googleapis.com/projects/{PROJECT}'"
    refused(DENIED, words, lambda: builds.create_build(project_id=PROJECT, build=build()))
    allow(**deny("iam.serviceAccounts.actAs"))
    account = f"projects/{PROJECT}/serviceAccounts/{ACCOUNT}"
    wanted = build(service_account=account, options={"logging": "CLOUD_LOGGING_ONLY"})
    refused(DENIED, f"act as service account {account}", lambda: builds.create_build(project_id=PROJECT, build=wanted))


@pytest.mark.parametrize("by_operation", [True, False])
def test_a_build_that_hangs_can_be_cancelled(emulator: Emulator, make: Make, by_operation: bool) -> None:
    """By its name and by its operation; it pushes nothing then."""
    builds = make(cloudbuild_v1.CloudBuildClient)
    rule = {"id": fresh("hang"), "method": "CreateBuild", "kind": "operation_hangs", "code": "CANCELLED", "message": ""}
    faults = emulator.state / "faults.json"
    faults.write_text(json.dumps([rule]), encoding="utf-8")
    try:
        pending = builds.create_build(project_id=PROJECT, build=build(images=[f"{HOST}/{PROJECT}/hung/x:1"]))
    finally:
        faults.unlink()
    build_id = pending.metadata.build.id
    time.sleep(0.4)
    assert builds.get_build(project_id=PROJECT, id=build_id).status == STATUS.WORKING
    if by_operation:
        assert pending.cancel()
    else:
        builds.cancel_build(project_id=PROJECT, id=build_id)
    ended = builds.get_build(project_id=PROJECT, id=build_id)
    assert (ended.status, list(ended.results.images)) == (STATUS.CANCELLED, [])
    refused("CANCELLED", "Build cancelled", lambda: done(pending))
    refused("FAILED_PRECONDITION", "has ended already", lambda: builds.cancel_build(project_id=PROJECT, id=build_id))


def test_a_build_that_a_fault_ends_says_what_the_fault_says(emulator: Emulator, make: Make) -> None:
    """In the operation's error, with the fault's code."""
    builds = make(cloudbuild_v1.CloudBuildClient)
    rule = {
        "id": fresh("fail"),
        "method": "CreateBuild",
        "kind": "operation_fails",
        "code": "UNAVAILABLE",
        "message": "no workers",
    }
    faults = emulator.state / "faults.json"
    faults.write_text(json.dumps([rule]), encoding="utf-8")
    try:
        pending = builds.create_build(project_id=PROJECT, build=build())
    finally:
        faults.unlink()
    refused("UNAVAILABLE", "no workers", lambda: done(pending))
    assert builds.get_build(project_id=PROJECT, id=pending.metadata.build.id).status == STATUS.FAILURE


def test_the_registry_says_what_is_not_there_and_what_the_caller_may_not(make: Make, allow: Allow) -> None:
    """404 for a repository, 403 with the repository's name for the rest."""
    registry = make(artifactregistry_v1.ArtifactRegistryClient)
    name = f"{REPOSITORIES}/gone"
    asked = {"resource": name, "permissions": ["artifactregistry.tags.get", "artifactregistry.tags.create"]}
    allow(missing_repositories=[name], **deny("artifactregistry.tags.get"))
    refused(MISSING, name, lambda: registry.get_repository(name=name))
    refused(MISSING, name, lambda: registry.test_iam_permissions(asked))
    tag = f"{REPOSITORIES}/x/packages/p/tags/t"
    refused(DENIED, f"'//artifactregistry.googleapis.com/{tag}'", lambda: registry.get_tag(name=tag))
    there = {**asked, "resource": f"{REPOSITORIES}/x"}
    assert list(registry.test_iam_permissions(there).permissions) == ["artifactregistry.tags.create"]
    parent = f"projects/{PROJECT}/locations/{LOCATION}"
    words = "the method ListRepositories of artifact_registry"
    refused("UNIMPLEMENTED", words, lambda: registry.list_repositories(parent=parent))
    some = artifactregistry_v1.ListTagsRequest(parent=f"{REPOSITORIES}/x/packages/p", filter='name="a*"')
    refused("UNIMPLEMENTED", "wildcards", lambda: registry.list_tags(some))


# Pipeline templates


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A compiled pipeline, as far as a repository looks at it."""
    file = tmp_path / "training.yaml"
    file.write_text("# PIPELINE DEFINITION\npipelineInfo:\n  name: training\n---\nplatforms: {}\n", encoding="utf-8")
    return file


def test_a_template_is_kept_with_its_tags_and_given_back(
    emulator: Emulator, make: Make, template: Path, tmp_path: Path
) -> None:
    """Through KFP's own client: by version and by tag, and a tag can be moved to another version."""
    repository = fresh("pipelines")
    client = RegistryClient(host=f"{emulator.endpoints.aiplatform}/kfp/{PROJECT}/{repository}")
    name, first = client.upload_pipeline(str(template), tags=["v1", "latest"])
    digest = hashlib.sha256(template.read_bytes()).hexdigest()
    assert (name, first) == ("training", f"sha256:{digest}")
    assert client.upload_pipeline(str(template), tags="v1") == (name, first)
    text = template.read_text(encoding="utf-8")
    template.write_text(text.replace("{}", "{kubernetes: {}}"), encoding="utf-8")
    second = client.upload_pipeline(str(template), tags=["latest"])[1]
    for tag, wanted in (("v1", text), ("latest", template.read_text(encoding="utf-8"))):
        file = client.download_pipeline(name, tag=tag, file_name=str(tmp_path / tag))
        assert Path(file).read_text(encoding="utf-8") == wanted
    file = client.download_pipeline(name, version=first, file_name=str(tmp_path / "first"))
    assert Path(file).read_text(encoding="utf-8") == text
    full = f"{REPOSITORIES}/{repository}/packages/training"
    assert client.get_tag(name, "v1") == {"name": f"{full}/tags/v1", "version": f"{full}/versions/{first}"}
    assert {tag["name"].rpartition("/")[2] for tag in client.list_tags(name)} == {"v1", "latest"}
    assert {version["name"].rpartition("/")[2] for version in client.list_versions(name)} == {first, second}
    assert client.get_version(name, first)["name"] == f"{full}/versions/{first}"
    assert [package["name"] for package in client.list_packages()] == [full]
    assert client.get_package(name)["displayName"] == "training"
    client.update_tag(name, second, "v1")
    client.create_tag(name, first, "v0")
    assert client.get_tag(name, "v1")["version"] == f"{full}/versions/{second}"
    assert client.get_tag(name, "v0")["version"] == f"{full}/versions/{first}"
    client.delete_tag(name, "v0")
    registry = make(artifactregistry_v1.ArtifactRegistryClient)
    refused(MISSING, "tags/v0", lambda: registry.get_tag(name=f"{full}/tags/v0"))
    assert registry.get_repository(name=f"{REPOSITORIES}/{repository}").format_.name == "KFP"
    parent = f"{REPOSITORIES}/{repository}"
    refused(INVALID, "holds pipeline templates", lambda: registry.list_docker_images(parent=parent))


def test_a_template_is_refused_that_is_none_or_may_not_be_uploaded(
    emulator: Emulator, allow: Allow, template: Path, tmp_path: Path
) -> None:
    """With a status that KFP's client raises."""
    url = f"{emulator.endpoints.aiplatform}/kfp/{PROJECT}/{fresh('pipelines')}"
    client = RegistryClient(host=url)
    for number, text in enumerate(("name: x", "[1]", "pipelineInfo: {name: ''}", "\t{", "")):
        file = tmp_path / f"{number}.yaml"
        file.write_text(text, encoding="utf-8")
        with pytest.raises(requests.HTTPError, match="400"):
            client.upload_pipeline(str(file))
    assert requests.post(url, data=b"no form", timeout=10).status_code == 400
    with pytest.raises(requests.HTTPError, match="404"):
        client.download_pipeline("training", tag="never")
    allow(**deny("artifactregistry.repositories.uploadArtifacts"))
    with pytest.raises(requests.HTTPError, match="403"):
        client.upload_pipeline(str(template))
