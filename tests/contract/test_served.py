"""Which version was it that answered: of models that serve, that served, and that nobody knows any more."""

from collections.abc import Mapping
from typing import Any

import pytest

from plumbline.adapters import pipeline_jobs, registry
from plumbline.adapters.judging import served
from plumbline.adapters.pipeline_jobs import Order
from plumbline.quality import Served
from tests.contract.conftest import Emulator
from tests.contract.continuous_case import Business, business
from tests.contract.small_pipeline import compiled
from tests.contract.vertex import fresh

DEPLOYING = """
from kfp import dsl

@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def register(name: str, version: dsl.Output[dsl.Artifact]):
    version.metadata["resourceName"] = name

@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def deploy(deployed: str, endpoint: dsl.Output[dsl.Artifact]):
    endpoint.metadata["deployedModelId"] = deployed

@dsl.pipeline(name="small")
def small(name: str, deployed: str):
    register(name=name).set_caching_options(False)
    deploy(deployed=deployed).set_caching_options(False)
"""
"""What a training leaves of a version and its deployment."""


@pytest.fixture(scope="module")
def deploying(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """The compiled pipeline."""
    return compiled(DEPLOYING, tmp_path_factory.mktemp("deploying") / "deploying_pipeline.py")


@pytest.fixture
def shop(emulator: Emulator) -> Business:
    """A problem that no other test has."""
    return business(emulator)


def deployed_by_a_run(shop: Business, spec: Mapping[str, Any], deployed: str, version: str) -> None:
    """A run that has deployed a version under an id."""
    parent = registry.parent(shop.clients.place)
    parameters = {"name": f"{parent}/models/{shop.name}@{version}", "deployed": deployed}
    root = f"gs://{shop.clients.place.bucket}/runs"
    order = Order(fresh("deploying"), shop.name, spec, parameters, root, {"problem": shop.name})
    assert shop.ended(pipeline_jobs.submit(shop.clients.pipelines(), shop.clients.place, order)).state == "SUCCEEDED"


def test_versions_are_found_by_the_ids_that_the_log_has(shop: Business, deploying: Mapping[str, Any]) -> None:
    """The one that serves by the endpoint, the one before by the run that had deployed it; each with its threshold."""
    first = shop.serve(threshold=0.25)
    deployed_by_a_run(shop, deploying, first, "1")
    second = shop.serve(threshold=0.75)
    assert first != second
    found = served(shop.clients, shop.name, shop.serving.endpoint, [first, second, "99"])
    assert found == {first: Served("1", 0.25), second: Served("2", 0.75), "99": Served("deployed-99", None)}


def test_a_version_that_was_deleted_has_no_threshold(shop: Business, deploying: Mapping[str, Any]) -> None:
    """Its number is known still."""
    deployed_by_a_run(shop, deploying, "42", "7")
    assert served(shop.clients, shop.name, shop.serving.endpoint, ["42"]) == {"42": Served("7", None)}


def test_nothing_logged_is_nothing_looked_up(shop: Business) -> None:
    """Also where there is no endpoint."""
    assert served(shop.clients, shop.name, "nowhere", []) == {}
