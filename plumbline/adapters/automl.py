"""A quick prototype by AutoML on Vertex AI: a dataset, a training, a batch prediction; nothing of it stays.

Source: Vertex AI, "Train a classification or regression model" and "Get batch predictions for AutoML models".
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pyarrow as pa
from google.api_core import exceptions
from google.cloud import aiplatform_v1 as vertex

from plumbline.adapters import bigquery as bq
from plumbline.adapters.clients import Clients
from plumbline.adapters.custom_jobs import OUTPUT, Waiting, await_end, marked
from plumbline.adapters.operations import finished, service_errors
from plumbline.adapters.registry import encryption, parent
from plumbline.adapters.retries import once, patience_of
from plumbline.automl import check_rows, scores, training_inputs
from plumbline.bigquery_ml import TARGET, rows_to_score, training_rows
from plumbline.dataset import Summary
from plumbline.errors import NotOfferedError, PlumblineError, ServiceError
from plumbline.labels import label
from plumbline.problem import Data
from plumbline.prototype import SCORING_MACHINE, SCORING_S, AutoML, training_limit_s

_SCHEMAS = "gs://google-cloud-aiplatform/schema"
_TABULAR = f"{_SCHEMAS}/dataset/metadata/tabular_1.0.0.yaml"
_TRAINING = f"{_SCHEMAS}/trainingjob/definition/automl_tabular_1.0.0.yaml"
_SPLIT = vertex.FractionSplit(training_fraction=0.8, validation_fraction=0.1, test_fraction=0.1)
"""Of the training split: AutoML chooses and judges its models by its own parts of it."""
_FAILED = frozenset({vertex.PipelineState.PIPELINE_STATE_FAILED, vertex.PipelineState.PIPELINE_STATE_CANCELLED})
_SUCCEEDED = vertex.JobState.JOB_STATE_SUCCEEDED


@dataclass(frozen=True, slots=True)
class Task:
    """What AutoML is asked for."""

    name: str
    """Of the problem."""
    data: Data
    automl: AutoML
    summary: Summary
    output: str
    """Where the scores will lie; a training that was interrupted is found again by it."""


@dataclass(slots=True)
class _Seen:
    """A training pipeline with its state as jobs have it: the numbers are the same."""

    pipeline: vertex.TrainingPipeline
    state: vertex.JobState


@dataclass(frozen=True, slots=True)
class _Run:
    """What is asked of whom, what is to be removed in the end, and what could not be."""

    clients: Clients
    task: Task
    sleep: Callable[[float], None]
    stack: ExitStack = field(default_factory=ExitStack)
    left: list[str] = field(default_factory=list)

    def later(self, name: str, remove: Callable[[], object]) -> None:
        """Removes something once all is over. A failure is no reason to lose the scores, and is told with them."""

        def tried() -> None:
            try:
                remove()
            except (exceptions.GoogleAPICallError, exceptions.RetryError, PlumblineError):
                self.left.append(name)

        self.stack.callback(tried)


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores, and what is still there."""

    rows: pa.Table
    """Keys and `score` of the validation and the test split, in any order."""
    left: tuple[str, ...]
    """Names of what could not be removed."""


def automl_scores(clients: Clients, task: Task, *, sleep: Callable[[float], None] = time.sleep) -> Scored:
    """What AutoML's best model says of the validation and the test split.

    Raises:
        DataError: There are too few rows to learn from, or BigQuery refuses a query.
        ServiceError: There is no AutoML here, it fails, or it takes too long; what it was about to do is cancelled.
    """
    check_rows(task.summary.splits["train"])
    run = _Run(clients, task, sleep)
    with _cleaned(run), _only_on_google_cloud():
        train, rows = f"{task.summary.table}_automl_train", f"{task.summary.table}_automl_rows"
        _make(run, train, training_rows(task.data, table=task.summary.training_table))
        model = _trained(run, _dataset(run, train))
        _make(run, rows, rows_to_score(task.data, table=task.summary.table))
        predicted = _predicted(run, model, rows)
        wanted = [*task.data.key, f"predicted_{TARGET}"]
        batches = list(bq.read_table(clients.bigquery_read(), predicted, columns=wanted))
        found = scores(pa.Table.from_batches(batches).replace_schema_metadata(), task.data.key)
    return Scored(found, tuple(run.left))


@contextmanager
def _cleaned(run: _Run) -> Iterator[None]:
    """Removes what was made, whatever happens; what could not be removed is also told with an error."""
    try:
        with run.stack:
            yield
    except PlumblineError as error:
        if run.left:
            error.add_note(f"still there: {', '.join(run.left)}")
        raise


@contextmanager
def _only_on_google_cloud() -> Iterator[None]:
    try:
        yield
    except NotOfferedError as error:
        raise ServiceError(
            f"AutoML is only to be had on Google Cloud: take prototype.automl out of the config ({error})"
        ) from error


def _make(run: _Run, table: str, query: str) -> None:
    _drop_later(run, table)
    client, limit = run.clients.bigquery(), run.task.data.maximum_bytes
    bq.materialise(client, query, table, maximum_bytes=limit, labels=_labels(run.clients, run.task))


def _drop_later(run: _Run, table: str) -> None:
    labels, limit = _labels(run.clients, run.task), run.task.data.maximum_bytes
    statement = f"DROP TABLE IF EXISTS `{table}`"
    run.later(table, lambda: bq.execute(run.clients.bigquery(), statement, maximum_bytes=limit, labels=labels))


def _dataset(run: _Run, table: str) -> str:
    """The resource name of a dataset that stands for a table."""
    clients, task, place = run.clients, run.task, run.clients.place
    datasets = clients.datasets()
    quick_s = patience_of(datasets).quick_s
    wanted = vertex.Dataset(
        display_name=f"{task.name}-prototype",
        metadata_schema_uri=_TABULAR,
        metadata={"inputConfig": {"bigquerySource": {"uri": f"bq://{table}"}}},
        labels=_marked_labels(clients, task),
        encryption_spec=encryption(place),
    )
    listing = vertex.ListDatasetsRequest(parent=parent(place), filter=_mine(task))

    def make() -> vertex.Dataset:
        pending = datasets.create_dataset(parent=parent(place), dataset=wanted, retry=None)
        return finished(datasets, pending, timeout_s=quick_s)

    with service_errors("AutoML: making its dataset"):
        name = str(once(datasets, lambda: next(iter(datasets.list_datasets(listing)), None), make).name)
    run.later(name, lambda: finished(datasets, datasets.delete_dataset(name=name), timeout_s=quick_s))
    return name


def _trained(run: _Run, dataset: str) -> str:
    """The resource name of the model that was trained."""
    clients, task = run.clients, run.task
    pipelines, models, jobs = clients.pipelines(), clients.models(), clients.jobs()
    quick_s = patience_of(jobs).quick_s
    wanted = training_pipeline(clients, task, dataset)
    listing = vertex.ListTrainingPipelinesRequest(parent=parent(clients.place), filter=_mine(task))
    with service_errors("AutoML: starting the training"):
        made = once(
            pipelines,
            lambda: next((p for p in pipelines.list_training_pipelines(listing) if p.state not in _FAILED), None),
            lambda: pipelines.create_training_pipeline(
                parent=parent(clients.place), training_pipeline=wanted, retry=None
            ),
        )
    name = made.name
    run.later(name, lambda: finished(pipelines, pipelines.delete_training_pipeline(name=name), timeout_s=quick_s))

    def look() -> _Seen:
        found = pipelines.get_training_pipeline(name=name)
        return _Seen(found, vertex.JobState(int(found.state)))

    waiting = Waiting(
        name,
        look=look,
        cancel=lambda: pipelines.cancel_training_pipeline(name=name),
        patience_s=training_limit_s(task.automl) + patience_of(jobs).margin_s,
    )
    ended = await_end(jobs, waiting, run.sleep)
    _succeeded("the training", name, ended.state, ended.pipeline.error.message)
    model = ended.pipeline.model_to_upload.name
    run.later(model, lambda: finished(models, models.delete_model(name=model), timeout_s=quick_s))
    return model


def training_pipeline(clients: Clients, task: Task, dataset: str) -> vertex.TrainingPipeline:
    """The training as Vertex AI is asked for it."""
    labels, key = _marked_labels(clients, task), encryption(clients.place)
    return vertex.TrainingPipeline(
        display_name=f"{task.name}-prototype",
        input_data_config=vertex.InputDataConfig(dataset_id=dataset.rpartition("/")[2], fraction_split=_SPLIT),
        training_task_definition=_TRAINING,
        training_task_inputs=dict(training_inputs(task.data, task.automl)),
        model_to_upload=vertex.Model(display_name=f"{task.name}-prototype", labels=labels, encryption_spec=key),
        labels=labels,
        encryption_spec=key,
    )


def _predicted(run: _Run, model: str, rows: str) -> str:
    """The full name of the table of predictions."""
    clients, task, place = run.clients, run.task, run.clients.place
    jobs = clients.jobs()
    wanted = batch_prediction(clients, task, model, rows)
    listing = vertex.ListBatchPredictionJobsRequest(parent=parent(place), filter=_mine(task))
    with service_errors("AutoML: starting the batch prediction"):
        made = once(
            jobs,
            lambda: next(iter(jobs.list_batch_prediction_jobs(listing)), None),
            lambda: jobs.create_batch_prediction_job(parent=parent(place), batch_prediction_job=wanted, retry=None),
        )
    name, quick_s = made.name, patience_of(jobs).quick_s
    run.later(name, lambda: finished(jobs, jobs.delete_batch_prediction_job(name=name), timeout_s=quick_s))
    waiting = Waiting(
        name,
        look=lambda: jobs.get_batch_prediction_job(name=name),
        cancel=lambda: jobs.cancel_batch_prediction_job(name=name),
        patience_s=SCORING_S + patience_of(jobs).margin_s,
    )
    ended = await_end(jobs, waiting, run.sleep)
    made_by_it = ended.output_info
    dataset, table = made_by_it.bigquery_output_dataset.removeprefix("bq://"), made_by_it.bigquery_output_table
    if table:
        for one in (table, table.replace("predictions", "errors", 1)):
            _drop_later(run, f"{dataset}.{one}")
    _succeeded("the batch prediction", name, ended.state, ended.error.message)
    return f"{dataset}.{table}"


def batch_prediction(clients: Clients, task: Task, model: str, rows: str) -> vertex.BatchPredictionJob:
    """The batch prediction as Vertex AI is asked for it: from a table into one of the same dataset."""
    job = vertex.BatchPredictionJob
    machines = vertex.BatchDedicatedResources(
        machine_spec=vertex.MachineSpec(machine_type=SCORING_MACHINE), starting_replica_count=1, max_replica_count=1
    )
    return job(
        display_name=f"{task.name}-prototype",
        model=model,
        input_config=job.InputConfig(
            instances_format="bigquery", bigquery_source=vertex.BigQuerySource(input_uri=f"bq://{rows}")
        ),
        output_config=job.OutputConfig(
            predictions_format="bigquery",
            bigquery_destination=vertex.BigQueryDestination(output_uri=f"bq://{rows.rpartition('.')[0]}"),
        ),
        dedicated_resources=machines,
        labels=_marked_labels(clients, task),
        encryption_spec=encryption(clients.place),
    )


def _succeeded(what: str, name: str, state: vertex.JobState, message: str) -> None:
    if state != _SUCCEEDED:
        told = state.name.removeprefix("JOB_STATE_").lower()
        raise ServiceError(f"AutoML: {what} {told}: {message or 'it does not say why'} ({name})")


def _mine(task: Task) -> str:
    return f'labels.{OUTPUT}="{marked(task.output)}"'


def _labels(clients: Clients, task: Task) -> Mapping[str, str]:
    return {**clients.place.labels, "problem": label(task.name)}


def _marked_labels(clients: Clients, task: Task) -> Mapping[str, str]:
    return {**_labels(clients, task), OUTPUT: marked(task.output)}
