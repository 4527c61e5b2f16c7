"""Vertex AI as it is on the wire, below Google's clients: JSON in and out, and what is wrong with a request."""

import json

import pytest
import requests

from tests.contract.conftest import Emulator
from tests.contract.vertex import IMAGE, PARENT

MODEL = {"displayName": "x", "containerSpec": {"imageUri": IMAGE}}


@pytest.fixture(scope="module")
def root(emulator: Emulator) -> str:
    """The address that resource names follow."""
    return f"{emulator.endpoints.aiplatform}/v1"


def send(verb: str, url: str, body: str | bytes = "") -> tuple[int, dict[str, object]]:
    """Status and content of the answer, which is JSON whatever goes wrong."""
    answer = requests.request(verb, url, data=body, headers={"Content-Type": "application/json"}, timeout=10)
    assert answer.headers["content-type"] == "application/json"
    return answer.status_code, answer.json()


def failure(verb: str, url: str, body: str | bytes = "") -> tuple[str, str]:
    """Status and message of an answer in Google's form for errors."""
    code, content = send(verb, url, body)
    error = content["error"]
    assert isinstance(error, dict)
    assert error["code"] == code
    return error["status"], error["message"]


def test_an_operation_is_json_as_google_writes_it(root: str) -> None:
    """In camelCase, with the types of metadata and response, by name, and the same again when it is asked for."""
    code, started = send("POST", f"{root}/{PARENT}/models:upload", json.dumps({"model": MODEL}))
    assert code == 200
    again, waited = (
        send("GET", f"{root}/{started['name']}")[1],
        send("POST", f"{root}/{started['name']}:wait", '{"timeout": "1s"}')[1],
    )
    assert again == waited == started
    assert started["done"] is True
    response, metadata = started["response"], started["metadata"]
    assert isinstance(response, dict)
    assert isinstance(metadata, dict)
    types = "type.googleapis.com/google.cloud.aiplatform.v1"
    assert (response["@type"], metadata["@type"]) == (
        f"{types}.UploadModelResponse",
        f"{types}.UploadModelOperationMetadata",
    )
    assert response["modelVersionId"] == "1"
    model = send("GET", f"{root}/{response['model']}")[1]
    assert model["supportedDeploymentResourcesTypes"] == ["DEDICATED_RESOURCES"]
    assert str(model["createTime"]).endswith("Z")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('{"displayName": "x", "nope": 1}', 'no field named "nope"'),
        ('{"displayName": 1}', "displayName"),
        ('{"displayName": "x", "labels": {"a": 1}}', "labels"),
        ('{"displayName": "x", "labels": [1]}', "labels"),
        ('{"displayName": "x", "deployedModels": 7}', "deployedModels"),
        ('{"displayName": "x", "encryptionSpec": [7]}', "CreateEndpoint"),
        ('{"displayName": "x"', "Expecting"),
        ("[1]", "must be a JSON object"),
        ('"x"', "must be a JSON object"),
        ("\xff", "CreateEndpoint"),
    ],
)
def test_a_body_that_is_not_the_message_is_refused(root: str, body: str, text: str) -> None:
    """400 with what is wrong, never 500, never ignored."""
    status, message = failure("POST", f"{root}/{PARENT}/endpoints", body.encode("latin-1"))
    assert status == "INVALID_ARGUMENT"
    assert text in message


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_does_not_have_is_refused(root: str, number: str) -> None:
    """Python's parser would take it, and the container would get it."""
    status, message = failure("POST", f"{root}/{PARENT}/endpoints/1:predict", f'{{"instances": [{{"x": {number}}}]}}')
    assert (status, f"{number} is not JSON" in message) == ("INVALID_ARGUMENT", True)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (
            {"machineType": "n1-standard-4", "acceleratorType": "NVIDIA_TESLA_L4", "acceleratorCount": 1},
            "NVIDIA_TESLA_L4",
        ),
        ({"machineTyp": "n1-standard-4"}, "machineTyp"),
    ],
)
def test_a_misspelt_name_deep_inside_is_refused(root: str, spec: dict[str, object], text: str) -> None:
    """An enum's value and a field's name, which the high-level SDK lets through."""
    pool = {"machineSpec": spec, "replicaCount": "1", "containerSpec": {"imageUri": IMAGE, "command": ["true"]}}
    body = json.dumps({"displayName": "x", "jobSpec": {"workerPoolSpecs": [pool]}})
    status, message = failure("POST", f"{root}/{PARENT}/customJobs", body)
    assert (status, text in message) == ("INVALID_ARGUMENT", True)


@pytest.mark.parametrize(
    ("verb", "path", "text"),
    [
        ("GET", f"/{PARENT}/tensorboards", "the method ListTensorboards of tensorboard_service"),
        ("POST", f"/{PARENT}/batchPredictionJobs", "the method CreateBatchPredictionJob of job_service"),
        ("GET", "/nothing/like/this", "GET /v1/nothing/like/this"),
        ("POST", f"/{PARENT}/operations/1:stop", f"POST /v1/{PARENT}/operations/1:stop"),
        ("GET", f"/{PARENT}/operations?filter=done=true", "the filter 'done=true' of ListOperations"),
        ("POST", f"/{PARENT}/operations/1", "POST"),
        ("GET", f'/{PARENT}/models?filter=displayName:"x"', "the filter"),
        ("GET", f"/{PARENT}/models?filter=labels.a=1 OR labels.b=2", "the filter"),
        ("GET", f"/{PARENT}/models?orderBy=labels", ""),
    ],
)
def test_what_is_not_there_is_named(root: str, verb: str, path: str, text: str) -> None:
    """501 UNIMPLEMENTED, with the method or the part of the request."""
    if "orderBy" in path:
        send("POST", f"{root}/{PARENT}/models:upload", json.dumps({"model": MODEL}))
    status, message = failure(verb, f"{root}{path}")
    assert status == "UNIMPLEMENTED"
    assert message.startswith("UNIMPLEMENTED: ")
    assert text in message


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("models?pageSize=-1", "page_size"),
        ("models?pageToken=x", "page_token"),
        ("models?pageSize=many", "pageSize"),
        ("models?nope=1", "nope"),
        ("models?orderBy=create_time upwards", "order_by"),
        ("customJobs?readMask=nope", "read_mask"),
    ],
)
def test_a_wrong_query_is_refused(root: str, path: str, text: str) -> None:
    """Parameters are parsed into the request too."""
    status, message = failure("GET", f"{root}/{PARENT}/{path}")
    assert (status, text in message) == ("INVALID_ARGUMENT", True)


def test_only_the_asked_fields_are_shown(root: str) -> None:
    """A read mask, in camelCase on the wire."""
    send("POST", f"{root}/{PARENT}/models:upload", json.dumps({"model": {**MODEL, "displayName": "masked"}}))
    shown = send("GET", f'{root}/{PARENT}/models?filter=display_name="masked"&readMask=displayName,versionId')[1]
    assert shown == {"models": [{"displayName": "masked", "versionId": "1"}]}


def test_an_unknown_operation_is_not_found(root: str) -> None:
    """404, as an unknown resource."""
    assert failure("GET", f"{root}/{PARENT}/operations/1")[0] == "NOT_FOUND"
    assert failure("GET", f"{root}/{PARENT}/models/1")[0] == "NOT_FOUND"
    assert failure("GET", f"{root}/{PARENT}/endpoints/1")[0] == "NOT_FOUND"
