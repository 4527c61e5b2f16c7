"""The rules of pipeline jobs, and their details as Vertex AI shows them.

Source: pipeline_job.proto; python-aiplatform, `pipeline_jobs.py` and `utils/pipeline_utils.py`.
"""

import re
from collections.abc import Mapping

from google.protobuf import json_format

from emulator.aiplatform import wire
from emulator.aiplatform.errors import NUMBERS, invalid
from emulator.aiplatform.methods import Message
from emulator.aiplatform.states import set_state
from emulator.runtime.tasks import Json, TaskEvent, Values

FIELDS = (
    "display_name",
    "pipeline_spec",
    "runtime_config",
    "labels",
    "service_account",
    "network",
    "encryption_spec",
)
CONFIG_FIELDS = ("gcs_output_directory", "parameter_values", "failure_policy")
_ID = re.compile(r"^[a-z][-a-z0-9]{0,127}$")
_TYPES: Mapping[str, tuple[type, ...]] = {
    "STRING": (str,),
    "NUMBER_INTEGER": (int, float),
    "NUMBER_DOUBLE": (int, float),
    "BOOLEAN": (bool,),
    "LIST": (list,),
    "STRUCT": (dict,),
}


def check_id(job_id: str) -> None:
    """Nothing, when a job id is one.

    Raises:
        ApiError: It is not.
    """
    if not _ID.match(job_id):
        raise invalid(f"pipeline_job_id {job_id!r} must match {_ID.pattern}")


def check(job: Message) -> Mapping[str, Json]:
    """The parameters of a job that Vertex AI would take.

    Raises:
        ApiError: It would not, or the emulator cannot run it.
    """
    wire.only(job, FIELDS, "pipeline_job")
    wire.only(job.runtime_config, CONFIG_FIELDS, "runtime_config")
    if not job.runtime_config.gcs_output_directory.startswith("gs://"):
        raise invalid(
            f"runtime_config.gcs_output_directory must be gs://, got {job.runtime_config.gcs_output_directory!r}"
        )
    spec = json_format.MessageToDict(job.pipeline_spec)
    if "root" not in spec or "dag" not in spec["root"]:
        raise invalid("pipeline_spec has no root.dag")
    declared = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    given = {name: json_format.MessageToDict(v) for name, v in job.runtime_config.parameter_values.items()}
    if unknown := sorted(set(given) - set(declared)):
        raise invalid(f"unknown pipeline parameters {unknown}; the pipeline takes {sorted(declared)}")
    for name, definition in declared.items():
        _check_parameter(name, definition, given)
    return given


def _check_parameter(name: str, definition: Mapping[str, Json], given: Mapping[str, Json]) -> None:
    kind = definition["parameterType"]
    if name not in given:
        if not definition.get("isOptional") and "defaultValue" not in definition:
            raise invalid(f"the required pipeline parameter {name} is missing")
        return
    value = given[name]
    fits = isinstance(value, _TYPES[kind]) and (kind == "BOOLEAN" or not isinstance(value, bool))
    if not fits or (kind == "NUMBER_INTEGER" and value != int(value)):
        raise invalid(f"the pipeline parameter {name} must be {kind}, got {value!r}")


def write_detail(job: Message, event: TaskEvent) -> None:
    """Writes a task's state into the details of its job."""
    detail = next((d for d in job.job_detail.task_details if d.task_unique_name == event.path), None)
    if detail is None:
        detail = job.job_detail.task_details.add(task_name=event.name, task_unique_name=event.path)
        detail.task_id = len(job.job_detail.task_details)
        _place(job, detail)
    set_state(detail, event.state)
    if event.start:
        detail.create_time.FromDatetime(event.start)
        detail.start_time.FromDatetime(event.start)
    if event.end:
        detail.end_time.FromDatetime(event.end)
    if event.error:
        detail.error.code, detail.error.message = NUMBERS["INTERNAL"], event.error
    _write_artifacts(detail.inputs, event.inputs)
    _write_artifacts(detail.outputs, event.outputs)
    detail.execution.state = 3 if event.end else 2  # Execution.State: COMPLETE, RUNNING
    detail.execution.metadata.update(
        {f"output:{name}": value for name, value in event.outputs.parameters.items() if value is not None}
    )


def _place(job: Message, detail: Message) -> None:
    """The id of the DAG that the task is part of."""
    outer = detail.task_unique_name.rpartition("/")[0]
    for other in job.job_detail.task_details:
        if outer and other.task_unique_name == outer:
            detail.parent_task_id = other.task_id


def _write_artifacts(target: Message, values: Values) -> None:
    for name, artifact in values.artifacts.items():
        entries = target[name].artifacts
        del entries[:]
        entry = entries.add(
            display_name=artifact.name,
            uri=artifact.uri,
            schema_title=artifact.schema_title,
            schema_version=artifact.schema_version,
        )
        entry.metadata.update(dict(artifact.metadata))
