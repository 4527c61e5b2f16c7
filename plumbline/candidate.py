"""A model that has passed its gates, described as the registry wants it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from plumbline.digest import tree_digest
from plumbline.labels import label

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
    trained = {"trained_from": window.start[:10], "trained_to": window.end[:10]}
    return Candidate(
        artifact_uri=uri,
        content=tree_digest(model),
        image=container.image,
        command=_SERVE,
        environment=container.environment,
        labels={name: label(value) for name, value in {**labels, **trained}.items()},
    )
