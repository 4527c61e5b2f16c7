"""What goes into a task of a pipeline and what comes out."""

import datetime as dt
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Json = Any
"""A value of a pipeline parameter: text, number, truth value, list or mapping."""
Spec = Mapping[str, Any]
"""A part of a compiled pipeline."""

SUCCEEDED, FAILED, CANCELLED = "SUCCEEDED", "FAILED", "CANCELLED"
PENDING, RUNNING = "PENDING", "RUNNING"
CACHED = "SKIPPED"
"""Vertex AI's word for a task whose result was taken from the cache. Source: PipelineTaskDetail.State."""
NOT_TRIGGERED = "NOT_TRIGGERED"
"""The task's condition was false, or something before it did not succeed."""


class TaskFailedError(Exception):
    """A task ended without a result."""


class UnsupportedError(Exception):
    """The compiled pipeline has something that this runtime does not know; it never guesses."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file, a folder or a resource that a task has made."""

    name: str
    uri: str
    schema_title: str
    schema_version: str
    metadata: Mapping[str, Json] = field(default_factory=dict)

    def to_json(self) -> Mapping[str, Json]:
        """As it stands in an executor's input."""
        kind = {"schemaTitle": self.schema_title, "schemaVersion": self.schema_version}
        return {"name": self.name, "uri": self.uri, "type": kind, "metadata": dict(self.metadata)}


@dataclass(frozen=True, slots=True)
class Values:
    """Parameters and artifacts by name."""

    parameters: Mapping[str, Json] = field(default_factory=dict)
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    cached: bool = False
    """Whether they were taken from the cache."""


@dataclass(frozen=True, slots=True)
class TaskCall:
    """One attempt at a task that runs a container."""

    name: str
    job: str
    """Id of the pipeline job."""
    attempt: int
    container: Spec
    """Image, command, args, env."""
    component: Spec
    """Declared inputs and outputs."""
    inputs: Values
    outputs: Mapping[str, Artifact]
    """Where the output artifacts are to be left."""
    output_file: str
    """gs:// URI of the file that the task writes its results into."""
    caching: bool
    cancelled: threading.Event


@dataclass(frozen=True, slots=True)
class TaskEvent:
    """A change of a task's state."""

    name: str
    path: str
    """Names of the DAGs around it and its own, joined by `/`."""
    state: str
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    inputs: Values = field(default_factory=Values)
    outputs: Values = field(default_factory=Values)
    error: str = ""


class Executor(Protocol):
    """Runs a task's container, or does as if."""

    def __call__(self, call: TaskCall) -> Values:
        """The outputs.

        Raises:
            TaskFailedError: There are none.
        """
        ...


def names(spec: Spec, kind: str, direction: str) -> Sequence[str]:
    """The parameters or artifacts that a component declares as inputs or outputs."""
    return list(spec.get(f"{direction}Definitions", {}).get(kind, {}))
