"""The prediction server on a real socket: the contract of Vertex AI, and a defined answer for everything wrong."""

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest

from plumbline.errors import ModelError
from plumbline.features import Arrays
from serving.app import Model
from serving.settings import Limits
from tests.unit.serving.served import EXPLAINED, SERVED, Half, ask, running

LIMITS = Limits(maximum_bytes=2_000, body_s=1)
GOOD = '{"instances": [{"x": 1, "colour": "red"}]}'
SCORED = {"predictions": [{"score": 0.5, "decision": True, "version": "v1"}]}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A running server with narrow limits."""
    with running(SERVED, limits=LIMITS) as number:
        yield number


def test_the_routes_are_those_of_the_environment(port: int) -> None:
    """Health answers 200, and predictions have the form that Vertex AI wants."""
    assert ask(port, "GET", "/alive").status == 200
    answer = ask(port, "POST", "/ask", GOOD, {"content-type": "application/json"})
    assert (answer.status, answer.content) == (200, SCORED)


@pytest.mark.parametrize(
    ("verb", "route", "status", "wanted"),
    [
        ("GET", "/none", 404, "there is nothing at '/none'"),
        ("GET", "/" + "x" * 5000, 404, "there is nothing at '/xxx"),
        ("GET", "/ask", 405, "/ask wants POST, got 'GET'"),
        ("DELETE", "/alive", 405, "/alive wants GET, got 'DELETE'"),
    ],
)
def test_what_is_not_there_is_said(port: int, verb: str, route: str, status: int, wanted: str) -> None:
    """404 for an unknown route, 405 for a wrong verb, in words of no more than a line."""
    answer = ask(port, verb, route)
    assert answer.status == status
    assert answer.error.startswith(wanted)
    assert len(answer.error) < 200
    assert status == 404 or answer.headers["allow"] in {"GET", "POST"}


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ('{"instances": [{"x": 1}, {"x": "one"}]}', "instance 1: x must be a finite number, got 'one'"),
        ('{"instances": [{"y": 1}]}', "instance 0: unknown ['y']; the model takes ['colour', 'x']"),
        (
            '{"instances": [{"x": "a", "colour": []}]}',
            "instance 0: x must be a finite number, got 'a'; instance 0: col",
        ),
        ('{"instances": [{"x": "a"}, {}, {"x": "b"}]}', "got 'a'; instance 2: x must be a finite number, got 'b'"),
        ('{"instances": [{"colour": "\\ud800"}]}', "instance 0: colour must be text, got '\\ud800', which has half"),
        ('{"instances": [{"x": 1e999}]}', "instance 0: x must be a finite number, got inf"),
        (
            '{"instances": [{"colour": ' + "[" * 300 + "]" * 300 + "}]}",
            "colour must be a string or an integer, got [[[",
        ),
        ("nonsense", "the request is not JSON"),
    ],
)
def test_a_wrong_instance_is_a_client_s_error(port: int, body: str, wanted: str) -> None:
    """400, with instance, field, what was wanted and what came."""
    answer = ask(port, "POST", "/ask", body)
    assert answer.status == 400
    assert wanted in answer.error


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        (
            {"content-type": "text/plain"},
            "the body must be application/json in UTF-8, its content-type is 'text/plain'",
        ),
        ({"content-type": "application/json; charset=latin1"}, "in UTF-8"),
        ({"content-type": "multipart/form-data; boundary=x"}, "in UTF-8"),
        ({"content-encoding": "gzip"}, "the body must be sent as it is, its content-encoding is 'gzip'"),
    ],
)
def test_what_is_not_sent_as_json_is_refused(port: int, headers: dict[str, str], wanted: str) -> None:
    """415, before the body is looked at."""
    answer = ask(port, "POST", "/ask", GOOD, headers)
    assert answer.status == 415
    assert wanted in answer.error


@pytest.mark.parametrize("kind", ["", "application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_by_its_other_names_is_taken(port: int, kind: str) -> None:
    """As nothing at all, with its encoding, and in capitals."""
    assert ask(port, "POST", "/ask", GOOD, {"content-type": kind} if kind else {}).content == SCORED


def chunked(size: int) -> Iterator[bytes]:
    """So many bytes in chunks of 1,000."""
    for _ in range(size // 1000):
        yield b"3e8\r\n" + b" " * 1000 + b"\r\n"
    yield b"0\r\n\r\n"


def test_a_body_over_the_limit_is_refused_while_it_is_read(port: int) -> None:
    """By its length at once, without one as soon as it is too long; and the server holds none of it."""
    assert ask(port, "POST", "/ask", " " * 2_001).status == 413
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"POST /ask HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999\r\n\r\n")
        assert b"a request may have 2,000 bytes, got 999,999,999" in connection.recv(9999)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"POST /ask HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        chunks = chunked(10_000)
        for _ in range(3):
            connection.sendall(next(chunks))
        # It has its answer although the body goes on.
        assert connection.recv(9999).startswith(b"HTTP/1.1 413")
        for chunk in chunks:
            connection.sendall(chunk)
        # The rest was thrown away, and the connection is good for another request.
        connection.sendall(b"GET /alive HTTP/1.1\r\nhost: x\r\n\r\n")
        assert connection.recv(9999).startswith(b"HTTP/1.1 200")


def test_a_body_that_does_not_come_is_not_waited_for(port: int) -> None:
    """408 after the time that it has."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"POST /ask HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        answer = connection.recv(9999)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"within 1 s, got 1 bytes" in answer


def counted(port: int, name: str) -> float:
    """The value of a metric."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", ask(port, "GET", "/metrics").body.decode(), re.MULTILINE)
    return float(found.group(1)) if found else 0.0


def test_what_is_done_is_counted() -> None:
    """Requests by status, instances, predictions by decision, rows of batches, seconds, and the version."""
    with running(SERVED, limits=LIMITS) as port:
        ask(port, "POST", "/ask", '{"instances": [{"x": 1}, {"x": 0.2}, {}]}')
        ask(port, "POST", "/ask", "nonsense")
        ask(port, "GET", "/alive")
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"POST /ask HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        wanted = {
            'plumbline_requests_total{status="200"}': 1,
            'plumbline_requests_total{status="400"}': 1,
            'plumbline_requests_total{status="499"}': 1,
            "plumbline_instances_total": 3,
            'plumbline_predictions_total{decision="true"}': 1,
            'plumbline_predictions_total{decision="false"}': 2,
            "plumbline_batch_rows_sum": 3,
            "plumbline_batch_rows_count": 1,
            "plumbline_request_seconds_count": 3,
            "plumbline_waiting_rows": 0,
            'plumbline_model_info{version="v1"}': 1,
        }
        deadline = time.monotonic() + 5
        while not counted(port, 'plumbline_requests_total{status="499"}') and time.monotonic() < deadline:
            time.sleep(0.01)
        assert {name: counted(port, name) for name in wanted} == wanted
        assert ask(port, "GET", "/metrics").headers["content-type"].startswith("text/plain")


class Broken:
    """A model that has no score for an x above 9."""

    def score(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """A half."""
        if (arrays["x"].astype(np.float64) > 9).any():
            raise ModelError("row 0 gets a score that is no number")
        return np.full(len(arrays["x"]), 0.5)


def test_a_broken_model_is_the_server_s_error() -> None:
    """500 with what the model said, for that request alone."""
    with running(SERVED, model=Broken()) as port:
        answer = ask(port, "POST", "/ask", '{"instances": [{"x": 10}]}')
        assert (answer.status, answer.error) == (500, "row 0 gets a score that is no number")
        assert ask(port, "POST", "/ask", GOOD).status == 200


class Waits(Half):
    """A model that scores once it may."""

    def __init__(self) -> None:
        self.begun, self.may = threading.Event(), threading.Event()

    def score(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """Half of x."""
        self.begun.set()
        assert self.may.wait(10)
        return super().score(arrays)


def test_who_comes_when_too_many_wait_is_told_to_come_again() -> None:
    """503 with Retry-After, while health is answered; who waits is answered in the end."""
    model = Waits()
    with running(SERVED, limits=Limits(waiting_rows=2), model=model) as port, ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, port, "POST", "/ask", '{"instances": [{"x": 1}, {"x": 1}]}')
        assert model.begun.wait(10)
        refused = ask(port, "POST", "/ask", GOOD)
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert ask(port, "GET", "/alive").status == 200
        model.may.set()
        assert first.result().status == 200


@pytest.mark.parametrize("wrong", ['{"instances": [{"x": "one"}]}', "{", '{"instances": []}'])
def test_a_wrong_request_fails_no_other(wrong: str) -> None:
    """Of requests at the same time, each gets its own answer."""
    model: Model = Half()
    with running(SERVED, model=model) as port, ThreadPoolExecutor(8) as pool:
        bodies = [wrong if i % 3 == 0 else json.dumps({"instances": [{"x": i / 50}]}) for i in range(48)]
        answers = list(pool.map(lambda body: ask(port, "POST", "/ask", body), bodies))
    for i, answer in enumerate(answers):
        if i % 3 == 0:
            assert answer.status == 400
        else:
            (prediction,) = answer.predictions
            assert prediction["score"] == pytest.approx(i / 100)


def test_a_large_request_and_one_with_reasons_are_answered_too() -> None:
    """The first is read outside the event loop, the second is explained there."""
    with running(EXPLAINED) as port:
        large = ask(port, "POST", "/ask", json.dumps({"instances": [{"x": i / 10_000} for i in range(10_000)]}))
        scores = [each["score"] for each in large.predictions]
        np.testing.assert_allclose(scores, np.arange(10_000) / 20_000, atol=1e-6)
        told = ask(port, "POST", "/ask", '{"instances": [{"x": 0.8}], "parameters": {"explain": true, "top": 1}}')
        (prediction,) = told.predictions
        assert [each["feature"] for each in prediction["reasons"]] == ["x"]
