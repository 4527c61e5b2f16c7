"""The graph: compiled as committed, accepted by Vertex AI's rules, linked to images."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.compiled import GOLDEN, Graph, compile_graph, differs_from_golden, golden, read, write
from pipelines.link import link
from pipelines.lint import lint
from plumbline.errors import PlumblineError

SPEC: dict[str, Any] = dict(read(GOLDEN))
IMAGES = {f"plumbline/{name}": f"plumbline/{name}@sha256:{'0' * 64}" for name in ("components", "trainer", "serving")}


GRAPHS: tuple[Graph, ...] = ("training", "evaluation")


@pytest.mark.parametrize("graph", GRAPHS)
def test_a_graph_compiles_to_its_golden_file(graph: Graph) -> None:
    """A change of the graph is a change of the committed file: `make generate` writes it."""
    assert not differs_from_golden(compile_graph(graph), graph)


def test_a_compiled_pipeline_survives_its_file(tmp_path: Path) -> None:
    """What is written is what is read, and the same text each time."""
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    write(SPEC, one)
    write(read(one), other)
    assert read(one) == SPEC
    assert one.read_text(encoding="utf-8") == other.read_text(encoding="utf-8")


@pytest.mark.parametrize("graph", GRAPHS)
def test_a_pipeline_has_no_findings(graph: Graph) -> None:
    """Plain or linked, Vertex AI would take it."""
    spec = dict(read(golden(graph)))
    assert lint(spec) == ()
    assert lint(link(spec, IMAGES), linked=True) == ()


def test_linking_puts_digests_in_and_leaves_the_rest() -> None:
    """Every image has a digest afterwards, and the compiled pipeline itself is not touched."""
    before = copy.deepcopy(SPEC)
    linked = link(SPEC, IMAGES)
    images = {executor["container"]["image"] for executor in linked["deploymentSpec"]["executors"].values()}
    assert images == {IMAGES["plumbline/components"]}
    assert before == SPEC


@pytest.mark.parametrize(
    ("images", "wanted"),
    [
        ({"plumbline/components": "plumbline/components:latest"}, "with its digest"),
        ({"plumbline/other": IMAGES["plumbline/trainer"]}, "no image is given for"),
    ],
)
def test_a_wrong_image_is_refused(images: dict[str, str], wanted: str) -> None:
    """A tag is no digest, and an image that is not given cannot be run."""
    with pytest.raises(PlumblineError, match=wanted):
        link(SPEC, images)


def branch(spec: dict[str, Any]) -> dict[str, Any]:
    """The task that is a branch on the data."""
    tasks = spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    return next(task for task in tasks.values() if "triggerPolicy" in task)


def executor(spec: dict[str, Any]) -> dict[str, Any]:
    """The container of the ingest step."""
    found = spec["deploymentSpec"]["executors"]["exec-ingest"]["container"]
    assert isinstance(found, dict)
    return found


def inner(spec: dict[str, Any], name: str) -> dict[str, Any]:
    """A task around the whole run."""
    found = spec["components"]["comp-exit-handler-1"]["dag"]["tasks"][name]
    assert isinstance(found, dict)
    return found


Break = Callable[[dict[str, Any]], object]
BREAKS: list[tuple[str, Break, str]] = [
    ("misspelt field", lambda s: s.update(rooot={}), "not in the schema"),
    ("old schema", lambda s: s.update(schemaVersion="2.0.0"), "wanted 2.1.0"),
    ("name", lambda s: s["pipelineInfo"].update(name="Training"), "must match"),
    ("pip", lambda s: executor(s).update(command=["sh", "-c", "pip install x"]), "installs packages"),
    ("empty variable", lambda s: executor(s).update(env=[{"name": "A", "value": ""}]), "is empty"),
    ("too large", lambda s: executor(s).update(resources={"cpuLimit": 97.0}), "more than 96 CPUs"),
    ("requests", lambda s: executor(s).update(resources={"cpuRequest": 1.0}), "not used by Vertex AI"),
    ("literal condition", lambda s: branch(s)["triggerPolicy"].update(condition="1 == 1"), "compares no value"),
    ("loose condition", lambda s: branch(s)["inputs"]["parameters"].clear(), "is not bound"),
    ("loose input", lambda s: inner(s, "validate")["inputs"]["artifacts"].clear(), "the input dataset is not bound"),
    (
        "unknown outer input",
        lambda s: inner(s, "ingest")["inputs"]["parameters"]["sql"].update(componentInputParameter="gone"),
        "which the DAG around it lacks",
    ),
    (
        "unknown component",
        lambda s: inner(s, "ingest")["componentRef"].update(name="comp-gone"),
        "there is no component",
    ),
    (
        "unknown output",
        lambda s: s["components"]["comp-validate"]["outputDefinitions"].pop("parameters"),
        "has no output Output",
    ),
    (
        "other type",
        lambda s: s["components"]["comp-validate"]["outputDefinitions"]["parameters"]["Output"].update(
            parameterType="STRING"
        ),
        "is BOOLEAN, and gets STRING",
    ),
    (
        "long retry",
        lambda s: inner(s, "ingest").update(retryPolicy={"maxRetryCount": 1, "backoffDuration": "4000s"}),
        "over 3600 s",
    ),
]


@pytest.mark.parametrize(("breaks", "wanted"), [b[1:] for b in BREAKS], ids=[b[0] for b in BREAKS])
def test_each_rule_finds_what_breaks_it(breaks: Break, wanted: str) -> None:
    """What Vertex AI would refuse is found before it is submitted."""
    spec = copy.deepcopy(SPEC)
    breaks(spec)
    assert any(wanted in str(finding) for finding in lint(spec)), lint(spec)


def test_an_image_without_digest_is_found() -> None:
    """A pipeline that is to be submitted has digests only."""
    assert any("has no digest" in str(finding) for finding in lint(SPEC, linked=True))
