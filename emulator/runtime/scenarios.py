"""Dry runs: a compiled pipeline through fake components, a scenario for each branch, with the tasks that must run."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from emulator.clock import SystemClock
from emulator.runtime.fake import Behaviour, FakeExecutor
from emulator.runtime.run import Run, Settings
from emulator.runtime.tasks import FAILED, NOT_TRIGGERED, RUNNING, Spec, TaskEvent

_FIELDS = frozenset(("name", "shows", "tasks", "ran", "state"))


class ScenarioError(Exception):
    """A scenario file is wrong."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What the tasks do, and what must come of it."""

    name: str
    shows: str
    behaviours: Mapping[str, Behaviour]
    ran: frozenset[str]
    """The tasks that must have run, failed ones included."""
    state: str
    """How the job must end."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a scenario."""

    state: str
    ran: frozenset[str]
    error: str


def read(path: Path) -> Scenario:
    """The scenario of a file.

    Raises:
        ScenarioError: It is not one.
    """
    content: Mapping[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    if set(content) != _FIELDS:
        raise ScenarioError(f"{path}: wanted the keys {sorted(_FIELDS)}, got {sorted(content)}")
    behaviours = {}
    for task, said in (content["tasks"] or {}).items():
        if set(said) - {"outputs", "fails"}:
            raise ScenarioError(f"{path}: {task} has {sorted(said)}; known are outputs and fails")
        behaviours[task] = Behaviour(said.get("outputs", {}), said.get("fails", ""))
    return Scenario(content["name"], content["shows"], behaviours, frozenset(content["ran"]), content["state"])


def play(spec: Spec, scenario: Scenario) -> Outcome:
    """Runs a pipeline as the scenario has it.

    Raises:
        ScenarioError: The scenario speaks of a task that the pipeline does not have.
    """
    leaves = _leaves(spec)
    if unknown := sorted((set(scenario.behaviours) | scenario.ran) - leaves):
        raise ScenarioError(f"{scenario.name} speaks of {unknown}; the pipeline has {sorted(leaves)}")
    ran: set[str] = set()
    lock = threading.Lock()

    def observe(event: TaskEvent) -> None:
        with lock:
            if event.state not in {NOT_TRIGGERED, RUNNING} and event.name in leaves:
                ran.add(event.name)

    job = f"projects/dry/locations/run/pipelineJobs/{scenario.name}"
    settings = Settings(job, "gs://dry-run", FakeExecutor(scenario.behaviours), SystemClock(), observe)
    parameters = dict.fromkeys(spec["root"].get("inputDefinitions", {}).get("parameters", {}), "")
    result = Run(spec, settings).execute(parameters)
    return Outcome(result.state, frozenset(ran), result.error if result.state == FAILED else "")


def _leaves(spec: Spec) -> frozenset[str]:
    """The tasks that run a container."""
    dags = [spec["root"], *(c for c in spec["components"].values() if "dag" in c)]
    tasks = [(name, task) for dag in dags for name, task in dag["dag"]["tasks"].items()]
    return frozenset(n for n, task in tasks if "dag" not in spec["components"][task["componentRef"]["name"]])
