"""The prediction server: the contract of Vertex AI, and an answer for everything that is wrong."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
import uvicorn

from plumbline.errors import DataError
from plumbline.features import Arrays
from plumbline.problem import Column
from serving.app import MAXIMUM_BYTES, MAXIMUM_INSTANCES, Routes, Served, answer, create_app, parse

FEATURES = {"x": Column(type="numeric"), "colour": Column(type="categorical")}


class Half:
    """A model whose score is half of x, and 0.1 without x."""

    def score(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """Half of x."""
        return np.nan_to_num(arrays["x"].astype(np.float64) / 2, nan=0.1)


SERVED = Served(Half(), FEATURES, threshold=0.25)


def test_scores_and_decisions() -> None:
    """A score above the threshold is a positive decision; one that equals it is not."""
    found = answer(SERVED, [{"x": 1.0}, {"x": 0.5}, {}])
    assert found == [
        {"score": 0.5, "decision": True},
        {"score": 0.25, "decision": False},
        {"score": pytest.approx(0.1), "decision": False},
    ]


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
