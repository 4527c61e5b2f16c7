"""What Vertex AI Pipelines would refuse, found before a pipeline is submitted.

`aiplatform.PipelineJob` checks almost nothing itself. Sources: pipeline_spec.proto; Vertex AI, "Configure pipeline
machine types", "Quotas and limits", "Configure retries"; bugs of kfp's compiler by their number.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from plumbline.errors import PlumblineError

Spec = Mapping[str, Any]
_SCHEMA = "2.1.0"
_NAME = re.compile(r"^[a-z][-a-z0-9]{0,106}$")
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_REFERENCE = re.compile(r"inputs\.parameter_values\['([^']+)'\]")
_CPU, _MEMORY_GB, _BACKOFF_S = 96, 624, 3600


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that would be refused."""

    where: str
    message: str

    def __str__(self) -> str:
        """The finding as a line."""
        return f"{self.where}: {self.message}"


def lint(spec: Spec, *, linked: bool = False) -> tuple[Finding, ...]:
    """Everything that is wrong with a compiled pipeline. `linked`: its images must have digests already."""
    findings = list(_schema(spec))
    if findings:
        return tuple(findings)
    for name, executor in spec["deploymentSpec"]["executors"].items():
        findings += _executor(name, executor.get("container", {}), linked=linked)
    findings += _dag("root", spec["root"], spec)
    return tuple(findings)


def check(spec: Spec, *, linked: bool = False) -> None:
    """Nothing, when Vertex AI Pipelines would take the pipeline.

    Raises:
        PlumblineError: It would not; the message lists every finding.
    """
    if findings := lint(spec, linked=linked):
        raise PlumblineError("Vertex AI Pipelines would refuse the pipeline:\n" + "\n".join(map(str, findings)))


def _schema(spec: Spec) -> Iterator[Finding]:
    parts = (
        (spec, pipeline_spec_pb2.PipelineSpec),
        (spec.get("deploymentSpec", {}), pipeline_spec_pb2.PipelineDeploymentConfig),
    )
    for part, kind in parts:
        try:
            json_format.ParseDict(dict(part), kind())
        except json_format.ParseError as error:
            yield Finding(kind.DESCRIPTOR.name, f"not in the schema: {error}")
    if spec.get("schemaVersion") != _SCHEMA:
        yield Finding("schemaVersion", f"wanted {_SCHEMA}, got {spec.get('schemaVersion')}")
    name = spec.get("pipelineInfo", {}).get("name", "")
    if not _NAME.match(name):
        yield Finding("pipelineInfo.name", f"{name!r} must match {_NAME.pattern}: job ids are made from it")
    if "dag" not in spec.get("root", {}):
        yield Finding("root", "there is no dag")


def _executor(name: str, container: Spec, *, linked: bool) -> Iterator[Finding]:
    if not container:
        return
    if "pip install" in " ".join(container.get("command", ())):
        yield Finding(name, "installs packages at run time: they belong into the image")
    if linked and not _DIGEST.search(container.get("image", "")):
        yield Finding(name, f"the image {container.get('image')} has no digest")
    for variable in container.get("env", ()):
        if not variable.get("value"):
            yield Finding(name, f"the variable {variable.get('name')} is empty, which Vertex AI refuses (kfp #10111)")
    resources = container.get("resources", {})
    if resources.get("cpuLimit", 0) > _CPU or resources.get("memoryLimit", 0) > _MEMORY_GB:
        yield Finding(name, f"asks for more than {_CPU} CPUs or {_MEMORY_GB} GB")
    if resources.get("cpuRequest") or resources.get("memoryRequest"):
        yield Finding(name, "requests are not used by Vertex AI: set limits")


def _dag(where: str, component: Spec, spec: Spec) -> Iterator[Finding]:
    tasks: Mapping[str, Spec] = component["dag"]["tasks"]
    for name, task in tasks.items():
        place, inner = f"{where}/{name}", spec["components"].get(task["componentRef"]["name"])
        if inner is None:
            yield Finding(place, f"there is no component {task['componentRef']['name']}")
            continue
        yield from _condition(place, task)
        yield from _bindings(place, task, inner, component, spec)
        yield from _retries(place, task)
        if "dag" in inner:
            yield from _dag(place, inner, spec)


def _condition(place: str, task: Spec) -> Iterator[Finding]:
    condition = task.get("triggerPolicy", {}).get("condition", "")
    if not condition:
        return
    bound = task.get("inputs", {}).get("parameters", {})
    names = _REFERENCE.findall(condition)
    if not names:
        yield Finding(place, f"the condition compares no value: {condition}")
    for name in names:
        if name not in bound:
            yield Finding(place, f"the condition needs {name}, which is not bound")


def _bindings(place: str, task: Spec, inner: Spec, outer: Spec, spec: Spec) -> Iterator[Finding]:
    inputs = task.get("inputs", {})
    for kind, from_outer in (("parameters", "componentInputParameter"), ("artifacts", "componentInputArtifact")):
        declared = inner.get("inputDefinitions", {}).get(kind, {})
        for name, binding in inputs.get(kind, {}).items():
            if from_outer in binding and binding[from_outer] not in outer.get("inputDefinitions", {}).get(kind, {}):
                yield Finding(
                    place, f"{name} refers to {binding[from_outer]}, which the DAG around it lacks (kfp #13273)"
                )
        for name, definition in declared.items():
            needed = not definition.get("isOptional") and "defaultValue" not in definition
            if needed and name not in inputs.get(kind, {}):
                yield Finding(place, f"the input {name} is not bound")
    yield from _types(place, inputs.get("parameters", {}), inner, outer, spec)


def _types(place: str, bindings: Spec, inner: Spec, outer: Spec, spec: Spec) -> Iterator[Finding]:
    """Outputs of other tasks are there, and of the type that the input has."""
    for name, binding in bindings.items():
        source = binding.get("taskOutputParameter")
        if source is None:
            continue
        producer = outer["dag"]["tasks"].get(source["producerTask"])
        component = spec["components"][producer["componentRef"]["name"]] if producer else {}
        outputs = component.get("outputDefinitions", {}).get("parameters", {})
        if source["outputParameterKey"] not in outputs:
            yield Finding(place, f"{source['producerTask']} has no output {source['outputParameterKey']}")
            continue
        have = outputs[source["outputParameterKey"]]["parameterType"]
        want = inner.get("inputDefinitions", {}).get("parameters", {}).get(name, {}).get("parameterType", have)
        if have != want:
            yield Finding(place, f"{name} is {want}, and gets {have}")


def _retries(place: str, task: Spec) -> Iterator[Finding]:
    policy = task.get("retryPolicy", {})
    for key in ("backoffDuration", "backoffMaxDuration"):
        if float(str(policy.get(key, "0s")).rstrip("s")) > _BACKOFF_S:
            yield Finding(place, f"{key} {policy[key]} is over {_BACKOFF_S} s")
