"""Which steps will come from the cache."""

import datetime as dt
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from plumbline.reuse import USES, Past, durations, reused
from plumbline.runs import Run, Step

GOLDEN = Path(__file__).parents[2] / "golden" / "training.yaml"
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
EARLY = {"ingest", "validate", "baseline", "signal", "prototype"}
"""What reads the rows alone."""
FITTED = {"tune", "train", "evaluate", "explain", "card"}
"""The search, and what reads the model."""
INPUTS = {name: f"{name} 1" for uses in USES.values() for name in uses.parameters}


def past(inputs: Mapping[str, str] = INPUTS, seconds: float = 10.0, **states: str) -> Past:
    """A run whose steps have succeeded unless another state is given."""
    steps = {
        name: Step(name, states.get(name, "SUCCEEDED"), START, START + dt.timedelta(seconds=seconds)) for name in USES
    }
    return Past(Run("projects/p/locations/l/pipelineJobs/r", "SUCCEEDED", "", START, steps), inputs)


def test_an_unchanged_run_finds_every_cacheable_step() -> None:
    """All of them, also where they came from the cache before."""
    assert reused([past()], INPUTS) == set(USES)
    assert reused([past(ingest="SKIPPED")], INPUTS) == set(USES)


def test_the_first_run_finds_none() -> None:
    """There is nothing to find."""
    assert reused([], INPUTS) == frozenset()


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        ("code", set()),
        ("source_version", set()),
        ("validation", EARLY - {"validate"} | FITTED),
        ("training", EARLY),
        ("signal", EARLY - {"signal"} | FITTED),
        ("prototype", EARLY - {"prototype"} | FITTED - {"evaluate", "card"}),
        ("evaluation", EARLY | FITTED - {"evaluate", "card"}),
        ("explanation", EARLY | FITTED - {"explain", "card"}),
        ("champion", EARLY | FITTED - {"evaluate", "card"}),
        ("today", EARLY - {"baseline"} | FITTED - {"evaluate", "card"}),
        ("statement", EARLY | FITTED - {"card"}),
    ],
)
def test_a_change_runs_what_it_touches_and_what_reads_that(changed: str, kept: set[str]) -> None:
    """And nothing else."""
    assert reused([past()], {**INPUTS, changed: "2"}) == kept


def test_what_a_run_has_not_done_is_not_there() -> None:
    """A failed step and what would have read it run again; an older run may have done it."""
    failed = past(train="FAILED", evaluate="NOT_TRIGGERED", explain="NOT_TRIGGERED", card="NOT_TRIGGERED")
    assert reused([failed], INPUTS) == EARLY | {"tune"}
    assert reused([failed, past()], INPUTS) == set(USES)


def test_an_input_that_nobody_knows_is_not_the_same() -> None:
    """A run that does not tell its champion proves nothing of its evaluation."""
    silent = {name: value for name, value in INPUTS.items() if name != "champion"}
    assert reused([past(silent)], silent) == EARLY | {"tune", "train", "explain"}


def test_times_are_of_the_last_run_that_did_the_step_itself() -> None:
    """A step from the cache took no time; training with other settings is no measure."""
    newest, before = past(seconds=5.0, ingest="SKIPPED"), past(seconds=60.0)
    found = durations([newest, before], INPUTS)
    assert (found["ingest"], found["validate"]) == (60.0, 5.0)
    assert "train" not in durations([before], {**INPUTS, "training": "other"})


def test_the_table_is_that_of_the_compiled_pipeline() -> None:
    """For each cacheable task: its parameters and the tasks whose artifacts it reads; images are told by the code."""
    spec = yaml.safe_load(GOLDEN.read_text(encoding="utf-8"))
    found = {}
    for name, task in tasks(spec):
        if task.get("cachingOptions", {}).get("enableCache"):
            inputs = task.get("inputs", {})
            given = inputs.get("parameters", {}).values()
            parameters = {source(p) for p in given if not made(p)}
            steps = {artifact(a) for a in inputs.get("artifacts", {}).values()} | {made(p) for p in given if made(p)}
            found[name] = ({p for p in parameters if not p.endswith("_image")}, steps)
    assert found == {name: (set(uses.parameters), set(uses.steps)) for name, uses in USES.items()}


def tasks(spec: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every task that is not a DAG."""
    dags = [spec["root"], *(c for c in spec["components"].values() if "dag" in c)]
    for dag in dags:
        for name, task in dag["dag"]["tasks"].items():
            if "dag" not in spec["components"][task["componentRef"]["name"]]:
                yield name, task


def source(binding: Mapping[str, Any]) -> str:
    """The pipeline's name of what a parameter is bound to."""
    if "taskOutputParameter" in binding:
        return str(binding["taskOutputParameter"]["outputParameterKey"])
    return str(binding["componentInputParameter"]).removeprefix("pipelinechannel--").removeprefix("snapshot-")


def made(binding: Mapping[str, Any]) -> str:
    """The task that gives a parameter, empty where it is none but the snapshot."""
    task = str(binding.get("taskOutputParameter", {}).get("producerTask", "snapshot"))
    return "" if task == "snapshot" else task


def artifact(binding: Mapping[str, Any]) -> str:
    """The task that makes an artifact."""
    if "taskOutputArtifact" in binding:
        return str(binding["taskOutputArtifact"]["producerTask"])
    return str(binding["componentInputArtifact"]).removeprefix("pipelinechannel--").partition("-")[0]
