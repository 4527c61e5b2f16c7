"""A version's probe, kept beside its model: it can be deployed again, and tested, without the dataset of its run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from plumbline.adapters.operations import service_errors
from plumbline.errors import ModelError
from plumbline.probe import Probe

if TYPE_CHECKING:
    from google.cloud import storage


def keep(client: storage.Client, artifact_uri: str, probe: Probe) -> None:
    """Writes the probe of the model in a gs:// directory."""
    content = {"instances": list(probe.instances), "scores": probe.scores.tolist(), "tolerance": probe.tolerance}
    with service_errors(f"keeping the probe of {artifact_uri}"):
        _blob(client, artifact_uri).upload_from_string(json.dumps(content), content_type="application/json")


def kept(client: storage.Client, artifact_uri: str) -> Probe:
    """The probe of the model in a gs:// directory.

    Raises:
        ModelError: There is none: the version has never been deployed by this product.
    """
    with service_errors(f"reading the probe of {artifact_uri}"):
        blob = _blob(client, artifact_uri)
        if not blob.exists():
            raise ModelError(f"there is no probe for {artifact_uri}, so nobody could tell whether it answers rightly")
        content = json.loads(blob.download_as_bytes())
    return Probe(tuple(content["instances"]), np.array(content["scores"], np.float64), content["tolerance"])


def _blob(client: storage.Client, artifact_uri: str) -> storage.Blob:
    # Beside the directory, not in it: what is in it is the version's content.
    bucket, _, folder = artifact_uri.removeprefix("gs://").partition("/")
    return client.bucket(bucket).blob(f"{folder.rstrip('/')}-probe.json")
