"""What `make doctor` asks of Google: small questions, many at the same time, an error being an answer like any other.

The clients speak REST to the service as to the emulator: what the tests run is what a user runs, and no gRPC channel is
waited for.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar, cast

import requests
from google.api_core import exceptions, retry
from google.api_core.client_options import ClientOptions
from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError, TransportError
from google.auth.transport.requests import AuthorizedSession
from google.cloud import (
    artifactregistry_v1,
    bigquery,
    cloudquotas_v1,
    iam_credentials_v1,
    resourcemanager_v3,
    service_usage_v1,
    storage,
)
from google.iam.v1 import iam_policy_pb2
from google.oauth2.credentials import Credentials as Token

from plumbline.adapters.clients import Clients
from plumbline.adapters.identity import SCOPES, credentials
from plumbline.adapters.retries import RETRIABLE
from plumbline.environment import Environment, Place
from plumbline.permissions import Who
from plumbline.project import (
    Answer,
    Bucket,
    Endpoint,
    Facts,
    Identity,
    Image,
    Project,
    Question,
    Quota,
    Refused,
    images,
    questions,
)

Value = TypeVar("Value")
Client = TypeVar("Client")
Answered = Mapping[str, Any]
"""A JSON object."""

_TIMEOUT_S = 8.0
_RETRY = retry.Retry(
    predicate=retry.if_exception_type(*RETRIABLE), initial=0.2, multiplier=2.0, maximum=2.0, timeout=_TIMEOUT_S
)
"""Shorter than a run's: somebody is waiting, and no answer is an answer too."""
_PATIENCE = {"retry": _RETRY, "timeout": _TIMEOUT_S}
_TOGETHER = 16
_PAGE = 500
_LIFETIME = {"seconds": 600}
_CODES: Mapping[int, str] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}
_VERTEX = "aiplatform.googleapis.com"
_PROBE = "plumbline_doctor"
"""Name of the table that is never made."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look at."""

    environment: Environment
    tables: Sequence[str]
    """The source tables, without project and dataset."""
    endpoint: str
    """Id of the endpoint."""
    tag: str
    """Of the images of the code as it is."""
    metrics: Sequence[str]
    """Of Vertex AI's quotas, without service."""
    services: Sequence[str]
    """APIs, such as aiplatform.googleapis.com."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Google's small APIs as one identity."""

    place: Place
    environ: Mapping[str, str]
    credentials: Credentials

    def client(self, kind: Callable[..., Client], host: str | None = None) -> Client:
        """A client of a small API, at its own host unless one is named."""
        host = self.environ.get("AIPLATFORM_EMULATOR_HOST", host)
        return kind(credentials=self.credentials, transport="rest", client_options=ClientOptions(api_endpoint=host))

    def storage(self) -> storage.Client:
        """A client of Cloud Storage."""
        options = ClientOptions(api_endpoint=self.environ.get("STORAGE_EMULATOR_HOST"))
        return storage.Client(project=self.place.project, credentials=self.credentials, client_options=options)

    def bigquery(self) -> bigquery.Client:
        """A client of BigQuery."""
        return bigquery.Client(
            project=self.place.project,
            location=self.place.bigquery_location,
            credentials=self.credentials,
            client_options=ClientOptions(api_endpoint=self.environ.get("BIGQUERY_EMULATOR_HOST")),
        )

    def iam(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Answered:
        """The answer of the IAM API, whose client has no REST transport.

        Raises:
            GoogleAPICallError: It refuses.
        """
        host = self.environ.get("AIPLATFORM_EMULATOR_HOST", "https://iam.googleapis.com")
        url = f"{host}/v1/projects/-/serviceAccounts/{path}"

        def attempt() -> Answered:
            with AuthorizedSession(self.credentials) as session:
                response = session.request(method, url, json=body, timeout=_TIMEOUT_S)
            if not response.ok:
                raise exceptions.from_http_response(response)
            return response.json()

        return cast("Answered", _RETRY(attempt)())


def gather(clients: Clients, identity: Identity, wanted: Wanted) -> Facts | Refused:
    """Everything that doctor wants to know; Refused when nothing can be asked."""
    signed_in = _answer(partial(credentials, identity))
    if isinstance(signed_in, Refused):
        return signed_in
    caller = Caller(clients.place, clients.environ, signed_in)
    project = _answer(partial(_project, caller))
    if isinstance(project, Refused):
        return project
    # A metadata server has said by now whose token it gives.
    email = identity.email or getattr(signed_in, "service_account_email", None) or ""
    return _asked(caller, replace(identity, email=email), project, wanted)


def _asked(caller: Caller, identity: Identity, project: Project, wanted: Wanted) -> Facts:
    """All the questions, asked side by side."""
    account = wanted.environment.service_account or f"{project.number}-compute@developer.gserviceaccount.com"
    with ThreadPoolExecutor(_TOGETHER) as pool:
        ask = partial(_later, pool)
        token = ask(_token, caller, account)
        endpoint = ask(_endpoint, caller, wanted.endpoint)
        services = ask(_services, caller, wanted.services)
        bucket, dataset, enabled = ask(_bucket, caller), ask(_dataset, caller), ask(_enabled, caller, account)
        quotas = ask(_quotas, caller, wanted.metrics)
        tags = {image: ask(_is_tagged, caller, image, wanted.tag) for image in images(wanted.environment)}
        granted = {q: ask(_granted, caller, q) for q in _questions(wanted, "submitter", account)}
        if isinstance(found := token.result(), str):
            pipeline = replace(caller, credentials=Token(token=found))
            granted |= {q: ask(_granted, pipeline, q) for q in _questions(wanted, "pipeline", account)}
    return Facts(
        identity=identity,
        project=project,
        services=services.result(),
        bucket=bucket.result(),
        dataset=dataset.result(),
        account=account,
        enabled=enabled.result(),
        impersonated=found if isinstance(found, Refused) else True,
        granted={question: each.result() for question, each in granted.items()},
        quotas=quotas.result(),
        tags={image: each.result() for image, each in tags.items()},
        endpoint=endpoint.result(),
    )


def _later(pool: ThreadPoolExecutor, ask: Callable[..., Value], *given: object) -> "Future[Answer[Value]]":
    return pool.submit(_answer, partial(ask, *given))


def _answer(ask: Callable[[], Value]) -> Answer[Value]:
    """What a question is answered with, an error too."""
    try:
        return ask()
    except exceptions.RetryError as error:
        return _refused(error.cause or error)
    except (exceptions.GoogleAPIError, GoogleAuthError, requests.RequestException) as error:
        return _refused(error)


def _refused(error: Exception) -> Refused:
    match error:
        case exceptions.GoogleAPICallError():
            return Refused(_CODES.get(int(error.code or 0), "UNKNOWN"), error.message, error.reason or "")
        case GoogleAuthError() if not isinstance(error, TransportError):
            return Refused("UNAUTHENTICATED", str(error))
        case _:
            return Refused("UNAVAILABLE", str(error))


def _questions(wanted: Wanted, who: Who, account: str) -> Sequence[Question]:
    return questions(wanted.environment, wanted.tables, who=who, account=account)


def _project(caller: Caller) -> Project:
    client = caller.client(resourcemanager_v3.ProjectsClient)
    found = client.get_project(name=f"projects/{caller.place.project}", **_PATIENCE)
    return Project(found.name.rpartition("/")[2], found.state.name == "ACTIVE")


def _services(caller: Caller, names: Sequence[str]) -> frozenset[str]:
    parent = f"projects/{caller.place.project}"
    request = {"parent": parent, "names": [f"{parent}/services/{name}" for name in names]}
    found = caller.client(service_usage_v1.ServiceUsageClient).batch_get_services(request=request, **_PATIENCE)
    return frozenset(each.name.rpartition("/")[2] for each in found.services if each.state.name == "ENABLED")


def _bucket(caller: Caller) -> Bucket:
    found = caller.storage().get_bucket(caller.place.bucket, **_PATIENCE)
    return Bucket(str(found.location).lower(), str(found.location_type))


def _dataset(caller: Caller) -> str:
    return str(caller.bigquery().get_dataset(_dataset_id(caller), **_PATIENCE).location).lower()


def _enabled(caller: Caller, account: str) -> bool:
    return not caller.iam("GET", account).get("disabled", False)


def _token(caller: Caller, account: str) -> str:
    """A token of the pipeline's account, for some minutes."""
    request = {"name": f"projects/-/serviceAccounts/{account}", "scope": list(SCOPES), "lifetime": _LIFETIME}
    found = caller.client(iam_credentials_v1.IAMCredentialsClient).generate_access_token(request=request, **_PATIENCE)
    return str(found.access_token)


def _quotas(caller: Caller, metrics: Sequence[str]) -> Mapping[str, Quota]:
    """The limits in the region, by metric."""
    request = {
        "parent": f"projects/{caller.place.project}/locations/global/services/{_VERTEX}",
        "page_size": _PAGE,
    }
    listed = caller.client(cloudquotas_v1.CloudQuotasClient).list_quota_infos(request=request, **_PATIENCE)
    wanted = {f"{_VERTEX}/{metric}": metric for metric in metrics}
    found = {wanted[each.metric]: _limit(each, caller.place.location) for each in listed if each.metric in wanted}
    return {metric: quota for metric, quota in found.items() if quota is not None}


def _limit(info: cloudquotas_v1.QuotaInfo, location: str) -> Quota | None:
    """The limit in a region: the first that holds there, since the more specific ones come first."""
    for each in info.dimensions_infos:
        if location in each.applicable_locations or each.dimensions.get("region") == location:
            return Quota(info.quota_id, each.details.value)
    return None


def _is_tagged(caller: Caller, image: Image, tag: str) -> bool:
    try:
        caller.client(artifactregistry_v1.ArtifactRegistryClient).get_tag(name=image.tag(tag), **_PATIENCE)
    except exceptions.NotFound:
        return False
    return True


def _endpoint(caller: Caller, name: str) -> Endpoint | None:
    from google.cloud import aiplatform_v1  # noqa: PLC0415 - takes seconds, in which the others are asked

    place = caller.place
    client = caller.client(aiplatform_v1.EndpointServiceClient, f"{place.location}-{_VERTEX}")
    resource = f"projects/{place.project}/locations/{place.location}/endpoints/{name}"
    try:
        found = client.get_endpoint(name=resource, **_PATIENCE)
    except exceptions.NotFound:
        return None
    logged = found.predict_request_response_logging_config.enabled
    return Endpoint(monitored=bool(found.model_deployment_monitoring_job), logged=bool(logged))


def _granted(caller: Caller, question: Question) -> frozenset[str]:
    """Those of a question's permissions that the caller has."""
    wanted, resource = list(question.permissions), question.resource
    match question.on:
        case "project":
            client = caller.client(resourcemanager_v3.ProjectsClient)
            return _tested(client, f"projects/{resource}", wanted)
        case "repository":
            return _tested(caller.client(artifactregistry_v1.ArtifactRegistryClient), resource, wanted)
        case "bucket":
            return frozenset(caller.storage().bucket(resource).test_iam_permissions(wanted, **_PATIENCE))
        case "table":
            return _on_table(caller.bigquery(), resource, wanted)
        case "service_account":
            found = caller.iam("POST", f"{resource}:testIamPermissions", {"permissions": wanted})
            return frozenset(found.get("permissions", ()))
        case "dataset":
            return frozenset(permission for permission in wanted if _may(caller, permission))


def _tested(client: resourcemanager_v3.ProjectsClient, resource: str, wanted: Sequence[str]) -> frozenset[str]:
    request = iam_policy_pb2.TestIamPermissionsRequest(resource=resource, permissions=wanted)
    return frozenset(client.test_iam_permissions(request=request, **_PATIENCE).permissions)


def _on_table(client: bigquery.Client, table: str, wanted: Sequence[str]) -> frozenset[str]:
    granted = frozenset(client.test_iam_permissions(table, wanted, **_PATIENCE).get("permissions", ()))
    if not granted:
        # On a table that is not there nobody has a permission. Source: AIP-211.
        with contextlib.suppress(exceptions.Forbidden):
            client.get_table(table, **_PATIENCE)
    return granted


def _may(caller: Caller, permission: str) -> bool:
    """Whether the caller has a permission on the dataset, which BigQuery cannot be asked: it is tried, by halves."""
    try:
        PROBES[permission](caller)
    except exceptions.Forbidden as error:
        if permission in error.message:
            return False
        # Another permission may be the one that is missing: where the same call asks for it, it is told there.
        same = [name for name, probe in PROBES.items() if probe is PROBES[permission]]
        if not any(name in error.message for name in same):
            raise
    return True


def _create_table(caller: Caller) -> None:
    statement = f"CREATE TABLE `{_dataset_id(caller)}.{_PROBE}` AS SELECT 1 AS one"
    config = bigquery.QueryJobConfig(dry_run=True)
    caller.bigquery().query(statement, job_config=config, job_retry=None, **_PATIENCE)


def _create_model(caller: Caller) -> None:
    # Not OR REPLACE: that a model of this name is there would be no permission to replace it.
    options = "OPTIONS(MODEL_TYPE = 'LOGISTIC_REG', INPUT_LABEL_COLS = ['y'])"
    statement = f"CREATE MODEL `{_dataset_id(caller)}.{_PROBE}` {options} AS SELECT 1 AS x, 0 AS y"
    config = bigquery.QueryJobConfig(dry_run=True)
    caller.bigquery().query(statement, job_config=config, job_retry=None, **_PATIENCE)


def _list_tables(caller: Caller) -> None:
    next(caller.bigquery().list_tables(_dataset_id(caller), max_results=1, **_PATIENCE), None)


def _dataset_id(caller: Caller) -> str:
    return f"{caller.place.project}.{caller.place.dataset}"


PROBES: Mapping[str, Callable[[Caller], object]] = {
    "bigquery.datasets.get": _dataset,
    "bigquery.models.create": _create_model,
    "bigquery.models.getData": _create_model,
    "bigquery.models.updateData": _create_model,
    "bigquery.models.updateMetadata": _create_model,
    "bigquery.tables.create": _create_table,
    "bigquery.tables.list": _list_tables,
}
"""For each permission that is needed on a dataset, a call that needs it and changes nothing."""
