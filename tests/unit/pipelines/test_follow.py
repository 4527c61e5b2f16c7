"""Following a run: each step is spoken of when its state changes, and the end is the run's own."""

import datetime as dt
import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.code import code_digest
from pipelines.compiled import GOLDEN, golden, read
from pipelines.follow import follow
from pipelines.parameters import evaluation_parameters, local_images, parameters
from plumbline.config import load_environment, load_problem
from plumbline.errors import ConfigError
from plumbline.runs import Run, Step

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
ROOT = Path(__file__).parents[3]


def run(state: str, **steps: str) -> Run:
    """A run with steps in these states, each of a second and a half."""
    end = START + dt.timedelta(seconds=1.5)
    found = {name: Step(name, at, START, None if at == "RUNNING" else end) for name, at in steps.items()}
    return Run("projects/p/locations/l/pipelineJobs/j", state, "", START, found)


def test_a_run_is_told_step_by_step() -> None:
    """A line for each change, and no line twice."""
    seen = iter(
        [
            run("RUNNING"),
            run("RUNNING", ingest="RUNNING"),
            run("RUNNING", ingest="RUNNING"),
            run("RUNNING", ingest="SUCCEEDED", validate="SKIPPED", train="PENDING"),
            run("FAILED", ingest="SUCCEEDED", validate="SKIPPED", train="FAILED", card="NOT_TRIGGERED"),
        ]
    )
    lines: list[str] = []
    naps: list[float] = []
    ended = follow(lambda: next(seen), lines.append, itertools.count(1), sleep=naps.append)
    assert ended.state == "FAILED"
    assert [" ".join(line.split()) for line in lines] == [
        "ingest running",
        "ingest done 1.5 s",
        "validate cached 1.5 s",
        "train FAILED 1.5 s",
        "card not run",
    ]
    assert naps == [1, 2, 3, 4]


def test_the_parameters_are_those_that_the_pipeline_takes() -> None:
    """Each parameter of the compiled pipeline is given, and no other."""
    loaded = load_problem(ROOT / "configs" / "flights.yaml")
    environment = load_environment(ROOT / "configs" / "env" / "local.yaml")
    images = local_images(environment, "0" * 64)
    given = parameters(loaded, environment, code="0" * 64, images=images)
    root = read(GOLDEN)["root"]
    assert isinstance(root, dict)
    assert set(given) == set(root["inputDefinitions"]["parameters"])
    assert images["plumbline/trainer"] == f"plumbline/trainer@sha256:{'0' * 64}"


def test_an_evaluation_s_parameters_are_those_that_its_pipeline_takes() -> None:
    """Likewise; a config that does not say how a model is observed has none."""
    loaded = load_problem(ROOT / "configs" / "flights.yaml")
    environment = load_environment(ROOT / "configs" / "env" / "local.yaml")
    given = evaluation_parameters(loaded, environment, order="gs://b/o", at="")
    root = read(golden("evaluation"))["root"]
    assert isinstance(root, dict)
    assert set(given) == set(root["inputDefinitions"]["parameters"])
    assert "{flights}" in given["sql"]
    alone = replace(loaded, config=replace(loaded.config, retraining=None))
    assert evaluation_parameters(alone, environment, order="gs://b/o", at="")["retraining"] == ""
    without = replace(alone, config=replace(alone.config, observation=None))
    with pytest.raises(ConfigError, match="there is no section `observation`"):
        evaluation_parameters(without, environment, order="gs://b/o", at="")


def test_the_code_s_digest_changes_with_the_code(tmp_path: Path) -> None:
    """A changed source file is another image, so nothing stale comes out of a cache."""
    for folder in ("components", "plumbline", "serving", "trainer"):
        (tmp_path / folder).mkdir()
    (tmp_path / "containers").mkdir()
    for file in ("uv.lock", "containers/Dockerfile", "containers/uv.txt"):
        (tmp_path / file).write_text("x", encoding="utf-8")
    source = tmp_path / "plumbline" / "gates.py"
    source.write_text("a = 1", encoding="utf-8")
    before = code_digest(tmp_path)
    (tmp_path / "plumbline" / "__pycache__").mkdir()
    (tmp_path / "plumbline" / "__pycache__" / "gates.pyc").write_text("x", encoding="utf-8")
    assert code_digest(tmp_path) == before
    source.write_text("a = 2", encoding="utf-8")
    assert code_digest(tmp_path) != before
