"""From a task's declared inputs to values: constants, outputs of other tasks, inputs of the DAG around it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from emulator.runtime.tasks import Artifact, Json, Spec, TaskFailedError, UnsupportedError, Values

_PARAMETER = re.compile(r"\{\{\$\.inputs\.parameters\['([^']+)'\]\}\}")
_SELECTOR = re.compile(r'^parseJson\(string_value\)\["(.+)"\]$')


@dataclass(frozen=True, slots=True)
class Result:
    """How a task of a DAG ended."""

    state: str
    outputs: Values
    error: str = ""


def dependencies(task: Spec) -> frozenset[str]:
    """The tasks of the same DAG that must have ended before."""
    found = set(task.get("dependentTasks", ()))
    inputs = task.get("inputs", {})
    for kind in ("parameters", "artifacts"):
        for binding in inputs.get(kind, {}).values():
            for source in ("taskOutputParameter", "taskOutputArtifact", "taskFinalStatus"):
                if source in binding:
                    found.add(binding[source]["producerTask"])
    return frozenset(found)


def bind(task: Spec, scope: Values, done: Mapping[str, Result], job: str) -> Values:
    """The inputs of a task. What has no value, such as an optional input, is left out.

    Args:
        task: The task.
        scope: Inputs of the DAG around it.
        done: Tasks of the DAG that have ended.
        job: Resource name of the pipeline job.

    Raises:
        UnsupportedError: A binding of a kind that this runtime does not know.
    """
    inputs = task.get("inputs", {})
    parameters = dict(_parameters(inputs.get("parameters", {}), scope, done, job))
    artifacts = dict(_artifacts(inputs.get("artifacts", {}), scope, done))
    return Values({name: _filled(value, parameters) for name, value in parameters.items()}, artifacts)


def defaults(component: Spec, given: Mapping[str, Json]) -> Mapping[str, Json]:
    """The parameters of a component or pipeline with its defaults, each of its declared type.

    Raises:
        TaskFailedError: One has no value.
    """
    declared = component.get("inputDefinitions", {}).get("parameters", {})
    found = dict(given)
    for name, definition in declared.items():
        if name not in found and "defaultValue" in definition:
            found[name] = definition["defaultValue"]
        if name in found:
            found[name] = of_type(found[name], definition.get("parameterType", ""))
        elif not definition.get("isOptional"):
            raise TaskFailedError(f"the parameter {name} has no value")
    return found


def of_type(value: Json, kind: str) -> Json:
    """A value as its declared type has it: numbers in JSON are all alike."""
    if kind == "NUMBER_INTEGER" and isinstance(value, float):
        return int(value)
    if kind == "NUMBER_DOUBLE" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _parameters(bindings: Spec, scope: Values, done: Mapping[str, Result], job: str) -> Iterator[tuple[str, Json]]:
    for name, binding in bindings.items():
        source: Mapping[str, Json]
        if "runtimeValue" in binding:
            yield name, binding["runtimeValue"]["constant"]
            continue
        if "taskFinalStatus" in binding:
            producer = binding["taskFinalStatus"]["producerTask"]
            yield name, _status(producer, done[producer], job)
            continue
        if "componentInputParameter" in binding:
            source, key = scope.parameters, binding["componentInputParameter"]
        elif "taskOutputParameter" in binding:
            output = binding["taskOutputParameter"]
            source, key = done[output["producerTask"]].outputs.parameters, output["outputParameterKey"]
        else:
            raise UnsupportedError(f"the input {name} is bound by {sorted(binding)}")
        if key in source:
            yield name, _selected(source[key], binding.get("parameterExpressionSelector", ""))


def _artifacts(bindings: Spec, scope: Values, done: Mapping[str, Result]) -> Iterator[tuple[str, Artifact]]:
    for name, binding in bindings.items():
        if "componentInputArtifact" in binding:
            source, key = scope.artifacts, binding["componentInputArtifact"]
        elif "taskOutputArtifact" in binding:
            output = binding["taskOutputArtifact"]
            source, key = done[output["producerTask"]].outputs.artifacts, output["outputArtifactKey"]
        else:
            raise UnsupportedError(f"the input artifact {name} is bound by {sorted(binding)}")
        if key in source:
            yield name, source[key]


def _status(producer: str, result: Result, job: str) -> Mapping[str, Json]:
    """What an exit task is told. Source: kfp.dsl.PipelineTaskFinalStatus."""
    error = {"code": 9, "message": result.error} if result.error else {}
    return {
        "state": result.state,
        "pipelineJobResourceName": job,
        "pipelineTaskName": producer,
        "error": error,
    }


def _selected(value: Json, selector: str) -> Json:
    if not selector:
        return value
    match = _SELECTOR.match(selector)
    if match is None:
        raise UnsupportedError(f"the selector {selector!r}")
    return (json.loads(value) if isinstance(value, str) else value)[match[1]]


def _filled(value: Json, parameters: Mapping[str, Json]) -> Json:
    """A constant with the other inputs that it refers to put in."""
    if isinstance(value, list):
        return [_filled(item, parameters) for item in value]
    if isinstance(value, dict):
        return {key: _filled(item, parameters) for key, item in value.items()}
    if not isinstance(value, str) or "{{$" not in value:
        return value
    if whole := _PARAMETER.fullmatch(value):
        return parameters[whole[1]]
    return _PARAMETER.sub(lambda match: str(parameters[match[1]]), value)
