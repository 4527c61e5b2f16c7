"""Which call of which step needs which permission: the list itself. What is made of it is in `plumbline.permissions`.

Source of the names, and of which call needs which: Google's pages "Vertex AI IAM permissions" (operations, with what
the long-running operation that they start needs), "BigQuery IAM roles and permissions", the DDL reference (CREATE OR
REPLACE TABLE), "IAM permissions for Cloud Storage", "Configure your project for Vertex AI Pipelines" (what the runtime
account needs) and the IAM reference of each small API. What they do not say is marked `inferred` below: that a method
needs the permission named after its resource and what it does. None of it has been tried on Google Cloud.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

On: TypeAlias = Literal["project", "bucket", "dataset", "table", "service_account", "repository"]
"""Where a permission can be tested. `table`: a source table. `service_account`: the pipeline's. `repository`: that of
the images, but for the step `publish`, which writes to that of the compiled pipelines."""
Row: TypeAlias = tuple[str, On, str]
"""Call, where, permission."""
RUN = "run"
"""The step of what no step does: Vertex AI Pipelines itself, as the account of the run."""
PIPELINES, FUSE, LOG, PULL, PUSH, SOURCE = (
    "Vertex AI Pipelines",
    "Cloud Storage FUSE",
    "Cloud Logging",
    "image pull",
    "image push",
    "source of a build",
)
DONE_BY_GOOGLE: Mapping[str, str] = {
    PIPELINES: "the runtime checks the root folder of a run and makes the project's metadata store",
    FUSE: "steps and training see the bucket as files: listed, and replaced by deleting what was there",
    LOG: "what a container prints becomes log lines in the name of its account",
    PULL: "a step's image is pulled in the name of the run's account",
    PUSH: "docker, in a step of a build, moves the tag to what it has built",
    SOURCE: "Cloud Build reads the source from the bucket in the name of the build's account",
}
"""Calls that no client of ours makes, and who makes them."""

_ROLLOUT: Sequence[Row] = (
    ("EndpointService.GetEndpoint", "project", "aiplatform.endpoints.get"),
    ("EndpointService.CreateEndpoint", "project", "aiplatform.endpoints.create"),
    ("EndpointService.DeployModel", "project", "aiplatform.endpoints.deploy"),
    ("EndpointService.MutateDeployedModel", "project", "aiplatform.endpoints.update"),  # inferred
    ("EndpointService.UpdateEndpoint", "project", "aiplatform.endpoints.update"),
    ("EndpointService.UndeployModel", "project", "aiplatform.endpoints.undeploy"),
    ("EndpointService.DeleteEndpoint", "project", "aiplatform.endpoints.delete"),
    ("PredictionService.Predict", "project", "aiplatform.endpoints.predict"),
    ("ModelService.GetModel", "project", "aiplatform.models.get"),
    ("ModelService.MergeVersionAliases", "project", "aiplatform.models.update"),  # inferred
)
"""A version to the callers of an endpoint."""
_SERIES: Sequence[Row] = (
    ("tables.get", "table", "bigquery.tables.get"),
    ("jobs.insert", "project", "bigquery.jobs.create"),
    ("jobs.insert", "dataset", "bigquery.tables.create"),
    # MERGE reads what it changes.
    ("jobs.insert", "table", "bigquery.tables.getData"),
    ("jobs.insert", "table", "bigquery.tables.updateData"),
)
"""A row in a time series: the first one makes the table."""
_COMPARISON: Sequence[Row] = (
    ("EndpointService.GetEndpoint", "project", "aiplatform.endpoints.get"),
    ("JobService.GetModelDeploymentMonitoringJob", "project", "aiplatform.modelDeploymentMonitoringJobs.get"),
    ("jobs.insert", "project", "bigquery.jobs.create"),
    # Of the log and the training table, which lie in the same dataset as what it makes of them meanwhile.
    ("jobs.insert", "table", "bigquery.tables.getData"),
    ("jobs.insert", "dataset", "bigquery.tables.create"),
    ("jobs.insert", "table", "bigquery.tables.update"),
    ("jobs.insert", "table", "bigquery.tables.updateData"),
    ("jobs.insert", "table", "bigquery.tables.delete"),
)
"""A log, compared with a training table and with the log of before."""
_DECISION: Sequence[Row] = (
    ("tables.get", "table", "bigquery.tables.get"),
    ("jobs.insert", "project", "bigquery.jobs.create"),
    ("jobs.insert", "table", "bigquery.tables.getData"),
    ("ModelService.GetModel", "project", "aiplatform.models.get"),
    ("PipelineService.ListPipelineJobs", "project", "aiplatform.pipelineJobs.list"),
    ("PipelineService.GetPipelineJob", "project", "aiplatform.pipelineJobs.get"),
)
"""Whether to train: what was trained, which rows are new, which alerts were raised."""
_LOCK: Sequence[Row] = (
    # An object that is made, read where it is another's, and deleted.
    ("objects.insert", "bucket", "storage.objects.create"),
    ("objects.get", "bucket", "storage.objects.get"),
    ("objects.delete", "bucket", "storage.objects.delete"),
)
_LAUNCH: Sequence[Row] = (
    *_LOCK,
    ("PipelineService.CreatePipelineJob", "project", "aiplatform.pipelineJobs.create"),
    ("PipelineService.CreatePipelineJob", "service_account", "iam.serviceAccounts.actAs"),
)
"""A training, started by one caller at a time."""

PIPELINE: Mapping[str, Sequence[Row]] = {
    RUN: (
        (PIPELINES, "project", "aiplatform.metadataStores.get"),
        (PIPELINES, "project", "aiplatform.metadataStores.create"),
        (PIPELINES, "bucket", "storage.buckets.get"),
        (PIPELINES, "bucket", "storage.objects.create"),
        (PIPELINES, "bucket", "storage.objects.get"),
        (FUSE, "bucket", "storage.objects.list"),  # inferred
        (FUSE, "bucket", "storage.objects.delete"),  # inferred
        (LOG, "project", "logging.logEntries.create"),
        (PULL, "repository", "artifactregistry.repositories.downloadArtifacts"),
    ),
    "snapshot": (
        ("tables.get", "table", "bigquery.tables.get"),
        ("ModelService.GetModel", "project", "aiplatform.models.get"),
    ),
    "ingest": (
        ("tables.get", "table", "bigquery.tables.get"),
        ("jobs.insert", "project", "bigquery.jobs.create"),
        ("jobs.insert", "table", "bigquery.tables.getData"),
        ("jobs.insert", "dataset", "bigquery.tables.create"),
        # For OR REPLACE, on the tables that the run makes; the dataset hands them down to all of its tables.
        ("jobs.insert", "table", "bigquery.tables.update"),
        ("jobs.insert", "table", "bigquery.tables.updateData"),
        ("BigQueryRead.CreateReadSession", "project", "bigquery.readsessions.create"),
        ("BigQueryRead.ReadRows", "project", "bigquery.readsessions.getData"),
    ),
    "prototype": (
        ("jobs.insert", "project", "bigquery.jobs.create"),
        ("jobs.insert", "table", "bigquery.tables.getData"),
        ("jobs.insert", "dataset", "bigquery.tables.create"),
        ("jobs.insert", "table", "bigquery.tables.update"),
        ("jobs.insert", "table", "bigquery.tables.updateData"),
        # Of CREATE OR REPLACE MODEL, and of ML.PREDICT on what it has made.
        ("jobs.insert", "dataset", "bigquery.models.create"),
        ("jobs.insert", "dataset", "bigquery.models.getData"),
        ("jobs.insert", "dataset", "bigquery.models.updateData"),
        ("jobs.insert", "dataset", "bigquery.models.updateMetadata"),
        ("BigQueryRead.CreateReadSession", "project", "bigquery.readsessions.create"),
        ("BigQueryRead.ReadRows", "project", "bigquery.readsessions.getData"),
        # Of AutoML, where the config asks for it; all that it makes is removed again.
        ("jobs.insert", "table", "bigquery.tables.delete"),
        ("DatasetService.ListDatasets", "project", "aiplatform.datasets.list"),
        ("DatasetService.CreateDataset", "project", "aiplatform.datasets.create"),
        ("DatasetService.DeleteDataset", "project", "aiplatform.datasets.delete"),
        ("PipelineService.ListTrainingPipelines", "project", "aiplatform.trainingPipelines.list"),
        ("PipelineService.CreateTrainingPipeline", "project", "aiplatform.trainingPipelines.create"),
        ("PipelineService.GetTrainingPipeline", "project", "aiplatform.trainingPipelines.get"),
        ("PipelineService.CancelTrainingPipeline", "project", "aiplatform.trainingPipelines.cancel"),
        ("PipelineService.DeleteTrainingPipeline", "project", "aiplatform.trainingPipelines.delete"),
        ("JobService.ListBatchPredictionJobs", "project", "aiplatform.batchPredictionJobs.list"),
        ("JobService.CreateBatchPredictionJob", "project", "aiplatform.batchPredictionJobs.create"),
        ("JobService.GetBatchPredictionJob", "project", "aiplatform.batchPredictionJobs.get"),
        ("JobService.CancelBatchPredictionJob", "project", "aiplatform.batchPredictionJobs.cancel"),
        ("JobService.DeleteBatchPredictionJob", "project", "aiplatform.batchPredictionJobs.delete"),
        ("ModelService.DeleteModel", "project", "aiplatform.models.delete"),
    ),
    "tune": (
        ("JobService.ListHyperparameterTuningJobs", "project", "aiplatform.hyperparameterTuningJobs.list"),
        ("JobService.CreateHyperparameterTuningJob", "project", "aiplatform.hyperparameterTuningJobs.create"),
        ("JobService.CreateHyperparameterTuningJob", "service_account", "iam.serviceAccounts.actAs"),
        ("JobService.GetHyperparameterTuningJob", "project", "aiplatform.hyperparameterTuningJobs.get"),
        ("JobService.CancelHyperparameterTuningJob", "project", "aiplatform.hyperparameterTuningJobs.cancel"),
    ),
    "train": (
        ("JobService.ListCustomJobs", "project", "aiplatform.customJobs.list"),
        ("JobService.CreateCustomJob", "project", "aiplatform.customJobs.create"),
        # The job runs as the account that makes it, which must be allowed to act even as itself.
        ("JobService.CreateCustomJob", "service_account", "iam.serviceAccounts.actAs"),
        ("JobService.GetCustomJob", "project", "aiplatform.customJobs.get"),
        ("JobService.CancelCustomJob", "project", "aiplatform.customJobs.cancel"),
    ),
    "register": (
        ("ModelService.GetModel", "project", "aiplatform.models.get"),
        ("ModelService.ListModelVersions", "project", "aiplatform.models.list"),  # inferred
        ("ModelService.UploadModel", "project", "aiplatform.models.upload"),
        ("ModelService.MergeVersionAliases", "project", "aiplatform.models.update"),  # inferred
    ),
    "deploy": (
        *_ROLLOUT,
        # Its probe is kept beside the model, for the day of a rollback.
        ("objects.insert", "bucket", "storage.objects.create"),
        # The shadow reads the log of the requests, where the config asks for one.
        ("jobs.insert", "project", "bigquery.jobs.create"),
        ("jobs.insert", "table", "bigquery.tables.getData"),
    ),
    "monitor": (
        ("EndpointService.GetEndpoint", "project", "aiplatform.endpoints.get"),
        (
            "JobService.CreateModelDeploymentMonitoringJob",
            "project",
            "aiplatform.modelDeploymentMonitoringJobs.create",
        ),
        (
            "JobService.UpdateModelDeploymentMonitoringJob",
            "project",
            "aiplatform.modelDeploymentMonitoringJobs.update",
        ),
        # Also for the operation that the update starts.
        ("JobService.GetModelDeploymentMonitoringJob", "project", "aiplatform.modelDeploymentMonitoringJobs.get"),
        (
            "JobService.ResumeModelDeploymentMonitoringJob",
            "project",
            "aiplatform.modelDeploymentMonitoringJobs.resume",
        ),
    ),
    "report": (("PipelineService.GetPipelineJob", "project", "aiplatform.pipelineJobs.get"),),
    # From here on the steps of the evaluation pipeline, as the same account.
    "observe": (
        ("tables.get", "table", "bigquery.tables.get"),
        ("jobs.insert", "project", "bigquery.jobs.create"),
        ("jobs.insert", "table", "bigquery.tables.getData"),
        ("jobs.insert", "dataset", "bigquery.tables.create"),
        ("jobs.insert", "table", "bigquery.tables.update"),
        ("jobs.insert", "table", "bigquery.tables.updateData"),
        ("BigQueryRead.CreateReadSession", "project", "bigquery.readsessions.create"),
        ("BigQueryRead.ReadRows", "project", "bigquery.readsessions.getData"),
    ),
    "judge": (
        ("EndpointService.GetEndpoint", "project", "aiplatform.endpoints.get"),
        ("PipelineService.ListPipelineJobs", "project", "aiplatform.pipelineJobs.list"),
        ("PipelineService.GetPipelineJob", "project", "aiplatform.pipelineJobs.get"),
        ("ModelService.GetModel", "project", "aiplatform.models.get"),
        *_SERIES,
    ),
    "alert": _SERIES,
    "drift": (*_COMPARISON, ("ModelService.GetModel", "project", "aiplatform.models.get")),
    "decide": (("objects.get", "bucket", "storage.objects.get"), *_DECISION),
    "launch": (*_DECISION, *_LAUNCH),
}

SUBMITTER: Mapping[str, Sequence[Row]] = {
    "doctor": (
        ("Projects.GetProject", "project", "resourcemanager.projects.get"),
        ("ServiceUsage.BatchGetServices", "project", "serviceusage.services.get"),
        ("CloudQuotas.ListQuotaInfos", "project", "cloudquotas.quotas.get"),
        ("buckets.get", "bucket", "storage.buckets.get"),
        ("datasets.get", "dataset", "bigquery.datasets.get"),
        ("EndpointService.GetEndpoint", "project", "aiplatform.endpoints.get"),
        ("ArtifactRegistry.GetTag", "repository", "artifactregistry.tags.get"),
        ("IAM.GetServiceAccount", "service_account", "iam.serviceAccounts.get"),
        # What the pipeline may do is asked as the pipeline.
        ("IAMCredentials.GenerateAccessToken", "service_account", "iam.serviceAccounts.getAccessToken"),
    ),
    "images": (
        ("ArtifactRegistry.GetTag", "repository", "artifactregistry.tags.get"),
        ("objects.insert", "bucket", "storage.objects.create"),
        ("CloudBuild.ListBuilds", "project", "cloudbuild.builds.list"),
        ("CloudBuild.CreateBuild", "project", "cloudbuild.builds.create"),
        ("CloudBuild.GetBuild", "project", "cloudbuild.builds.get"),
        (SOURCE, "bucket", "storage.objects.get"),
        (LOG, "project", "logging.logEntries.create"),
        (PUSH, "repository", "artifactregistry.repositories.downloadArtifacts"),
        (PUSH, "repository", "artifactregistry.repositories.uploadArtifacts"),
        (PUSH, "repository", "artifactregistry.tags.create"),
        (PUSH, "repository", "artifactregistry.tags.update"),
    ),
    "plan": (
        ("tables.get", "table", "bigquery.tables.get"),
        ("jobs.insert", "project", "bigquery.jobs.create"),
        ("jobs.insert", "table", "bigquery.tables.getData"),
        # A dry run makes nothing, but needs what the statement needs: CREATE OR REPLACE TABLE, as in ingest.
        ("jobs.insert", "dataset", "bigquery.tables.create"),
        ("jobs.insert", "table", "bigquery.tables.update"),
        ("jobs.insert", "table", "bigquery.tables.updateData"),
        ("ModelService.GetModel", "project", "aiplatform.models.get"),
        ("ModelService.ListModelVersions", "project", "aiplatform.models.list"),  # inferred
        ("EndpointService.GetEndpoint", "project", "aiplatform.endpoints.get"),
        ("PipelineService.ListPipelineJobs", "project", "aiplatform.pipelineJobs.list"),
        ("PipelineService.GetPipelineJob", "project", "aiplatform.pipelineJobs.get"),
        ("ScheduleService.ListSchedules", "project", "aiplatform.schedules.list"),
    ),
    "submit": (
        ("tables.get", "table", "bigquery.tables.get"),
        # A run that is under way with the same code and config is followed instead.
        ("PipelineService.ListPipelineJobs", "project", "aiplatform.pipelineJobs.list"),
        ("PipelineService.CreatePipelineJob", "project", "aiplatform.pipelineJobs.create"),
        ("PipelineService.CreatePipelineJob", "service_account", "iam.serviceAccounts.actAs"),
        ("PipelineService.GetPipelineJob", "project", "aiplatform.pipelineJobs.get"),
        # Also for its pages, which are fetched at the end of a run, with one prediction.
        *_LOCK,
        ("EndpointService.GetEndpoint", "project", "aiplatform.endpoints.get"),
        ("PredictionService.Predict", "project", "aiplatform.endpoints.predict"),
    ),
    "rollback": (
        *_ROLLOUT,
        ("objects.get", "bucket", "storage.objects.get"),
        ("JobService.GetModelDeploymentMonitoringJob", "project", "aiplatform.modelDeploymentMonitoringJobs.get"),
        (
            "JobService.UpdateModelDeploymentMonitoringJob",
            "project",
            "aiplatform.modelDeploymentMonitoringJobs.update",
        ),
    ),
    "cancel": (
        ("PipelineService.ListPipelineJobs", "project", "aiplatform.pipelineJobs.list"),
        ("PipelineService.CancelPipelineJob", "project", "aiplatform.pipelineJobs.cancel"),
    ),
    "clean-cloud": (
        ("ScheduleService.ListSchedules", "project", "aiplatform.schedules.list"),
        ("ScheduleService.PauseSchedule", "project", "aiplatform.schedules.update"),  # inferred
        ("JobService.GetModelDeploymentMonitoringJob", "project", "aiplatform.modelDeploymentMonitoringJobs.get"),
        (
            "JobService.PauseModelDeploymentMonitoringJob",
            "project",
            "aiplatform.modelDeploymentMonitoringJobs.pause",
        ),
        ("EndpointService.GetEndpoint", "project", "aiplatform.endpoints.get"),
        ("EndpointService.UpdateEndpoint", "project", "aiplatform.endpoints.update"),
        ("EndpointService.UndeployModel", "project", "aiplatform.endpoints.undeploy"),
        ("EndpointService.DeleteEndpoint", "project", "aiplatform.endpoints.delete"),
    ),
    "schedule": (
        ("ScheduleService.ListSchedules", "project", "aiplatform.schedules.list"),
        ("ScheduleService.CreateSchedule", "project", "aiplatform.schedules.create"),
        ("ScheduleService.CreateSchedule", "service_account", "iam.serviceAccounts.actAs"),
        ("ScheduleService.UpdateSchedule", "project", "aiplatform.schedules.update"),
        ("ScheduleService.ResumeSchedule", "project", "aiplatform.schedules.update"),  # inferred
        ("ScheduleService.GetSchedule", "project", "aiplatform.schedules.get"),
        # The order of the training, for the evaluation that may start it.
        ("objects.insert", "bucket", "storage.objects.create"),
    ),
    "evaluate": (
        ("objects.insert", "bucket", "storage.objects.create"),
        ("PipelineService.CreatePipelineJob", "project", "aiplatform.pipelineJobs.create"),
        ("PipelineService.CreatePipelineJob", "service_account", "iam.serviceAccounts.actAs"),
        ("PipelineService.GetPipelineJob", "project", "aiplatform.pipelineJobs.get"),
    ),
    "retrain": (*_DECISION, *_LAUNCH),
    "janitor": (
        ("EndpointService.ListEndpoints", "project", "aiplatform.endpoints.list"),
        ("PipelineService.ListPipelineJobs", "project", "aiplatform.pipelineJobs.list"),
        ("JobService.ListCustomJobs", "project", "aiplatform.customJobs.list"),
        ("JobService.ListHyperparameterTuningJobs", "project", "aiplatform.hyperparameterTuningJobs.list"),
        ("ModelService.ListModels", "project", "aiplatform.models.list"),
        (
            "JobService.ListModelDeploymentMonitoringJobs",
            "project",
            "aiplatform.modelDeploymentMonitoringJobs.list",
        ),
        ("ScheduleService.ListSchedules", "project", "aiplatform.schedules.list"),
        ("ModelService.ListModelVersions", "project", "aiplatform.models.list"),  # inferred
        ("PipelineService.GetPipelineJob", "project", "aiplatform.pipelineJobs.get"),
        ("tables.list", "dataset", "bigquery.tables.list"),
        ("tables.get", "table", "bigquery.tables.get"),
        ("objects.list", "bucket", "storage.objects.list"),
    ),
    "monitor": _COMPARISON,
    "publish": (
        ("RegistryClient.upload_pipeline", "repository", "artifactregistry.repositories.uploadArtifacts"),
        ("RegistryClient.upload_pipeline", "repository", "artifactregistry.tags.create"),  # inferred
        ("RegistryClient.upload_pipeline", "repository", "artifactregistry.tags.update"),  # inferred
    ),
}
