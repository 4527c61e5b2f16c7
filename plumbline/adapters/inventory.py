"""What there is in a place, and what its last runs were: read through Google's clients, changed by nothing here.

A place's things are those that carry all of its labels; a place without labels has everything in the region.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from google.api_core import exceptions
from google.cloud import aiplatform_v1 as vertex
from google.cloud import bigquery, storage
from google.protobuf import json_format

from plumbline.adapters import pipeline_jobs
from plumbline.adapters.bigquery import full_name
from plumbline.adapters.clients import Clients
from plumbline.adapters.endpoints import version_of
from plumbline.adapters.operations import service_errors
from plumbline.adapters.registry import parent
from plumbline.cost import Machines
from plumbline.deployment import STAGING
from plumbline.environment import Place
from plumbline.inventory import (
    Deployed,
    Endpoint,
    Inventory,
    Job,
    Labels,
    Monitor,
    PipelineRun,
    Scheduled,
    Table,
    Version,
)
from plumbline.labels import label
from plumbline.reuse import Past
from plumbline.runs import ENDED, Run

Request = TypeVar("Request")
_GOING_ON = ("JOB_STATE_QUEUED", "JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_CANCELLING")
_RUNNING = tuple(f"PIPELINE_STATE_{state}" for state in ("QUEUED", "PENDING", "RUNNING", "CANCELLING", "PAUSED"))
_OUTPUT = "output:"
"""What Vertex AI puts before the name of an output parameter in the metadata of an execution."""
_SNAPSHOT = "snapshot"
_ROOT = "runs/"
"""The folder in the bucket that runs write to."""


def take_stock(clients: Clients, *, since: dt.datetime) -> Inventory:
    """Everything of a place that may cost money, and the runs since a moment.

    Raises:
        ServiceError: A service refuses or fails.
    """
    place, models = clients.place, clients.models()
    with service_errors(f"looking through {place.project} in {place.location}"):
        endpoints = list(clients.endpoints().list_endpoints(_request(vertex.ListEndpointsRequest, place)))
        jobs = list(_jobs(clients.jobs(), place))
        # The runs come last: what is found before belongs to a run that was there already, or has ended since.
        return Inventory(
            deployed=[deployed(endpoint, model) for endpoint in endpoints for model in endpoint.deployed_models],
            endpoints=[_endpoint(endpoint) for endpoint in endpoints],
            jobs=jobs,
            monitors=list(_monitors(clients.jobs(), place)),
            schedules=list(_schedules(clients.schedules(), place)),
            versions=list(_versions(models, place)),
            tables=list(_tables(clients.bigquery(), place)),
            folders=list(_folders(clients.storage(), place)),
            runs=list(_runs(clients.pipelines(), place, since)),
        )


def past_runs(clients: Clients, problem: str, *, most: int = 5) -> Sequence[Past]:
    """The last runs of a problem, the newest first.

    Raises:
        ServiceError: Vertex AI refuses or fails.
    """
    place, pipelines = clients.place, clients.pipelines()
    request = vertex.ListPipelineJobsRequest(
        parent=parent(place),
        filter=f'labels.problem="{label(problem)}"',
        order_by="create_time desc",
        page_size=most,
    )
    with service_errors(f"the last runs of {problem}"):
        page = next(iter(pipelines.list_pipeline_jobs(request).pages))
        jobs = [pipelines.get_pipeline_job(name=job.name) for job in page.pipeline_jobs[:most]]
    return [Past(pipeline_jobs.as_run(job), _inputs(job)) for job in jobs]


def _inputs(job: vertex.PipelineJob) -> dict[str, str]:
    """The parameters of a run, and what its snapshot gave."""
    found = json_format.MessageToDict(vertex.PipelineJob.pb(job).runtime_config)
    inputs = {name: str(value) for name, value in found.get("parameterValues", {}).items()}
    for task in job.job_detail.task_details:
        if task.task_name == _SNAPSHOT:
            told = json_format.MessageToDict(vertex.PipelineTaskDetail.pb(task).execution.metadata)
            inputs |= {k.removeprefix(_OUTPUT): str(v) for k, v in told.items() if k.startswith(_OUTPUT)}
    return inputs


def deployed(endpoint: vertex.Endpoint, model: vertex.DeployedModel) -> Deployed:
    """A model on an endpoint, with its share of the traffic."""
    resources = model.dedicated_resources
    version = version_of(model)
    return Deployed(
        endpoint=endpoint.name,
        deployed_id=model.id,
        version=version,
        traffic=endpoint.traffic_split.get(model.id, 0),
        machines=_machines(resources.machine_spec),
        minimum=resources.min_replica_count,
        maximum=max(resources.max_replica_count, resources.min_replica_count),
        labels={"problem": _problem(model)},
        created=model.create_time,
    )


def _endpoint(endpoint: vertex.Endpoint) -> Endpoint:
    # Its own label `problem` is its id, which a config may choose freely; a model's id is the problem's name.
    own = {name: value for name, value in endpoint.labels.items() if name != "problem"}
    if endpoint.deployed_models:
        own["problem"] = _problem(endpoint.deployed_models[0])
    return Endpoint(
        name=endpoint.name,
        labels=own,
        deployed=len(endpoint.deployed_models),
        staging=endpoint.name.endswith(STAGING),
        created=endpoint.create_time,
    )


def _jobs(jobs: vertex.JobServiceClient, place: Place) -> Iterator[Job]:
    for state in _GOING_ON:
        for job in jobs.list_custom_jobs(_request(vertex.ListCustomJobsRequest, place, f'state="{state}"')):
            pools = [(_machines(p.machine_spec), int(p.replica_count)) for p in job.job_spec.worker_pool_specs]
            yield Job(job.name, job.display_name, dict(job.labels), pools, job.create_time)
        searches = _request(vertex.ListHyperparameterTuningJobsRequest, place, f'state="{state}"')
        for search in jobs.list_hyperparameter_tuning_jobs(searches):
            pools = [
                (_machines(p.machine_spec), int(p.replica_count) * int(search.parallel_trial_count))
                for p in search.trial_job_spec.worker_pool_specs
            ]
            yield Job(search.name, search.display_name, dict(search.labels), pools, search.create_time)


def _runs(pipelines: vertex.PipelineServiceClient, place: Place, since: dt.datetime) -> Iterator[PipelineRun]:
    """The runs that go on, however old, and those since a moment."""
    found = {job.name: job for job in _recent(pipelines, place, since)}
    for state in _RUNNING:
        request = _request(vertex.ListPipelineJobsRequest, place, f'state="{state}"')
        found |= {job.name: job for job in pipelines.list_pipeline_jobs(request)}
    for name, job in found.items():
        run = pipeline_jobs.look(pipelines, name)
        yield PipelineRun(name, dict(job.labels), run.state not in ENDED, _uses(run), job.create_time)


def _recent(pipelines: vertex.PipelineServiceClient, place: Place, since: dt.datetime) -> Iterator[vertex.PipelineJob]:
    request = _request(vertex.ListPipelineJobsRequest, place)
    request.order_by = "create_time desc"
    for job in pipelines.list_pipeline_jobs(request):
        if job.create_time < since:
            return
        yield job


def _uses(run: Run) -> frozenset[str]:
    outputs = [output for step in run.steps.values() for output in step.outputs.values()]
    tables = {str(output.metadata["table"]) for output in outputs if "table" in output.metadata}
    return frozenset(tables | {output.uri for output in outputs if output.uri})


def _monitors(jobs: vertex.JobServiceClient, place: Place) -> Iterator[Monitor]:
    for job in jobs.list_model_deployment_monitoring_jobs(
        _request(vertex.ListModelDeploymentMonitoringJobsRequest, place)
    ):
        if job.state.name == "JOB_STATE_PAUSED":
            continue
        configs = job.model_deployment_monitoring_objective_configs
        sources = [c.objective_config.training_dataset.bigquery_source.input_uri for c in configs]
        tables = frozenset(source.removeprefix("bq://") for source in sources if source)
        yield Monitor(job.name, job.endpoint, dict(job.labels), tables, job.create_time)


def _schedules(schedules: vertex.ScheduleServiceClient, place: Place) -> Iterator[Scheduled]:
    request = vertex.ListSchedulesRequest(parent=parent(place), filter='state="ACTIVE"')
    for one in schedules.list_schedules(request):
        # A schedule has no labels of its own; the job that it submits has.
        if _is_ours(one.create_pipeline_job_request.pipeline_job.labels, place):
            yield Scheduled(one.name, one.display_name, one.cron, one.create_time)


def _versions(models: vertex.ModelServiceClient, place: Place) -> Iterator[Version]:
    for model in models.list_models(_request(vertex.ListModelsRequest, place)):
        yield from versions_of(models, model.name.partition("@")[0])


def versions_of(models: vertex.ModelServiceClient, model: str) -> Sequence[Version]:
    """The versions of a model, by its resource name; none where there is no such model."""
    try:
        return [_version(one) for one in models.list_model_versions(name=model)]
    except exceptions.NotFound:
        return []


def _version(one: vertex.Model) -> Version:
    return Version(
        name=f"{one.name.partition('@')[0]}@{one.version_id}",
        aliases=list(one.version_aliases),
        is_deployed=bool(one.deployed_models),
        artifact_uri=one.artifact_uri,
        labels=dict(one.labels),
        created=one.version_create_time,
    )


def _tables(client: bigquery.Client, place: Place) -> Iterator[Table]:
    try:
        for item in client.list_tables(f"{place.project}.{place.dataset}"):
            yield table(client, full_name(place, item.table_id))
    except exceptions.NotFound:
        return


def table(client: bigquery.Client, name: str) -> Table:
    """A table, by project.dataset.table.

    Raises:
        NotFound: Google's: there is none.
    """
    found = client.get_table(name)
    return Table(name, found.modified, int(found.num_bytes or 0), int(found.num_rows or 0))


def _folders(client: storage.Client, place: Place) -> Iterator[str]:
    """The folders of runs: right under the root, or under the number of the project, as on Vertex AI."""
    try:
        for prefix in _prefixes(client, place.bucket, _ROOT):
            inner = _prefixes(client, place.bucket, prefix) if prefix.split("/")[-2].isdecimal() else [prefix]
            yield from (f"gs://{place.bucket}/{name}" for name in inner)
    except exceptions.NotFound:
        return


def _prefixes(client: storage.Client, bucket: str, prefix: str) -> Sequence[str]:
    pages = client.list_blobs(bucket, prefix=prefix, delimiter="/").pages
    return sorted({name for page in pages for name in page.prefixes})


def _request(kind: Callable[..., Request], place: Place, *terms: str) -> Request:
    """A list request of any kind for what carries the place's labels."""
    labels = [f'labels.{name}="{value}"' for name, value in place.labels.items()]
    return kind(parent=parent(place), filter=" AND ".join((*labels, *terms)))


def _is_ours(labels: Labels, place: Place) -> bool:
    return all(labels.get(name) == value for name, value in place.labels.items())


def _problem(model: vertex.DeployedModel) -> str:
    return label(model.model.partition("@")[0].rpartition("/")[2])


def _machines(spec: vertex.MachineSpec) -> Machines:
    accelerator = spec.accelerator_type.name if spec.accelerator_type else ""
    return Machines(spec.machine_type, accelerator, spec.accelerator_count)
