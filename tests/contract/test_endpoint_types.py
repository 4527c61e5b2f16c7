"""Shared and dedicated endpoints: what each takes, and how long it waits."""

from typing import Any

import pytest
from google.cloud import aiplatform_v1 as v1
from google.protobuf import duration_pb2

from tests.contract import vertex as vx
from tests.contract.conftest import Emulator
from tests.contract.shop import COMMAND
from tests.contract.vertex import INVALID, Vertex, deploy, endpoint, refused, upload

DEDICATED = {"dedicated_endpoint_enabled": True}


@pytest.fixture(scope="module")
def vertex(emulator: Emulator) -> Vertex:
    """Clients of the shared emulator."""
    return vx.connect(emulator)


def scoring(vertex: Vertex, **environment: str) -> str:
    """A model that gives each instance a half."""
    env = [v1.EnvVar(name=name, value=value) for name, value in {"SCORE": "0.5", **environment}.items()]
    return upload(vertex, container_spec=v1.ModelContainerSpec(image_uri=vx.IMAGE, command=COMMAND, env=env))


def waiting(seconds: int) -> v1.ClientConnectionConfig:
    """A timeout of its own."""
    return v1.ClientConnectionConfig(inference_timeout=duration_pb2.Duration(seconds=seconds))


@pytest.mark.parametrize(("fields", "most"), [({}, 1_500_000), (DEDICATED, 10_000_000)], ids=["shared", "dedicated"])
def test_a_request_has_a_largest_size(vertex: Vertex, fields: dict[str, Any], most: int) -> None:
    """Up to it the container is asked; above it, it is not."""
    of = endpoint(vertex, **fields)
    deploy(vertex, of, scoring(vertex))
    assert vertex.predictions.predict(endpoint=of, instances=[{"x": "y" * (most - 1000)}]).predictions
    refused(INVALID, f"at most {most}", lambda: vertex.predictions.predict(endpoint=of, instances=[{"x": "y" * most}]))


def test_a_dedicated_endpoint_has_a_name_and_a_timeout_of_its_own(vertex: Vertex) -> None:
    """A container that takes longer is given up."""
    of = endpoint(vertex, client_connection_config=waiting(1), **DEDICATED)
    assert vertex.endpoints.get_endpoint(name=of).dedicated_endpoint_dns.startswith(f"{of.rpartition('/')[2]}.")
    deploy(vertex, of, scoring(vertex, DELAY_S="1.5"))
    refused("DEADLINE_EXCEEDED", "no prediction within 1 s", lambda: ask_once(vertex, of))


def ask_once(vertex: Vertex, of: str) -> None:
    """One prediction, without the client's own retries."""
    vertex.predictions.predict(endpoint=of, instances=[{}], retry=None)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"client_connection_config": waiting(30)}, "belongs to a dedicated endpoint"),
        ({"client_connection_config": waiting(3601), **DEDICATED}, "at most 3600 s, got 3601 s"),
    ],
)
def test_a_timeout_that_the_type_does_not_have_is_refused(vertex: Vertex, fields: dict[str, Any], text: str) -> None:
    """When the endpoint is made."""
    refused(INVALID, text, lambda: endpoint(vertex, **fields))
