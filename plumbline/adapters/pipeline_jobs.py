"""Vertex AI pipeline jobs: submitted, followed, cancelled.

The job is made by the API client and not by `aiplatform.PipelineJob.submit`: that one first asks the Resource Manager
who owns the bucket, which needs a permission more, fails with a stack trace in the log where it is missing, and stalls
for 50 s where there is no network.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from google.cloud import aiplatform_v1 as vertex
from google.protobuf import json_format, struct_pb2

from plumbline.adapters.operations import service_errors
from plumbline.adapters.registry import parent
from plumbline.environment import Place

DONE = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})


@dataclass(frozen=True, slots=True)
class Order:
    """A run to be started."""

    job_id: str
    display_name: str
    spec: Mapping[str, object]
    """The compiled pipeline, its images linked."""
    parameters: Mapping[str, str]
    root: str
    """gs:// URI of the folder for artifacts."""
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TaskState:
    """One task as it stands."""

    name: str
    state: str
    """PENDING, RUNNING, SUCCEEDED, SKIPPED (taken from the cache), FAILED, NOT_TRIGGERED, CANCELLED ..."""
    start: dt.datetime | None
    end: dt.datetime | None
    error: str


@dataclass(frozen=True, slots=True)
class JobState:
    """A pipeline job as it stands."""

    name: str
    state: str
    tasks: tuple[TaskState, ...]
    error: str


def submit(pipelines: vertex.PipelineServiceClient, place: Place, order: Order) -> str:
    """The resource name of the new job.

    Raises:
        ServiceError: Vertex AI refuses it.
    """
    spec, parameters = struct_pb2.Struct(), {k: struct_pb2.Value(string_value=v) for k, v in order.parameters.items()}
    json_format.ParseDict(dict(order.spec), spec)
    job = vertex.PipelineJob(
        display_name=order.display_name,
        pipeline_spec=spec,
        runtime_config=vertex.PipelineJob.RuntimeConfig(
            gcs_output_directory=order.root,
            parameter_values=parameters,
            failure_policy="PIPELINE_FAILURE_POLICY_FAIL_SLOW",
        ),
        labels=dict(order.labels),
        service_account=place.service_account or None,
        network=place.network or None,
    )
    with service_errors(f"submitting {order.job_id}"):
        made = pipelines.create_pipeline_job(parent=parent(place), pipeline_job=job, pipeline_job_id=order.job_id)
    return made.name


def look(pipelines: vertex.PipelineServiceClient, name: str) -> JobState:
    """How a job stands."""
    with service_errors(f"reading {name}"):
        job = pipelines.get_pipeline_job(name=name)
    tasks = tuple(map(_task, job.job_detail.task_details))
    return JobState(job.name, job.state.name.removeprefix("PIPELINE_STATE_"), tasks, job.error.message)


def cancel(pipelines: vertex.PipelineServiceClient, name: str) -> None:
    """Ask for a job to end; its exit task still runs."""
    with service_errors(f"cancelling {name}"):
        pipelines.cancel_pipeline_job(name=name)


def _task(task: vertex.PipelineTaskDetail) -> TaskState:
    return TaskState(task.task_name, task.state.name, _time(task.start_time), _time(task.end_time), task.error.message)


def _time(moment: dt.datetime | None) -> dt.datetime | None:
    return moment or None
