"""Whatever is sent, the answer is a defined one: 100 requests here, more by `python -m tests.fuzz.serving`."""

from collections.abc import Iterator, Mapping

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.callers import Caller
from tests.fuzz.requests import bodies, headers
from tests.unit.serving.served import EXPLAINED, FEATURES, ask, running


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    """Of a running server."""
    with running(EXPLAINED) as port:
        made = Caller(port, "/ask")
        yield made
        assert ask(port, "POST", "/ask", '{"instances": [{"x": 1}]}').status == 200
        made.close()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=bodies(FEATURES), given_headers=headers())
def test_no_request_is_without_a_defined_answer(caller: Caller, body: bytes, given_headers: Mapping[str, str]) -> None:
    """200 with a probability an instance, or 4xx with what was wrong; never 5xx, and the connection holds."""
    caller.ask(body, given_headers)
