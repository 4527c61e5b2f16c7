"""A model that has passed its gates, described as the registry wants it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from plumbline.dataset import read_summary
from plumbline.digest import tree_digest

_SERVE = ("python", "-m", "serving")
_LABEL_LENGTH = 63


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
    window = read_summary(dataset).splits["train"]
    trained = {"trained_from": window.start[:10], "trained_to": window.end[:10]}
    return Candidate(
        artifact_uri=uri,
        content=tree_digest(model),
        image=container.image,
        command=_SERVE,
        environment=container.environment,
        labels={name: label(value) for name, value in {**labels, **trained}.items()},
    )


def run_of(uri: str) -> str:
    """The id of the run that has made an artifact: Vertex AI lays it at ROOT/.../RUN/TASK/ARTIFACT."""
    return label(uri.rstrip("/").split("/")[-3])


def label(value: str) -> str:
    """A text as a label's value: lower case letters, digits, `-` and `_`, at most 63."""
    return re.sub(r"[^a-z0-9_-]", "-", value.lower())[:_LABEL_LENGTH]
