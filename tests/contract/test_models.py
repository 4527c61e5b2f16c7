"""The Model Registry: versions, aliases and what is refused, as the real clients see it."""

import pytest
from google.cloud import aiplatform_v1 as v1
from google.protobuf import field_mask_pb2

from tests.contract import vertex as vx
from tests.contract.conftest import Emulator
from tests.contract.vertex import (
    CONFLICT,
    EXISTS,
    INVALID,
    MISSING,
    PARENT,
    UNIMPLEMENTED,
    Vertex,
    done,
    fresh,
    model,
    refused,
    upload,
)


@pytest.fixture(scope="module")
def vertex(emulator: Emulator) -> Vertex:
    """Clients of the shared emulator."""
    return vx.connect(emulator)


def add(vertex: Vertex, parent_model: str, *aliases: str, **fields: object) -> str:
    """A new version of a model; gives its number."""
    request = v1.UploadModelRequest(
        parent=PARENT, parent_model=parent_model, model=model(vertex, version_aliases=aliases, **fields)
    )
    return str(done(vertex.models.upload_model(request)).model_version_id)


def aliases(vertex: Vertex, name: str) -> dict[str, set[str]]:
    """Aliases by version."""
    versions = vertex.models.list_model_versions(name=name)
    return {version.version_id: set(version.version_aliases) for version in versions}


def test_the_first_version_is_the_default_and_can_be_served(vertex: Vertex) -> None:
    """Version 1 has the alias `default`; without the deployment type the SDK would drop autoscaling arguments."""
    name = upload(vertex, labels={"team": "x"}, version_aliases=["candidate"])
    got = vertex.models.get_model(name=name)
    assert (got.name, got.version_id, set(got.version_aliases)) == (name, "1", {"candidate", "default"})
    assert got.supported_deployment_resources_types == [v1.Model.DeploymentResourcesType.DEDICATED_RESOURCES]
    assert got.create_time == got.version_create_time


def test_a_later_version_is_the_default_only_when_it_asks(vertex: Vertex) -> None:
    """The alias moves with the version that names it, and with no other."""
    name = upload(vertex)
    assert [add(vertex, name, "candidate"), add(vertex, name, "default")] == ["2", "3"]
    assert aliases(vertex, name) == {"1": set(), "2": {"candidate"}, "3": {"default"}}
    assert vertex.models.get_model(name=name).version_id == "3"
    assert vertex.models.get_model(name=f"{name}@candidate").version_id == "2"
    assert vertex.models.get_model(name=f"{name}@1").version_id == "1"
    refused(MISSING, f"{name}@4", lambda: vertex.models.get_model(name=f"{name}@4"))


def test_versions_are_listed_by_number_not_by_text(vertex: Vertex) -> None:
    """Version 10 comes after version 9."""
    name = upload(vertex)
    for _ in range(9):
        add(vertex, name)
    assert [version.version_id for version in vertex.models.list_model_versions(name=name)] == [
        str(number) for number in range(1, 11)
    ]


def test_an_alias_is_on_one_version_only(vertex: Vertex) -> None:
    """Giving it to a version takes it from the other; `-alias` takes a version's own away, and only that."""
    name = upload(vertex, version_aliases=["champion"])
    add(vertex, name, "candidate")
    merge = vertex.models.merge_version_aliases
    merge(name=f"{name}@2", version_aliases=["champion", "default"])
    assert aliases(vertex, name) == {"1": set(), "2": {"candidate", "champion", "default"}}
    merge(name=f"{name}@1", version_aliases=["-champion"])
    assert aliases(vertex, name)["2"] == {"candidate", "champion", "default"}
    merge(name=f"{name}@2", version_aliases=["-champion"])
    assert aliases(vertex, name)["2"] == {"candidate", "default"}


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (["good", "Bad_One"], "Bad_One"),
        (["1"], "'1'"),
        (["-default"], "moved by giving it to another version"),
        (["good", "-good"], "both given and taken away"),
    ],
)
def test_a_wrong_alias_changes_nothing(vertex: Vertex, wanted: list[str], text: str) -> None:
    """Not even the aliases before it in the list."""
    name = upload(vertex, version_aliases=["good"])
    add(vertex, name)
    refused(INVALID, text, lambda: vertex.models.merge_version_aliases(name=f"{name}@2", version_aliases=wanted))
    refused(INVALID, text, lambda: add(vertex, name, *wanted))
    assert aliases(vertex, name) == {"1": {"good", "default"}, "2": set()}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"display_name": ""}, "model.display_name"),
        ({"display_name": "x" * 129}, "model.display_name"),
        ({"container_spec": v1.ModelContainerSpec()}, "container_spec.image_uri is required"),
        ({"artifact_uri": "s3://bucket/model"}, "must be a gs:// URI"),
        ({"labels": {"Team": "x"}}, "'Team'"),
        ({"labels": {"team": "A b"}}, "'A b'"),
        (
            {"container_spec": v1.ModelContainerSpec(image_uri=vx.IMAGE, env=[v1.EnvVar(name="AIP_X", value="1")])},
            "AIP_X",
        ),
    ],
)
def test_a_wrong_model_is_refused(vertex: Vertex, fields: dict[str, object], text: str) -> None:
    """With the field that is wrong."""
    refused(INVALID, text, lambda: upload(vertex, **fields))


def test_an_artifact_must_be_there(vertex: Vertex) -> None:
    """Vertex AI copies it at the upload."""
    refused(CONFLICT, "gs://models/nothing", lambda: upload(vertex, artifact_uri="gs://models/nothing"))


@pytest.mark.parametrize("model_id", ["1st", "-first", "First", "x" * 64])
def test_a_model_id_has_a_form(vertex: Vertex, model_id: str) -> None:
    """Lower case letters, digits, _ and -, not starting with a digit or -, at most 63."""
    request = v1.UploadModelRequest(parent=PARENT, model=model(vertex), model_id=model_id)
    refused(INVALID, model_id, lambda: done(vertex.models.upload_model(request)))


def test_a_model_id_is_given_once(vertex: Vertex) -> None:
    """A second upload under it needs `parent_model`, which must be there, and excludes `model_id`."""
    name = upload(vertex)
    model_id = name.rpartition("/")[2]
    again = v1.UploadModelRequest(parent=PARENT, model=model(vertex), model_id=model_id)
    refused(EXISTS, name, lambda: vertex.models.upload_model(again))
    refused(MISSING, f"{name}x", lambda: add(vertex, f"{name}x"))
    both = v1.UploadModelRequest(parent=PARENT, model=model(vertex), model_id="other", parent_model=name)
    refused(INVALID, "model_id", lambda: vertex.models.upload_model(both))


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"explanation_spec": v1.ExplanationSpec(parameters={"top_k": 1})}, "model.explanation_spec"),
        ({"metadata_schema_uri": "gs://x/y.yaml"}, "model.metadata_schema_uri"),
        (
            {"container_spec": v1.ModelContainerSpec(image_uri=vx.IMAGE, shared_memory_size_mb=1)},
            "model.container_spec.shared_memory_size_mb",
        ),
    ],
)
def test_a_field_that_is_not_implemented_is_named(vertex: Vertex, fields: dict[str, object], name: str) -> None:
    """501, never ignored."""
    refused(
        UNIMPLEMENTED, f"UNIMPLEMENTED: the emulator does not have the field {name}", lambda: upload(vertex, **fields)
    )


def test_models_are_listed_with_filter_order_and_pages(vertex: Vertex) -> None:
    """The default version of each; the client walks through the pages."""
    shown = fresh("shown")
    names = [upload(vertex, display_name=shown, labels={"number": str(number % 2)}) for number in range(5)]
    add(vertex, names[0], "default", display_name=shown, labels={"number": "0"})
    request = v1.ListModelsRequest(parent=PARENT, filter=f'display_name="{shown}"', page_size=2)
    found = list(vertex.models.list_models(request))
    assert sorted(found_one.name for found_one in found) == sorted(names)
    assert {m.version_id for m in found if m.name == names[0]} == {"2"}
    even = v1.ListModelsRequest(parent=PARENT, filter=f"display_name={shown} AND labels.number=0")
    assert {found_one.name for found_one in vertex.models.list_models(even)} == {names[0], names[2], names[4]}
    newest = v1.ListModelsRequest(parent=PARENT, filter=f'display_name="{shown}"', order_by="create_time desc")
    assert [found_one.name for found_one in vertex.models.list_models(newest)] == names[::-1]


def test_only_labels_and_texts_can_be_changed(vertex: Vertex) -> None:
    """The mask says what; what it does not name stays."""
    name = upload(vertex, labels={"a": "1"}, description="before")
    wanted = v1.Model(name=name, display_name="after", labels={"b": "2"}, description="ignored")
    mask = field_mask_pb2.FieldMask(paths=["display_name", "labels"])
    changed = vertex.models.update_model(model=wanted, update_mask=mask)
    assert (changed.display_name, dict(changed.labels), changed.description) == ("after", {"b": "2"}, "before")
    image = field_mask_pb2.FieldMask(paths=["container_spec"])
    refused(CONFLICT, "container_spec", lambda: vertex.models.update_model(model=wanted, update_mask=image))
    nothing = field_mask_pb2.FieldMask(paths=["display_name"])
    refused(INVALID, "display_name", lambda: vertex.models.update_model(model=v1.Model(name=name), update_mask=nothing))


def test_the_default_version_is_not_deleted_alone(vertex: Vertex) -> None:
    """Others are; their number is not given again. A deleted model is gone with all its versions."""
    name = upload(vertex)
    add(vertex, name)
    refused(CONFLICT, "default", lambda: vertex.models.delete_model_version(name=f"{name}@1"))
    done(vertex.models.delete_model_version(name=f"{name}@2"))
    assert list(aliases(vertex, name)) == ["1"]
    assert add(vertex, name) == "3"
    done(vertex.models.delete_model(name=name))
    refused(MISSING, name, lambda: vertex.models.get_model(name=name))
