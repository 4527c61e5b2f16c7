"""Tasks as local processes: the container's own command, with its placeholders filled in."""

import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast
from uuid import uuid4

from emulator.processes import Command, Process, Supervisor
from emulator.runtime import stand_in, warm
from emulator.runtime.binding import of_type
from emulator.runtime.tasks import Artifact, Json, TaskCall, TaskFailedError, UnsupportedError, Values

_INPUT = "{{$}}"
_POLL_S = 0.02
_TAIL_LINES = 15
_SHIM = """#!/bin/sh
# In place of `python3 -m kfp.dsl.executor_main`: kfp has one constant for where /gcs is mounted, and it cannot be told.
# A warm interpreter becomes the process, where there is one for its environment.
if [ "$1 $2" = "-m kfp.dsl.executor_main" ]; then
  shift 2
  exec "{python}" -I -S "{stand_in}" "{warm}" -m emulator.runtime.launcher "$@"
fi
exec "{python}" "$@"
"""


@dataclass(frozen=True, slots=True)
class ContainerExecutor:
    """Runs a task's command; an image is this checkout and its environment."""

    supervisor: Supervisor
    state: Path
    """The emulator's state folder."""
    path: str
    """PATH of the processes, after the shim's folder."""

    def __call__(self, call: TaskCall) -> Values:
        """What the task wrote.

        Raises:
            TaskFailedError: The process ended with an error or was cancelled, or an output is missing.
        """
        folder = self.state / "work" / call.job / f"{call.name}-{call.attempt}"
        folder.mkdir(parents=True, exist_ok=True)
        self.local(call.output_file).parent.mkdir(parents=True, exist_ok=True)
        container = call.container
        argv = _filled([*container.get("command", ()), *container.get("args", ())], self._executor_input(call))
        environment = {
            **{variable["name"]: variable["value"] for variable in container.get("env", ())},
            "PATH": f"{self._shim()}:{self.path}",
            "TMPDIR": str(folder),
        }
        log = self.state / "logs" / f"task-{call.job}-{call.name}-{call.attempt}.log"
        process = self.supervisor.start(Command(argv, environment, folder, log))
        self._wait(call, process)
        outputs = self._outputs(call)
        shutil.rmtree(folder, ignore_errors=True)
        return outputs

    def local(self, uri: str) -> Path:
        """Where a gs:// URI lies."""
        return self.state / "gcs" / uri.removeprefix("gs://")

    def _shim(self) -> Path:
        folder = self.state / "bin"
        shim = folder / "python3"
        text = _SHIM.format(python=sys.executable, stand_in=stand_in.__file__, warm=warm.folder(self.state))
        if not shim.is_file() or shim.read_text(encoding="utf-8") != text:
            folder.mkdir(parents=True, exist_ok=True)
            # Tasks start side by side, so each writes a file of its own and the last one stays.
            part = folder / f"python3.{uuid4().hex}"
            part.write_text(text, encoding="utf-8")
            part.chmod(0o755)
            part.replace(shim)
        return folder

    def _executor_input(self, call: TaskCall) -> str:
        """The text that stands for `{{$}}`. Source: ExecutorInput, pipeline_spec.proto."""
        parameters = call.component.get("outputDefinitions", {}).get("parameters", {})
        folder = self.local(call.output_file).parent
        given = {
            "inputs": {
                "parameterValues": dict(call.inputs.parameters),
                "artifacts": {name: _one(artifact) for name, artifact in call.inputs.artifacts.items()},
            },
            "outputs": {
                "parameters": {name: {"outputFile": str(folder / name)} for name in parameters},
                "artifacts": {name: _one(artifact) for name, artifact in call.outputs.items()},
                "outputFile": str(self.local(call.output_file)),
            },
        }
        return json.dumps(given)

    def _wait(self, call: TaskCall, process: Process) -> None:
        while True:
            with suppress(TimeoutError):
                code = process.wait(_POLL_S)
                break
            if call.cancelled.is_set():
                process.stop()
                raise TaskFailedError("cancelled")
        if code:
            said = process.tail(_TAIL_LINES)
            raise TaskFailedError(f"{_last_error(said) or f'ended with {code}'}\n{said}")

    def _outputs(self, call: TaskCall) -> Values:
        declared = call.component.get("outputDefinitions", {})
        file = self.local(call.output_file)
        written: Mapping[str, Json] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        values = {}
        for name, definition in declared.get("parameters", {}).items():
            found = self._parameter(call, name, written.get("parameterValues", {}), definition)
            if found is not None:
                values[name] = found
        told = written.get("artifacts", {})
        artifacts = {name: _updated(artifact, told.get(name, {})) for name, artifact in call.outputs.items()}
        return Values(values, artifacts)

    def _parameter(
        self, call: TaskCall, name: str, written: Mapping[str, Json], definition: Mapping[str, Json]
    ) -> Json:
        kind = definition["parameterType"]
        if name in written:
            return of_type(written[name], kind)
        file = self.local(call.output_file).parent / name
        if file.is_file():
            text = file.read_text(encoding="utf-8")
            return text if kind == "STRING" else of_type(json.loads(text), kind)
        if definition.get("isOptional"):
            return None
        raise TaskFailedError(f"the task {call.name} wrote no output {name}")


def _one(artifact: Artifact) -> Mapping[str, Json]:
    return {"artifacts": [artifact.to_json()]}


def _updated(artifact: Artifact, told: Mapping[str, Json]) -> Artifact:
    """An output artifact with what the task says of it."""
    entries = told.get("artifacts", ())
    if not entries:
        return artifact
    return replace(
        artifact,
        uri=entries[0].get("uri", artifact.uri),
        metadata=cast("Mapping[str, Json]", entries[0].get("metadata", {})),
    )


def _filled(words: Sequence[str], executor_input: str) -> tuple[str, ...]:
    filled = tuple(word.replace(_INPUT, executor_input) if isinstance(word, str) else word for word in words)
    for before, word in zip(words, filled, strict=True):
        if not isinstance(word, str) or (before == word and re.search(r"\{\{\$\.(inputs|outputs)", word)):
            raise UnsupportedError(f"the placeholder in {word!r}: this runtime knows {_INPUT} only")
    return filled


def _last_error(said: str) -> str:
    """The last line of a log that tells of an exception."""
    errors = [line for line in said.splitlines() if re.match(r"^[\w.]*(Error|Exception|Interrupt)\b.*", line)]
    return errors[-1] if errors else ""
