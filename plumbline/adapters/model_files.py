"""A model's files, from Cloud Storage to a folder: a serving container has no mount."""

from collections.abc import Mapping
from pathlib import Path

from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud import storage

from plumbline.errors import ModelError


def download(uri: str, folder: Path, environ: Mapping[str, str]) -> Path:
    """The folder, with all objects below a gs:// URI in it.

    Raises:
        ModelError: There are none, or they cannot be read.
    """
    bucket, _, prefix = uri.removeprefix("gs://").partition("/")
    prefix = prefix.rstrip("/") + "/"
    try:
        found = list(_client(environ).list_blobs(bucket, prefix=prefix))
        for blob in found:
            path = folder / blob.name.removeprefix(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            if not blob.name.endswith("/"):
                blob.download_to_filename(str(path))
    except (exceptions.GoogleAPIError, GoogleAuthError) as error:
        raise ModelError(f"the model at {uri} cannot be read: {error}") from error
    if not found:
        raise ModelError(f"there is no model at {uri}")
    return folder


def _client(environ: Mapping[str, str]) -> storage.Client:
    host = environ.get("STORAGE_EMULATOR_HOST")
    if not host:
        return storage.Client()
    options = ClientOptions(api_endpoint=host)
    return storage.Client(project="emulated", credentials=AnonymousCredentials(), client_options=options)
