"""What the emulated project allows: who calls, and what `access.json` in the state folder takes away.

Without the file everything is allowed, enabled and there. It is read anew with each request:

    {"denied": [{"member": "serviceAccount:x@y", "permission": "aiplatform.models.upload"}],
     "disabled_services": ["aiplatform.googleapis.com"], "missing_service_accounts": ["x@y"],
     "missing_repositories": ["projects/p/locations/l/repositories/r"],
     "quotas": {"custom_model_training_nvidia_t4_gpus": {"us-central1": 0}}}
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

FILE = "access.json"
USER = "user:you@example.com"
"""Who sends a request without credentials."""
TOKEN = "emulated:"  # noqa: S105 - the emulator's tokens are no secrets
"""What a token of the emulator begins with; the service account's e-mail address follows."""
_BEARER = "Bearer "
_LISTS = ("disabled_services", "missing_service_accounts", "missing_repositories")


class AccessError(ValueError):
    """The file is not what it should be; the message says where."""


class UnknownTokenError(ValueError):
    """A request has credentials that the emulator did not give."""


@dataclass(frozen=True, slots=True)
class Access:
    """What is taken away from a project in which everything is allowed.

    Args:
        denied: Members and the permissions that they do not have, on any resource.
        disabled_services: APIs that are off, by host.
        missing_service_accounts: E-mail addresses that no account has.
        missing_repositories: Names of repositories of Artifact Registry that are not there.
        quotas: Limits that differ from the usual one, by metric without its service and by region.
    """

    denied: frozenset[tuple[str, str]] = frozenset()
    disabled_services: frozenset[str] = frozenset()
    missing_service_accounts: frozenset[str] = frozenset()
    missing_repositories: frozenset[str] = frozenset()
    quotas: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def allowed(self, member: str, permissions: Iterable[str]) -> list[str]:
        """Those of the permissions that a member has, in their order."""
        return [permission for permission in permissions if (member, permission) not in self.denied]


def member(authorization: str | None) -> str:
    """Who sends a request, as IAM writes members, from its Authorization header.

    Raises:
        UnknownTokenError: The header is none that the emulator's tokens make.
    """
    if authorization is None:
        return USER
    email = authorization.removeprefix(_BEARER + TOKEN)
    if email == authorization or not email:
        raise UnknownTokenError("wanted no credentials, or a token that generateAccessToken of the emulator gave")
    return f"serviceAccount:{email}"


def read(state: Path) -> Access:
    """What the state folder's file says.

    Raises:
        AccessError: It is not what it should be.
    """
    try:
        return parse((state / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Access()


def parse(text: str) -> Access:
    """What a file's text says; nothing, where it is empty, as it is for a moment while it is written.

    Raises:
        AccessError: It is not what it should be.
    """
    try:
        content = json.loads(text or "{}")
    except ValueError as error:
        raise AccessError(f"{FILE} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise AccessError(f"{FILE} must be a JSON object, got {type(content).__name__}")
    if unknown := sorted(content.keys() - {"denied", "quotas", *_LISTS}):
        raise AccessError(f"{FILE} has {unknown}, which mean nothing")
    texts = {name: _texts(content.get(name, []), name) for name in _LISTS}
    return Access(denied=_denied(content.get("denied", [])), quotas=_quotas(content.get("quotas", {})), **texts)


def _texts(value: object, name: str) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise AccessError(f"{FILE}: {name} must be a list of texts, got {value!r}")
    return frozenset(value)


def _denied(value: object) -> frozenset[tuple[str, str]]:
    wanted = {"member", "permission"}
    if not isinstance(value, list) or not all(isinstance(item, dict) and item.keys() == wanted for item in value):
        raise AccessError(f"{FILE}: denied must be a list of {sorted(wanted)}, got {value!r}")
    return frozenset((str(item["member"]), str(item["permission"])) for item in value)


def _quotas(value: object) -> Mapping[str, Mapping[str, int]]:
    if not isinstance(value, dict) or not all(_is_by_region(limits) for limits in value.values()):
        raise AccessError(f"{FILE}: quotas must hold whole numbers by metric and region, got {value!r}")
    return value


def _is_by_region(limits: object) -> bool:
    return isinstance(limits, dict) and all(type(limit) is int for limit in limits.values())
