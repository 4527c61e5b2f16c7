"""Repositories of pipeline templates, as KFP's RegistryClient speaks to them.

A client is made by `RegistryClient(host="http://127.0.0.1:PORT/kfp/PROJECT/REPOSITORY")`; the repository is in the
emulator's region. Source: kfp/registry/registry_client.py and kfp/registry/context/*.json: uploads and downloads have
paths of their own, all else is what Artifact Registry answers, which for a host that is none of Google's lies below it.
"""

import email.policy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from hashlib import sha256

import yaml

from emulator.aiplatform.context import Context
from emulator.aiplatform.errors import invalid
from emulator.platform.registry import Registry

_HOST = re.compile(r"^/kfp/(?P<project>[^/]+)/(?P<repository>[^/]+)(?P<rest>/.*)?$")
_FILE = re.compile(r"^/(?P<package>[^/]+)/(?P<version>[^/]+)$")
_PACKAGES = "packages"
UPLOAD, DOWNLOAD = "UploadPipeline", "DownloadPipeline"
"""Names of what has none at Google, for faults."""
PERMISSIONS: Mapping[str, str] = {
    UPLOAD: "artifactregistry.repositories.uploadArtifacts",
    DOWNLOAD: "artifactregistry.repositories.downloadArtifacts",
}


@dataclass(frozen=True, slots=True)
class Target:
    """What an upload or a download is about.

    Args:
        method: UPLOAD or DOWNLOAD.
        repository: Full name of the repository.
        package: Short name of the package; empty for an upload, whose file says it.
        version: The version or the tag; empty for an upload.
    """

    method: str
    repository: str
    package: str = ""
    version: str = ""


class Templates:
    """The templates of all repositories."""

    def __init__(self, context: Context, registry: Registry) -> None:
        self._location = context.location
        self._registry = registry

    def target(self, verb: str, path: str) -> Target | None:
        """What a request uploads or downloads; None where it does neither."""
        host = _HOST.match(path)
        if host is None:
            return None
        repository = self._repository(host)
        if verb == "POST" and not host["rest"]:
            return Target(UPLOAD, repository)
        file = _FILE.match(host["rest"] or "")
        if verb != "GET" or file is None or file["package"] == _PACKAGES:
            return None
        return Target(DOWNLOAD, repository, file["package"], file["version"])

    def in_registry(self, path: str) -> str:
        """The path under which Artifact Registry answers what is asked below a repository's host; others stay."""
        host = _HOST.match(path)
        return path if host is None else f"/v1/{self._repository(host)}{host['rest'] or ''}"

    def upload(self, target: Target, content_type: str, body: bytes) -> str:
        """Keeps a template with its tags; gives `package/version`.

        Raises:
            ApiError: The body is no form with a compiled pipeline.
        """
        form = _form(content_type, body)
        package = _pipeline_name(form.get("content", b""))
        digest = f"sha256:{sha256(form['content']).hexdigest()}"
        tags = [tag for tag in form.get("tags", b"").decode("utf-8").split(",") if tag]
        template = form["content"].decode("utf-8")
        self._registry.add(f"{target.repository}/packages/{package}", digest, tags, template)
        return f"{package}/{digest}"

    def download(self, target: Target) -> str:
        """The text of a template.

        Raises:
            ApiError: There is none.
        """
        return self._registry.template(f"{target.repository}/packages/{target.package}", target.version)

    def _repository(self, host: re.Match[str]) -> str:
        return f"projects/{host['project']}/locations/{self._location}/repositories/{host['repository']}"


def _form(content_type: str, body: bytes) -> Mapping[str, bytes]:
    """The fields of a form. Source: RFC 7578."""
    head = f"Content-Type: {content_type}\r\nMIME-Version: 1.0\r\n\r\n".encode()
    message = BytesParser(EmailMessage, policy=email.policy.HTTP).parsebytes(head + body)
    fields = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        content = part.get_payload(decode=True)
        fields[str(part.get_param("name", header="content-disposition"))] = (
            content if isinstance(content, bytes) else b""
        )
    return fields


def _pipeline_name(content: bytes) -> str:
    """The name that a compiled pipeline has; a second document, for its platform, may follow the first."""
    try:
        spec = next(iter(yaml.safe_load_all(content.decode("utf-8"))), None)
        name = spec["pipelineInfo"]["name"] if isinstance(spec, dict) else ""
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise invalid(f"content must be a compiled pipeline: {error}") from error
    if not isinstance(name, str) or not name:
        raise invalid("content must be a compiled pipeline with a pipelineInfo.name")
    return name
