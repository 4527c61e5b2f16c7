"""The prediction server: the contract of Vertex AI, and an answer for everything that is wrong."""

import dataclasses
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from unittest.mock import ANY

import numpy as np
import numpy.typing as npt
import pytest
import uvicorn

from plumbline.errors import DataError
from plumbline.features import Arrays
from plumbline.problem import Column
from serving.app import (
    MAXIMUM_BYTES,
    MAXIMUM_EXPLAINED,
    MAXIMUM_INSTANCES,
    Asked,
    Routes,
    Served,
    answer,
    create_app,
    parse,
)

FEATURES = {"x": Column(type="numeric"), "colour": Column(type="categorical")}


class Half:
    """A model whose score is half of x, and 0.1 without x."""

    def score(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """Half of x."""
        return np.nan_to_num(arrays["x"].astype(np.float64) / 2, nan=0.1)


SERVED = Served(Half(), FEATURES, threshold=0.25)


def test_scores_and_decisions() -> None:
    """A score above the threshold is a positive decision; one that equals it is not."""
    found = answer(SERVED, Asked([{"x": 1.0}, {"x": 0.5}, {}]))
    assert found == [
        {"score": 0.5, "decision": True},
        {"score": 0.25, "decision": False},
        {"score": pytest.approx(0.1), "decision": False},
    ]


USUAL = {"x": np.array([0.2], np.float32), "colour": np.array(["red"], object)}
EXPLAINED = Served(Half(), FEATURES, threshold=0.25, background=USUAL)


def test_reasons_are_given_when_they_are_asked_for() -> None:
    """The weightiest first, with its value; the colour does nothing, x moves the log-odds from 0.1 to 0.4."""
    asked = parse(b'{"instances": [{"x": 0.8, "colour": "blue"}, {}], "parameters": {"explain": true, "top": 1.0}}')
    found = answer(EXPLAINED, asked)
    assert [prediction["score"] for prediction in found] == [pytest.approx(0.4), pytest.approx(0.1)]
    moved = np.log(0.4 / 0.6) - np.log(0.1 / 0.9)
    assert found[0]["reasons"] == [{"feature": "x", "value": 0.8, "attribution": pytest.approx(moved, abs=1e-5)}]
    # A missing x scores as the usual one: no reason to speak of, and no value.
    assert found[1]["reasons"] == [{"feature": ANY, "value": None, "attribution": pytest.approx(0.0, abs=1e-5)}]


def test_integrated_gradients_are_given_where_the_model_has_them() -> None:
    """As the model says them, by column; a model without them says so."""
    served = dataclasses.replace(EXPLAINED, gradients=lambda rows: np.array([[0.25, -2.0]] * len(rows["x"])))
    body = b'{"instances": [{"x": 0.8, "colour": "blue"}], "parameters": {"explain": true, "method": "%s"}}'
    found = answer(served, parse(body % b"integrated_gradients"))
    assert found[0]["reasons"] == [
        {"feature": "colour", "value": "blue", "attribution": -2.0},
        {"feature": "x", "value": 0.8, "attribution": 0.25},
    ]
    assert answer(served, parse(body % b"shapley")) == answer(EXPLAINED, parse(body % b"shapley"))
    with pytest.raises(DataError, match="this model has no integrated gradients"):
        answer(EXPLAINED, parse(body % b"integrated_gradients"))


def test_nothing_is_explained_unasked() -> None:
    """With parameters that say so, or without any."""
    for body in (b'{"instances": [{}]}', b'{"instances": [{}], "parameters": {"explain": false}}'):
        assert set(answer(EXPLAINED, parse(body))[0]) == {"score", "decision"}


@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [
        ('{"explian": true}', "explian"),
        ('"explain"', "parameters must be an object"),
        ("[]", "parameters must be an object"),
        ("0", "parameters must be an object"),
        ('{"explain": true, "method": "lime"}', "parameters.method must be one of .*, got 'lime'"),
        ('{"explain": true, "method": ["shapley"]}', "parameters.method must be one of"),
        ('{"explain": true, "top": 1e999}', "parameters.top must be a whole number"),
        ('{"explain": true, "top": null}', "parameters.top must be a whole number"),
        ('{"explain": 1}', "parameters.explain must be true or false"),
        ('{"explain": true, "top": 0}', "parameters.top must be a whole number"),
        ('{"explain": true, "top": 1.5}', "parameters.top must be a whole number"),
        ('{"explain": true, "top": true}', "parameters.top must be a whole number"),
    ],
)
def test_wrong_parameters_are_refused(parameters: str, wanted: str) -> None:
    """By name, with what was wanted."""
    with pytest.raises(DataError, match=wanted):
        parse(f'{{"instances": [{{}}], "parameters": {parameters}}}'.encode())


def test_too_many_instances_are_not_explained() -> None:
    """Each costs some hundred scores; without reasons they are answered."""
    instances = json.dumps([{}] * (MAXIMUM_EXPLAINED + 1))
    with pytest.raises(DataError, match="a request with explain may have 100 instances, got 101"):
        parse(f'{{"instances": {instances}, "parameters": {{"explain": true}}}}'.encode())
    assert len(answer(EXPLAINED, parse(f'{{"instances": {instances}}}'.encode()))) == MAXIMUM_EXPLAINED + 1


def test_a_model_without_background_rows_cannot_be_explained() -> None:
    """It was trained before there were any, and still answers."""
    with pytest.raises(DataError, match="this model cannot be explained"):
        answer(SERVED, Asked([{}], explain=True))


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'{"instances": [{"x": NaN}]}', "NaN is not JSON"),
        (b'{"instances": [{"x": Infinity}]}', "Infinity is not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "wanted"),
        (b"{}", "wanted"),
        (b'{"instances": []}', "at least one instance"),
        (b'{"instances": {"x": 1}}', "wanted"),
        (b'{"instances": [{"x": 1}, 7]}', "instance 1 must be an object"),
        (json.dumps({"instances": [{}] * (MAXIMUM_INSTANCES + 1)}).encode(), "10,000 instances"),
        (b" " * (MAXIMUM_BYTES + 1), "10,000,000 bytes"),
    ],
    ids=range(13),
)
def test_what_is_no_request_is_refused(body: bytes, wanted: str) -> None:
    """Each has its answer, and none of them ends the server."""
    with pytest.raises(DataError, match=wanted):
        parse(body)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A running server."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        number = int(listener.getsockname()[1])
    app = create_app(SERVED, Routes("/alive", "/ask"))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=number, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield number
    server.should_exit = True
    thread.join()


def ask(port: int, verb: str, route: str, body: str = "") -> tuple[int, dict[str, object]]:
    """Status and JSON of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(verb, route, body=body)
    response = connection.getresponse()
    content = json.loads(response.read() or b"{}") if response.headers.get("content-type") == "application/json" else {}
    connection.close()
    return response.status, content


def test_the_routes_are_those_of_the_environment(port: int) -> None:
    """Health answers 200, and predictions have the form that Vertex AI wants."""
    assert ask(port, "GET", "/alive")[0] == 200
    status, content = ask(port, "POST", "/ask", '{"instances": [{"x": 1, "colour": "red"}]}')
    assert (status, content) == (200, {"predictions": [{"score": 0.5, "decision": True}]})


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ('{"instances": [{"x": 1}, {"x": "one"}]}', "instance 1: x must be a finite number, got 'one'"),
        ('{"instances": [{"y": 1}]}', "instance 0: unknown ['y']; the model takes ['colour', 'x']"),
        ("nonsense", "the request is not JSON"),
    ],
)
def test_a_wrong_instance_is_a_client_s_error(port: int, body: str, wanted: str) -> None:
    """400, with instance, field and what was wanted."""
    status, content = ask(port, "POST", "/ask", body)
    assert status == 400
    assert wanted in str(content["error"])
