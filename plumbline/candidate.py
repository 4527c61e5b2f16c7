"""A model that has passed its gates, described as the registry wants it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from plumbline.digest import tree_digest
from plumbline.labels import label

MODEL_VERSION = "MODEL_VERSION"
"""The variable of the serving container that it names in each prediction; also a label of the version."""
_DIGITS = 12
_SERVE = ("python", "-m", "serving")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Files, the container that serves them, and where they come from."""

    artifact_uri: str
    content: str
    """SHA-256 of the files, hexadecimal."""
    image: str
    command: Sequence[str]
    environment: Mapping[str, str]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Container:
    """What serves a model: an image with digest, and the environment it is started with."""

    image: str
    environment: Mapping[str, str]


def candidate(model: Path, uri: str, *, dataset: Path, container: Container, labels: Mapping[str, str]) -> Candidate:
    """The candidate made of a model's directory (and its gs:// URI) and of the dataset it was trained on."""
    from plumbline.dataset import read_summary  # noqa: PLC0415 - pyarrow takes half a second, and few need it here

    window = read_summary(dataset).splits["train"]
    content = tree_digest(model)
    version = version_of(content, container)
    stated = {"trained_from": window.start[:10], "trained_to": window.end[:10], MODEL_VERSION.lower(): version}
    return Candidate(
        artifact_uri=uri,
        content=content,
        image=container.image,
        command=_SERVE,
        environment={**container.environment, MODEL_VERSION: version},
        labels={name: label(value) for name, value in {**labels, **stated}.items()},
    )


def version_of(content: str, container: Container) -> str:
    """What tells versions apart before the registry gives them a number: a digest, twelve hexadecimal digits.

    Two versions with the same one would be one in the registry too: they have the same files, and the same container.

    Args:
        content: SHA-256 of the model's files.
        container: What serves them, with the decision threshold in its environment.
    """
    told = json.dumps([content, container.image, dict(container.environment)], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:_DIGITS]
