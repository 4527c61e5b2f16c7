"""An Artifact Registry repository of compiled pipelines: what a tag has published can be run again."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import requests
from kfp.registry import RegistryClient

from plumbline.adapters.clients import Clients
from plumbline.errors import ServiceError


def upload(clients: Clients, repository: str, spec: Mapping[str, object], *, tags: Sequence[str]) -> str:
    """Name and version, `name/sha256:...`, of a pipeline that is now in the repository under the tags.

    Args:
        clients: Of the place.
        repository: https://LOCATION-kfp.pkg.dev/PROJECT/REPOSITORY
        spec: The compiled pipeline.
        tags: Each moves here from where it was.

    Raises:
        ServiceError: The repository refuses it.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pipeline.yaml"
        # JSON is YAML, and what the registry reads.
        file.write_text(json.dumps(spec), encoding="utf-8")
        try:
            name, version = RegistryClient(host=_host(clients, repository)).upload_pipeline(str(file), tags=list(tags))
        except requests.RequestException as error:
            said = error.response.text if error.response is not None else ""
            raise ServiceError(f"publishing to {repository}: {error} {said}".rstrip()) from error
    return f"{name}/{version}"


def _host(clients: Clients, repository: str) -> str:
    emulator = clients.environ.get("AIPLATFORM_EMULATOR_HOST")
    return f"{emulator}/kfp{urlsplit(repository).path}" if emulator else repository
