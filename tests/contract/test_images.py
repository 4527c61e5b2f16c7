"""Images on the emulator: found by tag, built where they are not there, never twice."""

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from google.cloud.devtools import cloudbuild_v1 as cloudbuild

from pipelines.images import GPU, Wanted, archive, obtain
from plumbline.adapters import images
from plumbline.adapters.clients import Clients
from plumbline.adapters.images import Image, Order
from plumbline.adapters.storage import ensure_bucket
from plumbline.environment import Environment, Images, place
from plumbline.errors import PlumblineError, ServiceError
from tests.contract.conftest import LOCATION, PROJECT, Emulator

ACCOUNT = f"plumbline-build@{PROJECT}.iam.gserviceaccount.com"
PARENT = f"projects/{PROJECT}/locations/{LOCATION}"


@pytest.fixture
def environment() -> Environment:
    """An environment with repositories and a bucket of its own."""
    own = secrets.token_hex(4)
    repository = f"{LOCATION}-docker.pkg.dev/{PROJECT}/images-{own}"
    return Environment(
        project=PROJECT,
        location=LOCATION,
        bucket=f"images-{own}",
        dataset="unused",
        bigquery_location=LOCATION,
        images=Images(**{name: f"{repository}/{name}" for name in ("components", "trainer", "serving")}),
    )


@pytest.fixture
def clients(emulator: Emulator, environment: Environment) -> Clients:
    """The product's own clients, pointed at the emulator; the bucket is there."""
    made = Clients(place(environment), emulator.environment)
    ensure_bucket(made.storage(), made.place)
    return made


@pytest.fixture
def code() -> str:
    """A digest of code that was never built."""
    return secrets.token_hex(32)


@pytest.fixture
def taken_away(emulator: Emulator) -> Iterator[Path]:
    """The file that takes something away from the project, gone after the test."""
    path = emulator.state / "access.json"
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture
def faults(emulator: Emulator) -> Iterator[Path]:
    """The file of injected faults, gone after the test."""
    path = emulator.state / "faults.json"
    yield path
    path.unlink(missing_ok=True)


def builds(clients: Clients, tag: str) -> list[cloudbuild.Build]:
    """The builds that pushed an image with a tag."""
    client = clients.builds()
    listed = client.list_builds(request={"parent": PARENT})
    return [found for found in listed if any(tag in variable for step in found.steps for variable in step.env)]


def test_images_are_built_once(environment: Environment, clients: Clients, code: str) -> None:
    """The first call builds all three and gives their digests; the second gives the same and builds nothing."""
    said: list[str] = []
    first = obtain(Wanted(environment, code), clients, build=True, say=said.append)
    again = obtain(Wanted(environment, code), clients, build=True, say=pytest.fail)
    assert again == first
    assert {name: image.partition("@sha256:")[0] for name, image in first.items()} == {
        "plumbline/components": environment.images.components,
        "plumbline/trainer": environment.images.trainer,
        "plumbline/serving": environment.images.serving,
    }
    assert {len(image.partition("@sha256:")[2]) for image in first.values()} == {64}
    assert len(builds(clients, code[:40])) == 1
    assert said[0].startswith("building components, trainer, serving: https://")


def test_only_what_is_not_there_is_built(environment: Environment, clients: Clients, code: str) -> None:
    """A trainer for accelerators is one image more; the other two are there already."""
    obtain(Wanted(environment, code), clients, build=True, say=print)
    gpu = obtain(Wanted(environment, code, trainer=GPU), clients, build=True, say=print)
    last, _ = builds(clients, code[:40])
    assert [step.id for step in last.steps] == ["trainer"]
    assert "TRAINER_EXTRA=trainer-gpu" in last.steps[0].env
    assert len(gpu) == 3


def test_what_is_not_there_is_named_when_nothing_may_be_built(
    environment: Environment, clients: Clients, code: str
) -> None:
    """`images --check` says which images are not there, and what builds them."""
    with pytest.raises(PlumblineError, match=rf"no image .*trainer:{code[:40]}.*: `make images`"):
        obtain(Wanted(environment, code), clients, build=False, say=print)
    assert builds(clients, code[:40]) == []


def test_the_build_has_an_account_a_place_for_its_log_and_an_end(
    environment: Environment, clients: Clients, code: str
) -> None:
    """Cloud Build is told what it insists on with an account of one's own, and no step waits for another."""
    obtain(Wanted(replace(environment, build_service_account=ACCOUNT), code), clients, build=True, say=print)
    (made,) = builds(clients, code[:40])
    assert made.service_account == f"projects/{PROJECT}/serviceAccounts/{ACCOUNT}"
    assert made.options.logging == cloudbuild.BuildOptions.LoggingMode.CLOUD_LOGGING_ONLY
    assert (made.timeout.total_seconds(), made.queue_ttl.total_seconds()) == (4200, 1800)
    assert [list(step.wait_for) for step in made.steps] == [["-"], ["-"], ["-"]]
    assert {step.name for step in made.steps} == {images.BUILDER}


def test_the_source_is_in_the_bucket_under_its_digest(environment: Environment, clients: Clients, code: str) -> None:
    """The build reads the archive of this checkout; the same archive is not written twice."""
    obtain(Wanted(environment, code), clients, build=True, say=print)
    (made,) = builds(clients, code[:40])
    source = made.source.storage_source
    bucket = clients.storage().bucket(environment.bucket)
    stored = bucket.get_blob(source.object_)
    assert stored.download_as_bytes() == archive()
    assert images.upload(clients.storage(), clients.place, archive()) == source.object_
    assert bucket.get_blob(source.object_).generation == stored.generation


def test_a_build_that_fails_says_why_and_where_its_log_is(
    environment: Environment, clients: Clients, code: str, taken_away: Path
) -> None:
    """An account that may not push is an error with the reason and the link to the log."""
    denied = {"member": f"serviceAccount:{ACCOUNT}", "permission": "artifactregistry.repositories.uploadArtifacts"}
    taken_away.write_text(json.dumps({"denied": [denied]}), encoding="utf-8")
    wanted = Wanted(replace(environment, build_service_account=ACCOUNT), code)
    with pytest.raises(ServiceError, match=r"were not built: failed to push .*; its log: https://console"):
        obtain(wanted, clients, build=True, say=print)


@pytest.mark.parametrize("method", ["GetTag", "CreateBuild", "GetBuild"])
def test_a_refusal_says_what_was_being_done(
    method: str, environment: Environment, clients: Clients, code: str, faults: Path
) -> None:
    """A permission that is not there ends the command with what it wanted to do."""
    write(faults, {"method": method, "kind": "answer", "code": "PERMISSION_DENIED", "message": "not allowed"})
    doing = {"GetTag": "looking for", "CreateBuild": "starting the build", "GetBuild": "reading"}[method]
    with pytest.raises(ServiceError, match=f"{doing}.*: .*not allowed"):
        obtain(Wanted(environment, code), clients, build=True, say=print)


@pytest.mark.parametrize("kind", ["answer", "lost"])
def test_a_build_is_not_started_twice(
    kind: str, environment: Environment, clients: Clients, code: str, faults: Path
) -> None:
    """Cloud Build out of reach for a moment is asked again; a build whose answer was lost is waited for."""
    write(faults, {"method": "CreateBuild", "kind": kind, "code": "UNAVAILABLE", "message": "later", "times": 1})
    assert len(obtain(Wanted(environment, code), clients, build=True, say=print)) == 3
    assert len(builds(clients, code[:40])) == 1


def test_a_repository_that_is_not_artifact_registry_s_is_refused(clients: Clients) -> None:
    """The plain name of an image on this machine is none that Cloud Build could push to."""
    named = {"plumbline/serving": Image("serving", "plumbline/serving", "tag")}
    with pytest.raises(ServiceError, match="must be in Artifact Registry, .* got plumbline/serving"):
        images.digests(clients.artifact_registry(), named)


def test_an_image_s_name_may_have_a_slash(clients: Clients, environment: Environment) -> None:
    """A slash in the image's own name is escaped in the name of its package."""
    nested = Image("serving", f"{environment.images.serving}/inner", "tag")
    source = images.upload(clients.storage(), clients.place, b"x")
    order = Order([nested], source, 'docker push "$IMAGE"', "trainer", "", secrets.token_hex(8))
    images.build(clients.builds(), clients.place, order, say=print)
    (found,) = images.digests(clients.artifact_registry(), {"it": nested}).values()
    assert found.startswith(f"{nested.repository}@sha256:")


def test_each_step_of_a_build_is_said_once() -> None:
    """Who waits sees a line when a step changes its state, and none when nothing has changed."""
    states = cloudbuild.Build.Status
    queued = cloudbuild.Build(steps=[{"id": "trainer"}, {"id": "serving"}])
    working = cloudbuild.Build(steps=[{"id": "trainer", "status": states.WORKING}, {"id": "serving"}])
    done = cloudbuild.Build(
        steps=[{"id": "trainer", "status": states.SUCCESS}, {"id": "serving", "status": states.FAILURE}]
    )
    assert images.progress(cloudbuild.Build(), queued) == []
    assert images.progress(queued, working) == ["  trainer: working"]
    assert images.progress(working, working) == []
    assert images.progress(working, done) == ["  trainer: success", "  serving: failure"]


def write(faults: Path, fault: Mapping[str, object]) -> None:
    """One injected fault."""
    faults.write_text(json.dumps([{"id": secrets.token_hex(8), **fault}]), encoding="utf-8")
