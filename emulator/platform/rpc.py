"""What the methods of these APIs have in common: who calls, what the call needs, and how it is refused."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from emulator.aiplatform.errors import ApiError, invalid
from emulator.aiplatform.methods import Message, message_class
from emulator.platform.access import Access

_TESTED = "google.iam.v1.iam_policy_pb2:TestIamPermissionsResponse"
_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request.

    Args:
        member: As IAM writes it, `user:...` or `serviceAccount:...`.
        access: What the project allows at the moment.
    """

    member: str
    access: Access

    def has(self, permission: str) -> bool:
        """Whether the caller may do that."""
        return bool(self.access.allowed(self.member, [permission]))


Handler: TypeAlias = Callable[[Message, Caller], Message]


@dataclass(frozen=True, slots=True)
class Rpc:
    """One method.

    Args:
        handler: What does it.
        permission: What the caller needs for it; empty where nothing is needed.
    """

    handler: Handler
    permission: str = ""


@dataclass(frozen=True, slots=True)
class Api:
    """One API, by its host and its title."""

    host: str
    title: str


VERTEX = Api("aiplatform.googleapis.com", "Vertex AI API")
APIS: Mapping[str, Api] = {
    "projects": Api("cloudresourcemanager.googleapis.com", "Cloud Resource Manager API"),
    "service_usage": Api("serviceusage.googleapis.com", "Service Usage API"),
    "iam_credentials": Api("iamcredentials.googleapis.com", "IAM Service Account Credentials API"),
    "iam": Api("iam.googleapis.com", "Identity and Access Management (IAM) API"),
    "artifact_registry": Api("artifactregistry.googleapis.com", "Artifact Registry API"),
    "cloud_quotas": Api("cloudquotas.googleapis.com", "Cloud Quotas API"),
    "cloud_build": Api("cloudbuild.googleapis.com", "Cloud Build API"),
}
"""By the service's name in the table of methods."""


def denied(permission: str, api: Api, resource: str) -> ApiError:
    """The caller lacks a permission, in Google's words. IAM does not say on what.

    Source: answers in https://github.com/google-github-actions/auth/issues/340 (IAM) and
    https://github.com/google-github-actions/deploy-cloudrun/issues/370 (Artifact Registry).
    """
    iam = api in {APIS["iam"], APIS["iam_credentials"]}
    full = f"//{api.host}/{resource}"
    metadata = {"permission": permission} if iam else {"permission": permission, "resource": full}
    info = {
        "@type": _ERROR_INFO,
        "reason": "IAM_PERMISSION_DENIED",
        "domain": APIS["iam"].host if iam else api.host,
        "metadata": metadata,
    }
    on = "resource" if iam else f"resource '{full}'"
    return ApiError("PERMISSION_DENIED", f"Permission '{permission}' denied on {on} (or it may not exist).", [info])


def check_enabled(api: Api, access: Access, project: str) -> None:
    """Nothing, when an API is on.

    Source of the words: https://github.com/google-gemini/gemini-cli/issues/1343.

    Raises:
        ApiError: 403, with the reason SERVICE_DISABLED.
    """
    if api.host not in access.disabled_services:
        return
    url = f"https://console.developers.google.com/apis/api/{api.host}/overview?project={project}"
    info = {
        "@type": _ERROR_INFO,
        "reason": "SERVICE_DISABLED",
        "domain": "googleapis.com",
        "metadata": {
            "serviceTitle": api.title,
            "consumer": f"projects/{project}",
            "containerInfo": project,
            "service": api.host,
            "activationUrl": url,
        },
    }
    message = (
        f"{api.title} has not been used in project {project} before or it is disabled. Enable it by visiting {url} "
        "then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems "
        "and retry."
    )
    raise ApiError("PERMISSION_DENIED", message, [info])


def tested(request: Message, caller: Caller) -> Message:
    """The answer to a TestIamPermissions: those of the permissions that the caller has.

    Raises:
        ApiError: A permission is a pattern, which Google does not take.
    """
    if patterns := [permission for permission in request.permissions if "*" in permission]:
        raise invalid(f"permissions must not have wildcards, got {patterns}")
    response = message_class(_TESTED)()
    response.permissions.extend(caller.access.allowed(caller.member, request.permissions))
    return response
