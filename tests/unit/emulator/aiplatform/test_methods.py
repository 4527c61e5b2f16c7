"""The table of methods, and which of them a request means."""

import json
from pathlib import Path

import pytest

from emulator.aiplatform import methods, table

PARENT = "projects/p/locations/l"


@pytest.fixture(scope="module")
def loaded() -> list[methods.Method]:
    """The table in the repository."""
    return list(methods.load())


def test_the_table_is_the_installed_sdks() -> None:
    """When this fails the SDK was changed: `python -m emulator.aiplatform.table emulator/aiplatform/methods.json`."""
    committed = Path(methods.__file__).with_name("methods.json").read_text(encoding="utf-8")
    assert list(table.read(table.SERVICES)) == json.loads(committed)


@pytest.mark.parametrize(
    ("verb", "path", "name", "fields"),
    [
        ("POST", f"/v1/{PARENT}/models:upload", "UploadModel", {"parent": PARENT}),
        ("GET", f"/v1/{PARENT}/models/m@2", "GetModel", {"name": f"{PARENT}/models/m@2"}),
        ("PATCH", f"/v1/{PARENT}/endpoints/1", "UpdateEndpoint", {"endpoint.name": f"{PARENT}/endpoints/1"}),
        ("POST", f"/v1/{PARENT}/endpoints/1:predict", "Predict", {"endpoint": f"{PARENT}/endpoints/1"}),
        ("POST", f"/v1/{PARENT}/customJobs/1:cancel", "CancelCustomJob", {"name": f"{PARENT}/customJobs/1"}),
    ],
)
def test_a_path_means_a_method(
    loaded: list[methods.Method], verb: str, path: str, name: str, fields: dict[str, str]
) -> None:
    """With the fields of the request that the path fills."""
    found = methods.find(loaded, verb, path)
    assert found is not None
    assert (found[0].name, found[1]) == (name, fields)


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("PUT", f"/v1/{PARENT}/models/1"),
        ("GET", f"/v1/{PARENT}/models/1/2"),
        ("GET", f"/v1/x/{PARENT}/models/1"),
        ("GET", f"/v9/{PARENT}/models/1"),
        ("POST", f"/v1/{PARENT}/endpoints/1:nope"),
    ],
)
def test_other_paths_mean_none(loaded: list[methods.Method], verb: str, path: str) -> None:
    """The whole path must fit, and the verb."""
    assert methods.find(loaded, verb, path) is None


def test_every_type_of_the_table_is_there(loaded: list[methods.Method]) -> None:
    """Requests, responses and metadata of operations can be made."""
    kinds = {kind for method in loaded for kind in (method.request, method.response, method.metadata) if kind}
    assert len(kinds) > 200
    for kind in kinds:
        assert methods.message_class(kind)().DESCRIPTOR.name == kind.rpartition(":")[2].rpartition(".")[2]
