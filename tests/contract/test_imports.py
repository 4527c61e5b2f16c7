"""Which warm interpreter a step, and the container that serves, is forked from: the one that has its imports."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from kfp.dsl import Artifact, Dataset, Model
from kfp.dsl.types import artifact_types

from components.artifacts import VertexModel
from components.register import register
from emulator.runtime import stand_in, warm
from plumbline.champion import Champion
from plumbline.dataset import SPLITS, SplitSummary, Summary, write_summary
from plumbline.environment import Place
from plumbline.operating_point import OperatingPoint, OperatingPoints, write_points
from plumbline.section import to_json
from tests.contract import vertex as vx
from tests.contract.conftest import LOCATION, PROJECT, Emulator

ROOT = Path(__file__).parents[2]
GRAPH = yaml.safe_load((ROOT / "tests" / "golden" / "training.yaml").read_text(encoding="utf-8"))
PLACE = Place(project=PROJECT, location=LOCATION, bucket="warm", dataset="warm", bigquery_location=LOCATION)
SPLIT = SplitSummary(rows=1, positives=0, start="2013-01-01T00:00:00", end="2013-01-02T00:00:00")
SUMMARY = Summary(
    table="p.d.t", training_table="p.d.u", bytes_processed=1, source_changed="", splits=dict.fromkeys(SPLITS, SPLIT)
)
EXECUTORS = GRAPH["deploymentSpec"]["executors"]


def chosen(emulator: Emulator, variables: Mapping[str, str]) -> str | None:
    """The server that a child of the emulator with these variables asks."""
    servers = stand_in.read_servers(str(warm.folder(emulator.state)))
    return stand_in.chosen(servers, {**dict(servers)["clients"], **variables})


@pytest.mark.parametrize("executor", EXECUTORS)
def test_only_the_step_that_loads_models_is_forked_from_the_server_with_tensorflow(
    emulator: Emulator, executor: str
) -> None:
    """All others have imported Google's clients."""
    variables = {each["name"]: each["value"] for each in EXECUTORS[executor]["container"].get("env", ())}
    wanted = "tensorflow" if executor in {"exec-evaluate", "exec-explain"} else "clients"
    assert chosen(emulator, {**variables, "_KFP_RUNTIME": "true", "TMPDIR": "/x"}) == wanted


def test_the_container_that_serves_is_forked_from_the_server_with_tensorflow(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the variables that the registered version has."""
    name, mount = vx.fresh("warm").replace("-", "_"), emulator.state / "gcs"
    monkeypatch.setenv("AIPLATFORM_EMULATOR_HOST", emulator.endpoints.aiplatform)
    # As `emulator.runtime.launcher` does.
    monkeypatch.setattr(artifact_types, "_GCS_LOCAL_MOUNT_PREFIX", f"{mount}/")
    for folder in ("model", "dataset", "result"):
        (mount / name / folder).mkdir(parents=True)
    write_summary(mount / name / "dataset", SUMMARY)
    point = OperatingPoint(model="candidate", threshold=0.2, source="rule", explanation="")
    write_points(mount / name / "result", OperatingPoints(points=(point,)))
    register.python_func(
        place=to_json(PLACE),
        name=name,
        champion=to_json(Champion()),
        lineage="l",
        run="r",
        code="c",
        serving_image=vx.IMAGE,
        dataset=Dataset(uri=f"gs://{name}/dataset"),
        model=Model(uri=f"gs://{name}/model"),
        evaluation_result=Artifact(uri=f"gs://{name}/result"),
        card=Artifact(uri=f"gs://{name}/card"),
        version=VertexModel(),
    )
    made = vx.connect(emulator).models.get_model(name=f"{vx.PARENT}/models/{name}")
    variables = {each.name: each.value for each in made.container_spec.env}
    assert chosen(emulator, variables) == "tensorflow"
    assert variables["THRESHOLD"] == "0.2"
