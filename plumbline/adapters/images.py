"""Images: which of them Artifact Registry has, and Cloud Build to build the others."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from google.api_core import exceptions
from google.cloud import artifactregistry_v1 as registry
from google.cloud import storage
from google.cloud.devtools import cloudbuild_v1 as cloudbuild
from google.protobuf import duration_pb2

from plumbline import project
from plumbline.adapters.operations import service_errors
from plumbline.adapters.registry import parent as parent_of
from plumbline.adapters.retries import once, patience_of
from plumbline.environment import Place
from plumbline.errors import ServiceError

BUILDER = "gcr.io/cloud-builders/docker@sha256:3d00b6c1a9b862621c30fc74d4f2abfc62bcbdee631ed3febd31e7edbdf6252c"
"""Docker's command line as Google ships it for Cloud Build; the digest is from public repositories that pin it."""
_STATUS = cloudbuild.Build.Status
_UNDER_WAY = frozenset({_STATUS.PENDING, _STATUS.QUEUED, _STATUS.WORKING})
_BUILD_S, _QUEUE_S, _MARGIN_S = 4200, 1800, 600
_RECENT = 50
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Image:
    """One image, there or to be built."""

    target: str
    """Of containers/Dockerfile."""
    repository: str
    """In Artifact Registry, without tag."""
    tag: str

    @property
    def name(self) -> str:
        """Repository and tag."""
        return f"{self.repository}:{self.tag}"


@dataclass(frozen=True, slots=True)
class Order:
    """A build of one or more images."""

    images: Sequence[Image]
    source: str
    """Object in the place's bucket: a tar.gz of what the Dockerfile copies."""
    script: str
    """containers/build.sh: builds and pushes one image."""
    trainer_extra: str
    """Of pyproject.toml: what the trainer's packages are."""
    account: str
    """E-mail address of what the build runs as; empty: the project's default account."""
    request: str
    """One of a kind: a build whose answer was lost is known by it."""


def digests(client: registry.ArtifactRegistryClient, images: Mapping[str, Image]) -> Mapping[str, str]:
    """Those of the images that are there, as repository@sha256:..., by the names that they are given with.

    Raises:
        ServiceError: Artifact Registry refuses, or a repository is not in it.
    """
    found = {}
    for name, image in images.items():
        with service_errors(f"looking for {image.name}"):
            try:
                tag = client.get_tag(name=_tag_name(image))
            except exceptions.NotFound:
                continue
        found[name] = f"{image.repository}@{tag.version.rpartition('/')[2]}"
    return found


def upload(client: storage.Client, place: Place, archive: bytes) -> str:
    """The object in the place's bucket that holds an archive: named by its content, so written once.

    Raises:
        ServiceError: Cloud Storage refuses.
    """
    name = f"source/{hashlib.sha256(archive).hexdigest()}.tgz"
    # What is there already is the same, byte for byte: then the upload is refused.
    with service_errors(f"uploading the source to gs://{place.bucket}/{name}"), suppress(exceptions.PreconditionFailed):
        client.bucket(place.bucket).blob(name).upload_from_string(
            archive, content_type="application/gzip", if_generation_match=0
        )
    return name


def build(
    client: cloudbuild.CloudBuildClient,
    place: Place,
    order: Order,
    *,
    say: Say,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Builds and pushes images, and returns once they are there.

    A build of the same images that is under way already, left by an interrupted command, is waited for instead.

    Raises:
        ServiceError: Cloud Build refuses the build, or it does not succeed; the message has the link to its log.
    """
    parent, wanted = parent_of(place), build_of(place, order)
    with service_errors("starting the build"):
        made = once(
            client,
            lambda: _same(client, parent, wanted),
            lambda: client.create_build(request={"parent": parent, "build": wanted}, retry=None).metadata.build,
        )
    say(f"building {', '.join(image.target for image in order.images)}: {made.log_url}")
    ended = _wait(client, made.name, say, sleep)
    if ended.status != _STATUS.SUCCESS:
        why = ended.failure_info.detail or ended.status_detail or ended.status.name.lower()
        raise ServiceError(f"the images were not built: {why}; its log: {ended.log_url}")


def build_of(place: Place, order: Order) -> cloudbuild.Build:
    """The build: one step an image, side by side, each of which builds and pushes."""
    names = sorted(image.name for image in order.images)
    return cloudbuild.Build(
        source=cloudbuild.Source(storage_source=cloudbuild.StorageSource(bucket=place.bucket, object_=order.source)),
        steps=[_step(image, order) for image in order.images],
        timeout=_seconds(_BUILD_S),
        queue_ttl=_seconds(_QUEUE_S),
        tags=["plumbline", hashlib.sha256("\n".join(names).encode()).hexdigest()[:40], order.request],
        service_account=f"projects/{place.project}/serviceAccounts/{order.account}" if order.account else "",
        # An account of one's own comes with a choice of where the log goes.
        options=cloudbuild.BuildOptions(
            logging=cloudbuild.BuildOptions.LoggingMode.CLOUD_LOGGING_ONLY,
            machine_type=cloudbuild.BuildOptions.MachineType.E2_HIGHCPU_8,
        ),
    )


def _step(image: Image, order: Order) -> cloudbuild.BuildStep:
    values = {"TARGET": image.target, "IMAGE": image.name, "TRAINER_EXTRA": order.trainer_extra}
    return cloudbuild.BuildStep(
        id=image.target,
        name=BUILDER,
        wait_for=["-"],
        script=order.script,
        env=[f"{name}={value}" for name, value in values.items()],
    )


def progress(before: cloudbuild.Build, now: cloudbuild.Build) -> Sequence[str]:
    """A line for each step of a build that stands otherwise than before."""
    stood = {step.id: step.status for step in before.steps}
    changed = [step for step in now.steps if step.status != stood.get(step.id, _STATUS.STATUS_UNKNOWN)]
    return [f"  {step.id}: {step.status.name.lower()}" for step in changed]


def _same(client: cloudbuild.CloudBuildClient, parent: str, wanted: cloudbuild.Build) -> cloudbuild.Build | None:
    """The build that the same request has made, or one of the same images that has not ended."""
    _, images, request = wanted.tags
    recent = next(client.list_builds(request={"parent": parent, "page_size": _RECENT}).pages).builds
    return next(
        (found for found in recent if request in found.tags or (images in found.tags and found.status in _UNDER_WAY)),
        None,
    )


def _wait(client: cloudbuild.CloudBuildClient, name: str, say: Say, sleep: Callable[[float], None]) -> cloudbuild.Build:
    """The build once it has ended; says what becomes of its steps."""
    before, waited, pauses = cloudbuild.Build(), 0.0, patience_of(client).pauses()
    while True:
        with service_errors(f"reading {name}"):
            now = client.get_build(request={"name": name})
        for line in progress(before, now):
            say(line)
        if now.status not in _UNDER_WAY:
            return now
        if waited > _BUILD_S + _QUEUE_S + _MARGIN_S:
            raise ServiceError(f"the build has not ended after {waited:.0f} s; its log: {now.log_url}")
        sleep(pause := next(pauses))
        before, waited = now, waited + pause


def _tag_name(image: Image) -> str:
    found = project.image(image.repository)
    if found is None:
        raise ServiceError(
            f"an image must be in Artifact Registry, REGION-docker.pkg.dev/PROJECT/REPOSITORY/NAME, "
            f"got {image.repository}"
        )
    return found.tag(image.tag)


def _seconds(count: int) -> duration_pb2.Duration:
    return duration_pb2.Duration(seconds=count)
