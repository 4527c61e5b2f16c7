"""A model's files, from Cloud Storage to a folder: for where there is no mount, such as in a serving container."""

from collections.abc import Callable, Mapping
from pathlib import Path

from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud import storage

from plumbline.errors import ModelError


def download(uri: str, folder: Path, connect: Callable[[], storage.Client]) -> Path:
    """The folder, with all objects below a gs:// URI in it.

    Raises:
        ModelError: There are none, or they cannot be read.
    """
    bucket, _, prefix = uri.removeprefix("gs://").partition("/")
    prefix = prefix.rstrip("/") + "/"
    try:
        found = list(connect().list_blobs(bucket, prefix=prefix))
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


def connected(environ: Mapping[str, str]) -> storage.Client:
    """The client of a container, in the project that it runs in; the emulator's, where the environment names one."""
    host = environ.get("STORAGE_EMULATOR_HOST")
    if not host:
        return storage.Client()
    options = ClientOptions(api_endpoint=host)
    return storage.Client(project="emulated", credentials=AnonymousCredentials(), client_options=options)
