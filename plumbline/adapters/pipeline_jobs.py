"""Vertex AI pipeline jobs: submitted, followed, cancelled.

The job is made by the API client and not by `aiplatform.PipelineJob.submit`: that one first asks the Resource Manager
who owns the bucket, which needs a permission more, fails with a stack trace in the log where it is missing, and stalls
for 50 s where there is no network.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote

from google.api_core import exceptions
from google.cloud import aiplatform_v1 as vertex
from google.protobuf import field_mask_pb2, json_format, message, struct_pb2

from plumbline.adapters.operations import service_errors
from plumbline.adapters.registry import encryption, parent
from plumbline.environment import Place
from plumbline.runs import ENDED, OBSERVING, STEPS, Output, Run, Step

_SHOWN = frozenset((*STEPS, *OBSERVING))


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


def submit(pipelines: vertex.PipelineServiceClient, place: Place, order: Order) -> str:
    """The resource name of the new job.

    Raises:
        ServiceError: Vertex AI refuses it.
    """
    # The id is ours alone: where it is taken, the answer to an earlier try was lost.
    with service_errors(f"submitting {order.job_id}"), suppress(exceptions.Conflict):
        job = pipeline_job(place, order)
        pipelines.create_pipeline_job(parent=parent(place), pipeline_job=job, pipeline_job_id=order.job_id)
    return f"{parent(place)}/pipelineJobs/{order.job_id}"


def pipeline_job(place: Place, order: Order) -> vertex.PipelineJob:
    """The job of an order, as Vertex AI is asked for it."""
    spec, parameters = struct_pb2.Struct(), {k: struct_pb2.Value(string_value=v) for k, v in order.parameters.items()}
    json_format.ParseDict(dict(order.spec), spec)
    return vertex.PipelineJob(
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
        encryption_spec=encryption(place),
    )


def running(pipelines: vertex.PipelineServiceClient, place: Place, problem: str) -> Sequence[vertex.PipelineJob]:
    """The jobs of a problem that have not ended, the newest first; without their specs."""
    return [job for job in jobs(pipelines, place, problem) if state_of(job) not in ENDED]


def jobs(pipelines: vertex.PipelineServiceClient, place: Place, problem: str) -> Sequence[vertex.PipelineJob]:
    """All jobs of a problem with name, state, labels and time of creation."""
    request = vertex.ListPipelineJobsRequest(
        parent=parent(place),
        filter=f'labels.problem="{problem}"',
        read_mask=field_mask_pb2.FieldMask(paths=["name", "state", "labels", "create_time"]),
    )
    with service_errors(f"the pipeline jobs of {problem}"):
        return list(pipelines.list_pipeline_jobs(request))


def named(pipelines: vertex.PipelineServiceClient, place: Place, problem: str) -> Sequence[str]:
    """The names of all jobs of a problem, the newest first."""
    request = vertex.ListPipelineJobsRequest(
        parent=parent(place),
        filter=f'labels.problem="{problem}"',
        order_by="create_time desc",
        read_mask=field_mask_pb2.FieldMask(paths=["name"]),
    )
    with service_errors(f"the pipeline jobs of {problem}"):
        return [job.name for job in pipelines.list_pipeline_jobs(request)]


def parameter(pipelines: vertex.PipelineServiceClient, name: str, of: str) -> str:
    """What a job was given as one of its parameters; empty where it was given none."""
    with service_errors(f"reading {name}"):
        values = vertex.PipelineJob.pb(pipelines.get_pipeline_job(name=name)).runtime_config.parameter_values
    return str(values[of].string_value) if of in values else ""


def look(pipelines: vertex.PipelineServiceClient, name: str) -> Run:
    """How a job stands."""
    with service_errors(f"reading {name}"):
        return as_run(pipelines.get_pipeline_job(name=name))


def as_run(job: vertex.PipelineJob) -> Run:
    """A job that was read with its details, as we see it."""
    steps = {task.task_name: _step(task) for task in job.job_detail.task_details if task.task_name in _SHOWN}
    return Run(job.name, state_of(job), job.error.message, job.create_time or None, steps)


def cancel(pipelines: vertex.PipelineServiceClient, name: str) -> None:
    """Ask for a job to end; its exit task still runs."""
    with service_errors(f"cancelling {name}"):
        pipelines.cancel_pipeline_job(name=name)


def console(place: Place, run_id: str) -> str:
    """Where a job can be watched."""
    page = f"https://console.cloud.google.com/vertex-ai/locations/{place.location}/pipelines/runs/{run_id}"
    return f"{page}?project={place.project}"


def links(run: Run, place: Place) -> Mapping[str, str]:
    """Where the things that a run made can be looked at; empty where it did not make one."""
    return {
        "pipeline job": run.name,
        "console": console(place, run.run_id),
        "logs": f"https://console.cloud.google.com/logs/query;query={_logs(run)}?project={place.project}",
        "model": run.uri("train", "model"),
        "model card": run.uri("card", "page"),
        "version": str(run.metadata("register", "version").get("resourceName", "")),
        "endpoint": str(run.metadata("deploy", "endpoint").get("resourceName", "")),
        "monitoring": str(run.metadata("monitor", "job").get("resourceName", "")),
    }


def state_of(job: vertex.PipelineJob) -> str:
    """The state of a job, without its prefix."""
    return str(job.state.name.removeprefix("PIPELINE_STATE_"))


def _logs(run: Run) -> str:
    """The query that finds the log lines of a run in Cloud Logging."""
    return quote(
        f'resource.type="aiplatform.googleapis.com/PipelineJob" resource.labels.pipeline_job_id="{run.run_id}"', safe=""
    )


def _step(task: vertex.PipelineTaskDetail) -> Step:
    listed = vertex.PipelineTaskDetail.pb(task).outputs
    outputs = {name: _output(found.artifacts[0]) for name, found in listed.items() if found.artifacts}
    start, end = task.start_time or None, task.end_time or None
    return Step(task.task_name, task.state.name, start, end, task.error.message, outputs)


def _output(artifact: message.Message) -> Output:
    return Output(artifact.uri, json_format.MessageToDict(artifact.metadata))
