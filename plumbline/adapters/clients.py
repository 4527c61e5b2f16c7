"""All of Google's clients from one place: Google's own endpoints, or the emulators that the environment names.

Google's clients have a convention for this (`STORAGE_EMULATOR_HOST`, `BIGQUERY_EMULATOR_HOST`); Vertex AI and the
Storage Read API have none, so `AIPLATFORM_EMULATOR_HOST` and `BIGQUERY_STORAGE_EMULATOR_HOST` follow it.

Every call of a Vertex AI client is tried again where Google says that it may be (`plumbline.adapters.retries`); the
clients of BigQuery and Cloud Storage do that by themselves.

Imports are lazy: the Vertex AI client takes seconds, and a step that only reads a table should not wait for it. To name
the module of one service (`aiplatform_v1.services.model_service`) would save nothing: Python imports the package first,
and that imports all of its services.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from plumbline.environment import Place

if TYPE_CHECKING:
    from google.api_core.client_options import ClientOptions
    from google.auth.credentials import Credentials
    from google.cloud import aiplatform_v1, artifactregistry_v1, bigquery, bigquery_storage_v1, storage
    from google.cloud.devtools import cloudbuild_v1

    from plumbline.adapters.retries import Patience

ServiceClient = TypeVar("ServiceClient")


@dataclass(frozen=True, slots=True)
class Clients:
    """Makes clients for a place."""

    place: Place
    environ: Mapping[str, str]
    """The process's environment, read by whoever starts the step."""
    patience: Patience | None = None
    """How often calls of Vertex AI are tried again, and how long its operations are waited for; None: as usual."""

    def bigquery(self) -> bigquery.Client:
        """Queries, loads and table metadata."""
        from google.cloud import bigquery  # noqa: PLC0415 - lazy, see above

        host = self.environ.get("BIGQUERY_EMULATOR_HOST")
        return bigquery.Client(
            project=self.place.project,
            location=self.place.bigquery_location,
            credentials=self._credentials(emulated=bool(host)),
            client_options=self._options(host),
        )

    def bigquery_read(self) -> bigquery_storage_v1.BigQueryReadClient:
        """Tables as Arrow, over gRPC; messages of any size, since a wide row group exceeds gRPC's 4 MB."""
        import grpc  # noqa: PLC0415 - lazy, see above
        from google.cloud import bigquery_storage_v1  # noqa: PLC0415 - lazy, see above
        from google.cloud.bigquery_storage_v1.services.big_query_read import transports  # noqa: PLC0415 - lazy, see above

        address = self.environ.get("BIGQUERY_STORAGE_EMULATOR_HOST")
        if not address:
            return bigquery_storage_v1.BigQueryReadClient()
        # On this machine a window that grows with the speed of the line only fills memory with rows that wait.
        options = [("grpc.max_receive_message_length", -1), ("grpc.http2.bdp_probe", 0)]
        channel = grpc.insecure_channel(address, options=options)
        return bigquery_storage_v1.BigQueryReadClient(transport=transports.BigQueryReadGrpcTransport(channel=channel))

    def storage(self) -> storage.Client:
        """Buckets and objects."""
        from google.cloud import storage  # noqa: PLC0415 - lazy, see above

        host = self.environ.get("STORAGE_EMULATOR_HOST")
        return storage.Client(
            project=self.place.project,
            credentials=self._credentials(emulated=bool(host)),
            client_options=self._options(host),
        )

    def models(self) -> aiplatform_v1.ModelServiceClient:
        """The model registry."""
        from google.cloud import aiplatform_v1  # noqa: PLC0415 - lazy, see above

        return self._vertex(aiplatform_v1.ModelServiceClient)

    def endpoints(self) -> aiplatform_v1.EndpointServiceClient:
        """Endpoints and what is deployed on them."""
        from google.cloud import aiplatform_v1  # noqa: PLC0415 - lazy, see above

        return self._vertex(aiplatform_v1.EndpointServiceClient)

    def predictions(self, dns: str = "") -> aiplatform_v1.PredictionServiceClient:
        """Online predictions, through the shared domain name or a dedicated endpoint's own, which speaks REST."""
        from google.cloud import aiplatform_v1  # noqa: PLC0415 - lazy, see above

        if dns:
            return self._service(aiplatform_v1.PredictionServiceClient, dns, rest=True)
        return self._vertex(aiplatform_v1.PredictionServiceClient)

    def jobs(self) -> aiplatform_v1.JobServiceClient:
        """Custom jobs and monitoring jobs."""
        from google.cloud import aiplatform_v1  # noqa: PLC0415 - lazy, see above

        return self._vertex(aiplatform_v1.JobServiceClient)

    def pipelines(self) -> aiplatform_v1.PipelineServiceClient:
        """Pipeline jobs."""
        from google.cloud import aiplatform_v1  # noqa: PLC0415 - lazy, see above

        return self._vertex(aiplatform_v1.PipelineServiceClient)

    def datasets(self) -> aiplatform_v1.DatasetServiceClient:
        """Datasets, which AutoML learns from."""
        from google.cloud import aiplatform_v1  # noqa: PLC0415 - lazy, see above

        return self._vertex(aiplatform_v1.DatasetServiceClient)

    def schedules(self) -> aiplatform_v1.ScheduleServiceClient:
        """Schedules of pipeline jobs."""
        from google.cloud import aiplatform_v1  # noqa: PLC0415 - lazy, see above

        return self._vertex(aiplatform_v1.ScheduleServiceClient)

    def artifact_registry(self) -> artifactregistry_v1.ArtifactRegistryClient:
        """Images and their tags."""
        from google.cloud import artifactregistry_v1  # noqa: PLC0415 - lazy, see above

        return self._service(artifactregistry_v1.ArtifactRegistryClient)

    def builds(self) -> cloudbuild_v1.CloudBuildClient:
        """Cloud Build."""
        from google.cloud.devtools import cloudbuild_v1  # noqa: PLC0415 - lazy, see above

        return self._service(cloudbuild_v1.CloudBuildClient)

    def _vertex(self, kind: Callable[..., ServiceClient]) -> ServiceClient:
        return self._service(kind, f"{self.place.location}-aiplatform.googleapis.com")

    def _service(
        self, kind: Callable[..., ServiceClient], own_host: str | None = None, *, rest: bool = False
    ) -> ServiceClient:
        """A client that retries; where no host is named, of the service's own. The emulator answers them all at one."""
        from plumbline.adapters.retries import LOCAL, PATIENCE, retrying  # noqa: PLC0415 - lazy, see above

        host = self.environ.get("AIPLATFORM_EMULATOR_HOST")
        options = self._options(host or own_host)
        # gRPC insists on TLS, so an emulator is spoken to by REST; the service gets the client's default.
        transport = {"transport": "rest"} if host or rest else {}
        client = kind(credentials=self._credentials(emulated=bool(host)), client_options=options, **transport)
        return retrying(client, self.patience or (LOCAL if host else PATIENCE))

    def _options(self, host: str | None) -> ClientOptions | None:
        from google.api_core.client_options import ClientOptions  # noqa: PLC0415 - lazy, see above

        return ClientOptions(api_endpoint=host) if host else None

    def _credentials(self, *, emulated: bool) -> Credentials | None:
        """None lets the client find the user's own; an emulator is never sent any."""
        from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415 - lazy, see above

        return AnonymousCredentials() if emulated else None
