"""Pipeline jobs: run for real through Google's client, with states and outputs as Vertex AI shows them."""

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from plumbline.adapters import pipeline_jobs as jobs
from plumbline.adapters.clients import Clients
from plumbline.adapters.pipeline_jobs import Order
from plumbline.environment import Place
from plumbline.errors import ServiceError
from plumbline.runs import ENDED, Run
from tests.contract.conftest import LOCATION, PROJECT, Emulator, start_emulator, stop_emulator
from tests.contract.small_pipeline import compiled
from tests.contract.vertex import fresh

# Tasks have the names of steps, since those are what the adapter shows.
PIPELINE = """
from kfp import dsl

@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def ingest(text: str, dataset: dsl.Output[dsl.Dataset]) -> bool:
    with open(dataset.path, "w") as file:
        file.write(text)
    dataset.metadata["length"] = len(text)
    return True

@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def train(dataset: dsl.Input[dsl.Dataset], seconds: float, broken: bool) -> str:
    import time
    time.sleep(seconds)
    if broken:
        print("the last words")
        raise ValueError("no luck")
    return open(dataset.path).read().upper()

@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def report(run: str, status: dsl.PipelineTaskFinalStatus, page: dsl.Output[dsl.HTML]):
    with open(page.path, "w") as file:
        file.write(status.state)
    page.metadata["run"] = run

@dsl.pipeline(name="small")
def small(text: str, seconds: float = 0.0, broken: bool = False):
    last = report(run=dsl.PIPELINE_JOB_NAME_PLACEHOLDER).set_caching_options(False)
    with dsl.ExitHandler(last, name="run"):
        made = ingest(text=text)
        with dsl.If(made.outputs["Output"] == True):
            train(dataset=made.outputs["dataset"], seconds=seconds, broken=broken).set_caching_options(False)
"""
_WAIT_S = 60.0


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """The compiled pipeline."""
    return compiled(PIPELINE, tmp_path_factory.mktemp("small") / "small_pipeline.py")


def clients(emulator: Emulator) -> Clients:
    """The product's clients of an emulator."""
    place = Place(project=PROJECT, location=LOCATION, bucket="runs-bucket", dataset="d", bigquery_location=LOCATION)
    return Clients(place, emulator.environment)


def submit(emulator: Emulator, spec: Mapping[str, Any], **parameters: object) -> str:
    """The name of a new job."""
    made = clients(emulator)
    order = Order(fresh("small"), "small", spec, parameters, "gs://runs-bucket/root", {"team": "t"})  # type: ignore[arg-type] # wrong ones too
    return jobs.submit(made.pipelines(), made.place, order)


def ended(emulator: Emulator, name: str) -> Run:
    """The job once it has ended."""
    pipelines, deadline = clients(emulator).pipelines(), time.monotonic() + _WAIT_S
    while (run := jobs.look(pipelines, name)).state not in ENDED:
        assert time.monotonic() < deadline, run
        time.sleep(0.05)
    return run


def states(run: Run) -> dict[str, str]:
    """The state of each step."""
    return {name: step.state for name, step in run.steps.items()}


def test_a_job_runs_and_shows_what_it_made(emulator: Emulator, spec: Mapping[str, Any]) -> None:
    """States, seconds, artifacts with metadata, and files where their URIs say."""
    text = fresh("text")
    run = ended(emulator, submit(emulator, spec, text=text))
    assert run.state == "SUCCEEDED"
    assert states(run) == {"ingest": "SUCCEEDED", "train": "SUCCEEDED", "report": "SUCCEEDED"}
    assert run.metadata("ingest", "dataset") == {"length": len(text)}
    assert run.metadata("report", "page") == {"run": run.run_id}
    assert run.steps["ingest"].seconds is not None
    file = emulator.state / "gcs" / run.uri("ingest", "dataset").removeprefix("gs://")
    assert file.read_text(encoding="utf-8") == text


def test_the_same_again_comes_from_the_cache(emulator: Emulator, spec: Mapping[str, Any]) -> None:
    """A task that may be cached is SKIPPED, as Vertex AI says it, and points at what was made before."""
    text = fresh("text")
    first, second = (ended(emulator, submit(emulator, spec, text=text)) for _ in range(2))
    assert states(second) == {"ingest": "SKIPPED", "train": "SUCCEEDED", "report": "SUCCEEDED"}
    assert second.uri("ingest", "dataset") == first.uri("ingest", "dataset")


def test_a_failure_is_told_and_the_exit_task_runs(emulator: Emulator, spec: Mapping[str, Any]) -> None:
    """The error has the exception and the last lines of the log; the exit task knows how it went."""
    broken = yaml.safe_load(yaml.safe_dump(dict(spec)))
    broken["root"]["inputDefinitions"]["parameters"]["broken"]["defaultValue"] = True
    run = ended(emulator, submit(emulator, broken, text="x"))
    assert run.state == "FAILED"
    assert states(run) == {"ingest": "SUCCEEDED", "train": "FAILED", "report": "SUCCEEDED"}
    assert run.steps["train"].error.startswith("ValueError: no luck")
    assert "the last words" in run.steps["train"].error or "raise ValueError" in run.steps["train"].error
    page = emulator.state / "gcs" / run.uri("report", "page").removeprefix("gs://")
    assert page.read_text(encoding="utf-8") == "FAILED"


def slow(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """The pipeline with a step that takes a minute."""
    changed: dict[str, Any] = yaml.safe_load(yaml.safe_dump(dict(spec)))
    changed["root"]["inputDefinitions"]["parameters"]["seconds"]["defaultValue"] = 60.0
    return changed


def await_training(emulator: Emulator, name: str) -> None:
    """Returns once the slow step runs."""
    pipelines, deadline = clients(emulator).pipelines(), time.monotonic() + _WAIT_S
    while states(jobs.look(pipelines, name)).get("train") != "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_cancelled_job_stops_its_tasks_and_still_reports(emulator: Emulator, spec: Mapping[str, Any]) -> None:
    """What runs is ended at once; the exit task runs."""
    name = submit(emulator, slow(spec), text=fresh("text"))
    await_training(emulator, name)
    start = time.monotonic()
    jobs.cancel(clients(emulator).pipelines(), name)
    run = ended(emulator, name)
    assert time.monotonic() - start < 30
    assert run.state == "CANCELLED"
    assert states(run) == {"ingest": "SUCCEEDED", "train": "CANCELLED", "report": "SUCCEEDED"}


@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [({}, "text is missing"), ({"text": "x", "more": "y"}, "unknown"), ({"text": "x", "seconds": "long"}, "seconds")],
)
def test_wrong_parameters_are_refused(
    emulator: Emulator, spec: Mapping[str, Any], parameters: dict[str, str], wanted: str
) -> None:
    """Missing, unknown and mistyped ones, before anything runs."""
    with pytest.raises(ServiceError, match=wanted):
        submit(emulator, spec, **parameters)


def test_a_killed_emulator_s_next_run_goes_on_from_the_cache(tmp_path: Path, spec: Mapping[str, Any]) -> None:
    """The job that ran has failed with a clear message, and what was done before is not done again."""
    state = tmp_path / "emulator"
    first, text = start_emulator(state), fresh("text")
    name = submit(first, slow(spec), text=text)
    await_training(first, name)
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    second = start_emulator(state)
    try:
        dead = ended(second, name)
        assert dead.state == "FAILED"
        assert "the emulator was stopped while the job ran" in dead.error
        again = ended(second, submit(second, spec, text=text))
        assert states(again) == {"ingest": "SKIPPED", "train": "SUCCEEDED", "report": "SUCCEEDED"}
    finally:
        stop_emulator(second.process)
