"""The table of methods of the APIs around Vertex AI."""

import json
import re
from pathlib import Path

import pytest

from emulator import platform
from emulator.aiplatform import methods
from emulator.platform import server, table
from emulator.platform.rpc import APIS

REPOSITORY = "projects/p/locations/l/repositories/r"


def concrete(uri: str) -> str:
    """A path of a route's template, with values in it."""
    return re.sub(r"\{[\w.]+(?:=([^}]+))?\}", lambda match: match[1] or "*", uri).replace("*", "x")


def test_the_table_is_the_installed_sdks() -> None:
    """When this fails an SDK was changed: `python -m emulator.platform.table emulator/platform/methods.json`."""
    committed = Path(platform.__path__[0], "methods.json").read_text(encoding="utf-8")
    assert list(table.read()) == json.loads(committed)


def test_no_path_means_a_method_of_vertex_ai_and_another_too() -> None:
    """They share a port."""
    vertex, around = methods.load(), server.load()
    entries = json.loads(Path(platform.__path__[0], "methods.json").read_text(encoding="utf-8"))
    assert len(entries) > 100
    for entry in entries:
        assert methods.find(around, entry["verb"], concrete(entry["uri"])) is not None, entry
        assert methods.find(vertex, entry["verb"], concrete(entry["uri"])) is None, entry
    for entry in json.loads(Path(methods.__file__).with_name("methods.json").read_text(encoding="utf-8")):
        assert methods.find(around, entry["verb"], concrete(entry["uri"])) is None, entry


def test_every_type_of_the_table_is_there() -> None:
    """Requests, responses and metadata of operations can be made; every service is an API with a host."""
    loaded = server.load()
    kinds = {kind for method in loaded for kind in (method.request, method.response, method.metadata) if kind}
    for kind in kinds:
        assert methods.message_class(kind)().DESCRIPTOR.name == kind.rpartition(":")[2].rpartition(".")[2]
    assert {method.service for method in loaded} == set(APIS)


@pytest.mark.parametrize(
    ("verb", "path", "name", "fields"),
    [
        ("GET", "/v1/projects/p/builds/1", "GetBuild", {"project_id": "p", "id": "1"}),
        ("POST", "/v1/projects/p/builds/1:cancel", "CancelBuild", {"project_id": "p", "id": "1"}),
        (
            "GET",
            f"/v1/{REPOSITORY}/dockerImages/i@sha256:ab",
            "GetDockerImage",
            {"name": f"{REPOSITORY}/dockerImages/i@sha256:ab"},
        ),
        ("GET", f"/v1/{REPOSITORY}:getIamPolicy", "GetIamPolicy", {"resource": REPOSITORY}),
        (
            "GET",
            "/v1/projects/p/serviceAccounts/a@p.iam.gserviceaccount.com",
            "GetServiceAccount",
            {"name": "projects/p/serviceAccounts/a@p.iam.gserviceaccount.com"},
        ),
        ("GET", "/v1/projects/p/services:batchGet", "BatchGetServices", {"parent": "projects/p"}),
    ],
)
def test_a_path_means_a_method(verb: str, path: str, name: str, fields: dict[str, str]) -> None:
    """Also where a field has no pattern, and where a digest's colon could be taken for a verb's."""
    found = methods.find(server.load(), verb, path)
    assert found is not None
    assert (found[0].name, found[1]) == (name, fields)
