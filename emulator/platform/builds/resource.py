"""A build: which ones are taken, and how one ends.

Source: google/devtools/cloudbuild/v1/cloudbuild.proto; what is said of a build that fails is Cloud Build's.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from google.rpc import code_pb2

from emulator.aiplatform import wire
from emulator.aiplatform.errors import ApiError, invalid
from emulator.aiplatform.methods import Message
from emulator.platform.access import Access
from emulator.platform.builds.images import Image, image_of, pushed
from emulator.platform.rpc import Caller
from emulator.project import project_number

FIELDS = (
    "steps",
    "images",
    "source",
    "timeout",
    "substitutions",
    "options",
    "tags",
    "service_account",
    "logs_bucket",
    "queue_ttl",
    "available_secrets",
)
ENDED = frozenset(("SUCCESS", "FAILURE", "INTERNAL_ERROR", "TIMEOUT", "CANCELLED", "EXPIRED"))
_KEY = re.compile(r"^_[A-Z0-9_]+$")
_LOGGING = frozenset(("CLOUD_LOGGING_ONLY", "NONE"))
_OWN_BUCKET = "REGIONAL_USER_OWNED_BUCKET"
_UPLOAD = "artifactregistry.repositories.uploadArtifacts"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a build fails.

    Args:
        detail: What its `status_detail` says.
        kind: Of Build.FailureInfo.
        code: Of the operation's error, a number of google.rpc.Code.
        message: Of the operation's error.
    """

    detail: str
    kind: str = "FAILURE_TYPE_UNSPECIFIED"
    code: int = code_pb2.UNKNOWN
    message: str = "Build failed; check build logs for details"


def check(build: Message, caller: Caller) -> None:
    """Nothing, when the build can be made by the caller.

    Raises:
        ApiError: Not so.
    """
    wire.only(build, FIELDS, "Build")
    if not build.steps:
        raise invalid("invalid build: no build steps are specified")
    if unnamed := [index for index, step in enumerate(build.steps) if not step.name]:
        raise invalid(f"invalid build: invalid build step name in steps {unnamed}")
    if wrong := sorted(key for key in build.substitutions if not _KEY.match(key)):
        raise invalid(f"build.substitutions: keys must match {_KEY.pattern}, got {wrong}")
    if not build.service_account:
        return
    if not caller.has("iam.serviceAccounts.actAs"):
        message = f"caller does not have permission to act as service account {build.service_account}"
        raise ApiError("PERMISSION_DENIED", message)
    if not _says_where_logs_go(build):
        raise invalid(
            "if 'build.service_account' is specified, the build must either (a) specify 'build.logs_bucket', (b) use "
            "the REGIONAL_USER_OWNED_BUCKET build.options.default_logs_bucket_behavior option, or (c) use either "
            "CLOUD_LOGGING_ONLY / NONE logging options: invalid argument"
        )


def images(build: Message) -> Sequence[tuple[str, Image]]:
    """What a build pushes to Artifact Registry: names, and what they mean."""
    values = {
        "PROJECT_ID": build.project_id,
        "PROJECT_NUMBER": project_number(build.project_id),
        "BUILD_ID": build.id,
        "LOCATION": build.name.split("/")[3],
        **build.substitutions,
    }
    return [(name, image) for name in pushed(build, values) if (image := image_of(name)) is not None]


def failure(build: Message, access: Access, objects: Path) -> Failure | None:
    """Why a build fails: it has no source, a step whose image's name has `fail` in it, or may not push; else None.

    Args:
        build: The build.
        access: What the project allows when it pushes.
        objects: The folder that holds the objects of Cloud Storage.
    """
    source = build.source.storage_source
    if source.object_ and not (objects / source.bucket / source.object_).is_file():
        detail = f'failed to fetch storage source: "gs://{source.bucket}/{source.object_}" does not exist'
        return Failure(detail, "FETCH_SOURCE_FAILED")
    for index, step in enumerate(build.steps):
        if "fail" in step.name:
            detail = f'Build step {index} "{step.name}" failed: step exited with non-zero status: 1'
            return Failure(detail, "USER_BUILD_STEP")
    account = f"serviceAccount:{build.service_account.rpartition('/')[2]}"
    may_push = not build.service_account or bool(access.allowed(account, [_UPLOAD]))
    for name, image in images(build):
        if not may_push or image.repository in access.missing_repositories:
            denial = f'denied: Permission "{_UPLOAD}" denied on resource "{image.repository}" (or it may not exist)'
            return Failure(f'failed to push image "{name}": {denial}', "PUSH_NOT_AUTHORIZED")
    return None


def write_status(build: Message, status: str, why: Failure | None = None) -> None:
    """Writes how a build stands, and why."""
    field = build.DESCRIPTOR.fields_by_name["status"]
    build.status = field.enum_type.values_by_name[status].number
    if why is not None:
        build.status_detail = why.detail
        kinds = build.failure_info.DESCRIPTOR.fields_by_name["type_"].enum_type.values_by_name
        build.failure_info.type_ = kinds[why.kind].number
        build.failure_info.detail = why.detail


def status_of(build: Message) -> str:
    """The name of a build's status."""
    return str(build.DESCRIPTOR.fields_by_name["status"].enum_type.values_by_number[build.status].name)


def _says_where_logs_go(build: Message) -> bool:
    options = build.options.DESCRIPTOR.fields_by_name
    logging = options["logging"].enum_type.values_by_number[build.options.logging].name
    field = options["default_logs_bucket_behavior"]
    behaviour = field.enum_type.values_by_number[build.options.default_logs_bucket_behavior].name
    return bool(build.logs_bucket) or behaviour == _OWN_BUCKET or logging in _LOGGING
