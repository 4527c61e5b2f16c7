"""Google's application default credentials: which kind there is, and the credentials themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.project import Identity, Kind

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

_FILE = "application_default_credentials.json"
_KINDS: Mapping[str, Kind] = {
    "authorized_user": "user",
    "service_account": "key file",
    "impersonated_service_account": "impersonation",
    "external_account": "federation",
    "external_account_authorized_user": "federation",
}
"""By the `type` of the file. Source: google.auth._default."""
_HARDWARE = Path("/sys/class/dmi/id/product_name")
SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_RUN_ON = ("K_SERVICE", "CLOUD_RUN_JOB", "GCE_METADATA_HOST", "BUILDER_OUTPUT")
"""Variables of Cloud Run, of a named metadata server, and of a step of Cloud Build."""


def identity(environ: Mapping[str, str], *, hardware: Path = _HARDWARE) -> Identity:
    """Whose credentials Google's clients will find, told without a network.

    Args:
        environ: The process's environment.
        hardware: Where Linux says what machine it runs on.
    """
    if environ.get("AIPLATFORM_EMULATOR_HOST"):
        return Identity("emulator")
    named = environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    file = Path(named) if named else _gcloud(environ) / _FILE
    if file.is_file():
        return _of_file(file)
    if named:
        return Identity("unknown")
    google = hardware.is_file() and hardware.read_text(encoding="utf-8", errors="replace").startswith("Google")
    return Identity("metadata server" if google or any(map(environ.get, _RUN_ON)) else "none")


def credentials(of: Identity) -> Credentials:
    """Credentials with a token, fetched once for all that is asked.

    Raises:
        GoogleAuthError: There are none, or Google does not take them.
    """
    import google.auth  # noqa: PLC0415 - the offline part does without
    from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415 - as above
    from google.auth.transport.requests import Request  # noqa: PLC0415 - as above

    if of.kind == "emulator":
        return AnonymousCredentials()
    found, _ = google.auth.default(scopes=SCOPES)
    found.refresh(Request())
    return found


def _gcloud(environ: Mapping[str, str]) -> Path:
    """The folder of gcloud's configuration. Source: google.auth._cloud_sdk.get_config_path."""
    if set_ := environ.get("CLOUDSDK_CONFIG"):
        return Path(set_)
    if windows := environ.get("APPDATA"):
        return Path(windows) / "gcloud"
    return Path(environ.get("HOME", "/")) / ".config" / "gcloud"


def _of_file(file: Path) -> Identity:
    try:
        written = json.loads(file.read_text(encoding="utf-8"))
        kind = _KINDS.get(written["type"], "unknown")
    except (OSError, ValueError, KeyError, TypeError):
        return Identity("unknown")
    # https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/EMAIL:generateAccessToken
    target = str(written.get("service_account_impersonation_url", "")).rpartition("/")[2].partition(":")[0]
    return Identity(kind, str(written.get("client_email", "")) or target, str(written.get("quota_project_id", "")))
