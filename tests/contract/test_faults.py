"""Injected faults: each kind, at each service, as Google's own clients see it."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform_v1 as v1
from google.cloud import bigquery, storage
from google.oauth2.credentials import Credentials
from google.protobuf import field_mask_pb2, struct_pb2

from tests.contract import vertex as vx
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.faults import access, denied, fault, faults
from tests.contract.vertex import CONFLICT, PARENT, Vertex, done, fresh, refused

ANSWER, LOST, FAILS, HANGS = "answer", "lost", "operation_fails", "operation_hangs"
JOB, PIPELINE = v1.JobState, v1.PipelineState
EMAIL = "pipeline@plumbline-test.iam.gserviceaccount.com"
_SOON_S = 20.0


@pytest.fixture(scope="module")
def vertex(emulator: Emulator) -> Vertex:
    """Clients of the shared emulator."""
    return vx.connect(emulator)


@pytest.fixture(scope="module")
def pipelines(vertex: Vertex) -> v1.PipelineServiceClient:
    """A client of pipeline jobs."""
    return v1.PipelineServiceClient(
        credentials=AnonymousCredentials(), client_options={"api_endpoint": vertex.url}, transport="rest"
    )


@pytest.fixture(scope="module")
def bucket(emulator: Emulator) -> storage.Bucket:
    """A bucket."""
    return emulator.storage().create_bucket(fresh("faults"), location=LOCATION)


@pytest.fixture(scope="module")
def table(emulator: Emulator) -> Iterator[str]:
    """A table of two rows, as `project.dataset.table`."""
    client, dataset = emulator.bigquery(), f"{PROJECT}.{fresh('faults').replace('-', '_')}"
    client.create_dataset(dataset)
    client.query_and_wait(f"CREATE TABLE `{dataset}.t` AS SELECT 1 AS x UNION ALL SELECT 2")
    yield f"{dataset}.t"
    client.delete_dataset(dataset, delete_contents=True)


def shown(vertex: Vertex, name: str) -> int:
    """How many endpoints have a display name."""
    request = v1.ListEndpointsRequest(parent=PARENT, filter=f'display_name="{name}"')
    return len(list(vertex.endpoints.list_endpoints(request)))


def soon(true: Callable[[], bool]) -> bool:
    """Whether something becomes true in time."""
    deadline = time.monotonic() + _SOON_S
    while not (result := true()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return result


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("RESOURCE_EXHAUSTED", exceptions.TooManyRequests),
        ("UNAVAILABLE", exceptions.ServiceUnavailable),
        ("PERMISSION_DENIED", exceptions.Forbidden),
        ("DEADLINE_EXCEEDED", exceptions.GatewayTimeout),
        ("INTERNAL", exceptions.InternalServerError),
        ("NOT_FOUND", exceptions.NotFound),
    ],
)
def test_a_request_is_answered_with_an_error_and_not_done(
    vertex: Vertex, code: str, error: type[exceptions.GoogleAPICallError]
) -> None:
    """As often as the rule says, as the exception that Google's client has for the code; then it is done."""
    name = fresh("shown")
    with faults(vertex.state, fault("CreateEndpoint", ANSWER, code, "out of luck", times=2)):
        for _ in range(2):
            with pytest.raises(error, match="out of luck"):
                vertex.endpoints.create_endpoint(parent=PARENT, endpoint=v1.Endpoint(display_name=name))
        assert shown(vertex, name) == 0
        vx.endpoint(vertex, display_name=name)
    assert shown(vertex, name) == 1


def test_an_answer_can_be_lost(vertex: Vertex) -> None:
    """The client is told of an error, and what it asked for is done all the same."""
    name = fresh("shown")
    with faults(vertex.state, fault("CreateEndpoint", LOST, "UNAVAILABLE")):
        refused("UNAVAILABLE", "injected", lambda: vx.endpoint(vertex, display_name=name))
    assert shown(vertex, name) == 1


@pytest.mark.parametrize(("code", "retry"), [("UNAVAILABLE", "1"), ("RESOURCE_EXHAUSTED", "1"), ("NOT_FOUND", None)])
def test_a_service_that_cannot_answer_for_now_says_when_it_can(vertex: Vertex, code: str, retry: str | None) -> None:
    """With a Retry-After header."""
    with faults(vertex.state, fault("ListEndpoints", ANSWER, code)):
        answer = requests.get(f"{vertex.url}/v1/{PARENT}/endpoints", timeout=10)
    assert answer.headers.get("Retry-After") == retry


def test_a_rule_without_a_number_holds_until_it_is_taken_away(vertex: Vertex) -> None:
    """And rules for other methods hold for those only."""
    always = fault("GetEndpoint", ANSWER, "UNAVAILABLE", times=None)
    name = vx.endpoint(vertex)
    with faults(vertex.state, fault("ListModels", ANSWER, "INTERNAL"), always):
        for _ in range(3):
            refused("UNAVAILABLE", "injected", lambda: vertex.endpoints.get_endpoint(name=name, retry=None))
    assert vertex.endpoints.get_endpoint(name=name).name == name


def test_looking_at_an_operation_can_fail_too(vertex: Vertex) -> None:
    """Its methods have names like any other."""
    pending = vertex.endpoints.create_endpoint(parent=PARENT, endpoint=v1.Endpoint(display_name="x"))
    with faults(vertex.state, fault("GetOperation", ANSWER, "UNAVAILABLE")):
        look = {"name": pending.operation.name}
        refused("UNAVAILABLE", "injected", lambda: vertex.endpoints.get_operation(look))
        assert vertex.endpoints.get_operation(look).done


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        ('{"id": "a"}', "faults.json must be a list of rules"),
        ('[{"id": "a"}]', "faults.json[0] must have"),
        ('[{"id": "a", "method": "GetEndpoint", "kind": "gone", "code": "INTERNAL", "message": ""}]', "no kind 'gone'"),
    ],
)
def test_a_wrong_file_is_told(vertex: Vertex, rules: str, text: str) -> None:
    """To whoever asks for anything: a test must not pass since its fault was misspelt."""
    file = vertex.state / "faults.json"
    file.write_text(rules)
    try:
        refused("INTERNAL", text, lambda: vertex.endpoints.get_endpoint(name=f"{PARENT}/endpoints/1", retry=None))
    finally:
        file.unlink()


def test_a_fault_of_operations_is_for_methods_that_start_one(vertex: Vertex) -> None:
    """Another method says so."""
    with faults(vertex.state, fault("GetEndpoint", HANGS, "INTERNAL")):
        refused("INTERNAL", "starts none", lambda: vertex.endpoints.get_endpoint(name=f"{PARENT}/endpoints/1"))


# Operations: what is started, and how to see that it has had no effect.
Start = Callable[[Vertex], tuple[Any, Callable[[], bool]]]


def create_endpoint(vertex: Vertex) -> tuple[Any, Callable[[], bool]]:
    """A new endpoint."""
    name = fresh("shown")
    pending = vertex.endpoints.create_endpoint(parent=PARENT, endpoint=v1.Endpoint(display_name=name))
    return pending, lambda: shown(vertex, name) == 0


def delete_endpoint(vertex: Vertex) -> tuple[Any, Callable[[], bool]]:
    """An endpoint taken away."""
    name = vx.endpoint(vertex)
    return vertex.endpoints.delete_endpoint(name=name), lambda: vertex.endpoints.get_endpoint(name=name).name == name


def upload_model(vertex: Vertex) -> tuple[Any, Callable[[], bool]]:
    """A new model."""
    name = fresh("shown")
    request = v1.UploadModelRequest(parent=PARENT, model=vx.model(vertex, display_name=name))
    listed = v1.ListModelsRequest(parent=PARENT, filter=f'display_name="{name}"')
    return vertex.models.upload_model(request), lambda: not list(vertex.models.list_models(listed))


def deploy_model(vertex: Vertex) -> tuple[Any, Callable[[], bool]]:
    """A model on an endpoint."""
    to, wanted = vx.endpoint(vertex), vx.deployed_model(vx.upload(vertex))

    def nothing() -> bool:
        found = vertex.endpoints.get_endpoint(name=to)
        return not (found.deployed_models or found.traffic_split or vx.containers_of(to))

    return vertex.endpoints.deploy_model(endpoint=to, deployed_model=wanted, traffic_split={"0": 100}), nothing


def undeploy_model(vertex: Vertex) -> tuple[Any, Callable[[], bool]]:
    """A model off its endpoint."""
    to = vx.endpoint(vertex)
    deployed = vx.deploy(vertex, to, vx.upload(vertex))
    pending = vertex.endpoints.undeploy_model(endpoint=to, deployed_model_id=deployed.id)
    return pending, lambda: len(vx.pids(vertex, to, 1)) == 1


def mutate_deployed_model(vertex: Vertex) -> tuple[Any, Callable[[], bool]]:
    """More replicas."""
    to = vx.endpoint(vertex)
    deployed = vx.deploy(vertex, to, vx.upload(vertex), None, max_replica_count=2)
    deployed.dedicated_resources.min_replica_count = 2
    mask = field_mask_pb2.FieldMask(paths=["dedicated_resources.min_replica_count"])
    pending = vertex.endpoints.mutate_deployed_model(endpoint=to, deployed_model=deployed, update_mask=mask)

    def nothing() -> bool:
        (found,) = vertex.endpoints.get_endpoint(name=to).deployed_models
        return found.dedicated_resources.min_replica_count == 1 and len(vx.pids(vertex, to)) == 1

    return pending, nothing


def update_monitoring(vertex: Vertex) -> tuple[Any, Callable[[], bool]]:
    """Another name for a monitoring job."""
    to = vx.endpoint(vertex)
    deployed = vx.deploy(vertex, to, vx.upload(vertex))
    objective = v1.ModelDeploymentMonitoringObjectiveConfig(deployed_model_id=deployed.id)
    job = v1.ModelDeploymentMonitoringJob(
        display_name="before",
        endpoint=to,
        model_deployment_monitoring_objective_configs=[objective],
        model_deployment_monitoring_schedule_config={"monitor_interval": {"seconds": 3600}},
        logging_sampling_strategy={"random_sample_config": {"sample_rate": 1.0}},
    )
    made = vertex.jobs.create_model_deployment_monitoring_job(parent=PARENT, model_deployment_monitoring_job=job)
    changed = v1.ModelDeploymentMonitoringJob(name=made.name, display_name="after")
    pending = vertex.jobs.update_model_deployment_monitoring_job(
        model_deployment_monitoring_job=changed, update_mask=field_mask_pb2.FieldMask(paths=["display_name"])
    )
    look = vertex.jobs.get_model_deployment_monitoring_job
    return pending, lambda: look(name=made.name).display_name == "before"


STARTS = [
    ("CreateEndpoint", create_endpoint),
    ("DeleteEndpoint", delete_endpoint),
    ("UploadModel", upload_model),
    ("DeployModel", deploy_model),
    ("UndeployModel", undeploy_model),
    ("MutateDeployedModel", mutate_deployed_model),
    ("UpdateModelDeploymentMonitoringJob", update_monitoring),
]


@pytest.mark.parametrize(("method", "start"), STARTS)
def test_an_operation_fails_without_its_effect(vertex: Vertex, method: str, start: Start) -> None:
    """With the code and the message of the rule."""
    with faults(vertex.state, fault(method, FAILS, "RESOURCE_EXHAUSTED", "no machines left")):
        pending, nothing = start(vertex)
        refused("RESOURCE_EXHAUSTED", "no machines left", lambda: done(pending))
    assert nothing()


@pytest.mark.parametrize(("method", "start"), STARTS)
def test_an_operation_hangs_until_it_is_cancelled(vertex: Vertex, method: str, start: Start) -> None:
    """Then it has ended as CANCELLED, and has had no effect; it can be deleted then, not before."""
    with faults(vertex.state, fault(method, HANGS, "INTERNAL")):
        pending, nothing = start(vertex)
        name = pending.operation.name
    time.sleep(0.1)
    look, client = {"name": name}, vertex.endpoints
    assert not client.get_operation(look).done
    refused(CONFLICT, "cancel it first", lambda: client.delete_operation(look))
    client.cancel_operation(look)
    ended = client.get_operation(look)
    assert (ended.done, ended.error.code, ended.error.message) == (True, 1, "the operation was cancelled")
    assert nothing()
    client.cancel_operation(look)
    client.delete_operation(look)
    refused(vx.MISSING, name, lambda: client.get_operation(look))


def test_operations_are_listed_by_what_they_are_on(vertex: Vertex) -> None:
    """So whoever finds an endpoint finds what is under way on it."""
    to, name = vx.endpoint(vertex), vx.upload(vertex)
    deployed = vx.deploy(vertex, to, name)
    done(vertex.endpoints.undeploy_model(endpoint=to, deployed_model_id=deployed.id))
    found = vertex.endpoints.list_operations({"name": to}).operations
    kinds = [operation.metadata.TypeName().rpartition(".")[2] for operation in found]
    assert kinds == ["DeployModelOperationMetadata", "UndeployModelOperationMetadata"]
    page = vertex.endpoints.list_operations({"name": to, "page_size": 1})
    assert [operation.name for operation in page.operations] == [found[0].name]
    rest = vertex.endpoints.list_operations({"name": to, "page_size": 1, "page_token": page.next_page_token})
    assert ([operation.name for operation in rest.operations], rest.next_page_token) == ([found[1].name], "")


def custom_job() -> v1.CustomJob:
    """A job that would succeed at once."""
    container = v1.ContainerSpec(image_uri=vx.IMAGE, command=["true"])
    machine = v1.MachineSpec(machine_type="n1-standard-4")
    pool = v1.WorkerPoolSpec(machine_spec=machine, replica_count=1, container_spec=container)
    return v1.CustomJob(display_name="train", job_spec=v1.CustomJobSpec(worker_pool_specs=[pool]))


def test_a_custom_job_fails_or_hangs(vertex: Vertex) -> None:
    """It ends with the rule's error, or waits for machines until it is cancelled."""
    jobs = vertex.jobs

    def state(name: str) -> v1.JobState:
        return jobs.get_custom_job(name=name).state

    with faults(vertex.state, fault("CreateCustomJob", FAILS, "RESOURCE_EXHAUSTED", "STOCKOUT: no GPUs")):
        failing = jobs.create_custom_job(parent=PARENT, custom_job=custom_job()).name
        assert soon(lambda: state(failing) == JOB.JOB_STATE_FAILED)
    ended = jobs.get_custom_job(name=failing)
    assert (ended.error.code, ended.error.message) == (8, "STOCKOUT: no GPUs")
    with faults(vertex.state, fault("CreateCustomJob", HANGS, "INTERNAL")):
        waiting = jobs.create_custom_job(parent=PARENT, custom_job=custom_job()).name
    time.sleep(0.2)
    assert state(waiting) == JOB.JOB_STATE_PENDING
    jobs.cancel_custom_job(name=waiting)
    assert soon(lambda: state(waiting) == JOB.JOB_STATE_CANCELLED)


def test_a_pipeline_job_fails_or_hangs(vertex: Vertex, pipelines: v1.PipelineServiceClient) -> None:
    """As a custom job does; none of its tasks runs."""
    spec = struct_pb2.Struct()
    spec.update({"root": {"dag": {"tasks": {"t": {"componentRef": {"name": "none"}}}}}, "components": {}})
    wanted = v1.PipelineJob(display_name="x", pipeline_spec=spec, runtime_config={"gcs_output_directory": "gs://b/r"})

    def state(name: str) -> v1.PipelineState:
        return pipelines.get_pipeline_job(name=name).state

    with faults(vertex.state, fault("CreatePipelineJob", FAILS, "INTERNAL", "out of order")):
        failing = pipelines.create_pipeline_job(parent=PARENT, pipeline_job=wanted).name
        assert soon(lambda: state(failing) == PIPELINE.PIPELINE_STATE_FAILED)
    ended = pipelines.get_pipeline_job(name=failing)
    assert (ended.error.code, ended.error.message) == (13, "out of order")
    with faults(vertex.state, fault("CreatePipelineJob", HANGS, "INTERNAL")):
        waiting = pipelines.create_pipeline_job(parent=PARENT, pipeline_job=wanted).name
    time.sleep(0.2)
    assert state(waiting) == PIPELINE.PIPELINE_STATE_PENDING
    pipelines.cancel_pipeline_job(name=waiting)
    assert soon(lambda: state(waiting) == PIPELINE.PIPELINE_STATE_CANCELLED)
    assert not pipelines.get_pipeline_job(name=waiting).job_detail.task_details


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("RESOURCE_EXHAUSTED", exceptions.TooManyRequests),
        ("UNAVAILABLE", exceptions.ServiceUnavailable),
        ("PERMISSION_DENIED", exceptions.Forbidden),
    ],
)
def test_storage_fails_too(
    emulator: Emulator, bucket: storage.Bucket, code: str, error: type[exceptions.GoogleAPICallError]
) -> None:
    """Its rules are patterns of verb and path; an upload that was not done is not there, a lost one is."""
    blob = bucket.blob(fresh("object"))
    upload = rf"^POST /upload/storage/v1/b/{bucket.name}/o"
    with faults(emulator.state, fault(upload, ANSWER, code, "out of luck")):
        with pytest.raises(error, match="out of luck"):
            blob.upload_from_string(b"x" * 1_000_000, retry=None)
        assert not blob.exists()
    with faults(emulator.state, fault(upload, LOST, code)):
        with pytest.raises(error):
            blob.upload_from_string(b"text", retry=None)
        assert blob.download_as_bytes() == b"text"


def test_the_storage_client_tries_again(emulator: Emulator, bucket: storage.Bucket) -> None:
    """After 503 and 429, which it knows as passing."""
    name = rf"^GET /storage/v1/b/{bucket.name}$"
    with faults(emulator.state, fault(name, ANSWER, "UNAVAILABLE"), fault(name, ANSWER, "RESOURCE_EXHAUSTED")):
        assert emulator.storage().get_bucket(bucket.name).name == bucket.name


@pytest.mark.parametrize(
    ("code", "error", "reason"),
    [
        ("RESOURCE_EXHAUSTED", exceptions.TooManyRequests, "rateLimitExceeded"),
        ("UNAVAILABLE", exceptions.ServiceUnavailable, "backendError"),
        ("PERMISSION_DENIED", exceptions.Forbidden, "accessDenied"),
    ],
)
def test_bigquery_fails_too(
    emulator: Emulator, table: str, code: str, error: type[exceptions.GoogleAPICallError], reason: str
) -> None:
    """With the reason by which its client decides whether to try again."""
    with faults(emulator.state, fault(r"^GET /bigquery/v2/.*/tables/t$", ANSWER, code, "out of luck")):
        with pytest.raises(error, match="out of luck") as caught:
            emulator.bigquery().get_table(table, retry=None)
        assert caught.value.errors[0]["reason"] == reason
        assert emulator.bigquery().get_table(table).num_rows == 2


def test_a_lost_answer_of_bigquery_was_done(emulator: Emulator, table: str) -> None:
    """A table that was made is there."""
    client, other = emulator.bigquery(), bigquery.Table(f"{table}_lost")
    with faults(emulator.state, fault(r"^POST /bigquery/v2/.*/tables$", LOST, "UNAVAILABLE")):
        with pytest.raises(exceptions.ServiceUnavailable):
            client.create_table(other, retry=None)
        assert client.get_table(f"{table}_lost").table_id == "t_lost"


def as_account(emulator: Emulator) -> bigquery.Client:
    """A client of BigQuery that is the service account."""
    return bigquery.Client(
        project=PROJECT,
        location=LOCATION,
        credentials=Credentials(f"emulated:{EMAIL}"),
        client_options={"api_endpoint": emulator.endpoints.bigquery},
    )


def test_bigquery_says_which_permissions_one_has(emulator: Emulator, table: str) -> None:
    """All that are asked about but those that are denied to the caller; none on a table that is not there."""
    asked = ["bigquery.tables.getData", "bigquery.tables.get"]
    client = as_account(emulator)
    with access(emulator.state, denied=denied(f"serviceAccount:{EMAIL}", "bigquery.tables.getData")):
        assert client.test_iam_permissions(table, asked)["permissions"] == ["bigquery.tables.get"]
        assert emulator.bigquery().test_iam_permissions(table, asked)["permissions"] == asked
    assert client.test_iam_permissions(table, asked)["permissions"] == asked
    assert client.test_iam_permissions(f"{table}_none", asked)["permissions"] == []


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    ("permission", "statement", "on"),
    [
        ("bigquery.jobs.create", "SELECT 1", f"Project {PROJECT}"),
        ("bigquery.tables.getData", "SELECT x FROM `{table}`", "Table {colon}"),
        ("bigquery.tables.create", "CREATE TABLE `{table}_new` AS SELECT 1 AS x", "Dataset {dataset}"),
        ("bigquery.tables.updateData", "INSERT INTO `{table}` VALUES (3)", "Table {colon}"),
    ],
)
def test_a_query_needs_its_permissions(
    emulator: Emulator, table: str, permission: str, statement: str, on: str, dry_run: bool
) -> None:
    """Also when it is only asked what it would cost; others can do it all the while."""
    colon = table.replace(".", ":", 1)
    sql, where = statement.format(table=table), on.format(colon=colon, dataset=colon.rpartition(".")[0])
    config = bigquery.QueryJobConfig(dry_run=dry_run, use_query_cache=False)
    with access(emulator.state, denied=denied(f"serviceAccount:{EMAIL}", permission)):
        with pytest.raises(exceptions.Forbidden, match=f"Access Denied: {where}: Permission {permission} denied"):
            as_account(emulator).query(sql, job_config=config)
        emulator.bigquery().query(sql, job_config=bigquery.QueryJobConfig(dry_run=True))
    assert emulator.bigquery().get_table(table).num_rows == 2


def test_a_query_with_a_destination_creates_and_fills_it(emulator: Emulator, table: str) -> None:
    """So it needs both permissions; with them it goes through the gate untouched."""
    client, member = as_account(emulator), f"serviceAccount:{EMAIL}"
    sql, config = f"SELECT x FROM `{table}`", bigquery.QueryJobConfig(destination=f"{table}_copy")  # noqa: S608 - ours
    for permission in ("bigquery.tables.create", "bigquery.tables.updateData"):
        with (
            access(emulator.state, denied=denied(member, permission)),
            pytest.raises(exceptions.Forbidden, match=permission),
        ):
            client.query(sql, job_config=config)
    with access(emulator.state, denied=denied(member, "bigquery.tables.delete")):
        assert sorted(row.x for row in client.query(sql, job_config=config).result()) == [1, 2]
        with pytest.raises(exceptions.Forbidden, match=r"Permission bigquery\.tables\.delete denied"):
            client.delete_table(table)


def test_a_token_that_the_emulator_did_not_give_is_refused(emulator: Emulator, table: str) -> None:
    """401, as Google says it of any token that it does not know."""
    headers = {"Authorization": "Bearer ya29.x"}
    url = f"{emulator.endpoints.bigquery}/bigquery/v2/projects/{PROJECT}/datasets"
    answer = requests.get(url, headers=headers, timeout=10)
    assert (answer.status_code, answer.json()["error"]["errors"][0]["reason"]) == (401, "authError")
    assert table
