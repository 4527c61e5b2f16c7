"""Runs of small pipelines with made-up tasks: order, branches, failures, retries, cancellation, cache."""

import datetime as dt
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from emulator.runtime.binding import Result
from emulator.runtime.cache import CachedExecutor
from emulator.runtime.run import Run, Settings
from emulator.runtime.tasks import Executor, TaskCall, TaskEvent, TaskFailedError, Values

Task = dict[str, Any]
BOOL = {"outputDefinitions": {"parameters": {"Output": {"parameterType": "BOOLEAN"}}}}
MADE = {"outputDefinitions": {"artifacts": {"data": {"artifactType": {"schemaTitle": "system.Dataset"}}}}}


class Clock:
    """A clock that is moved by sleeping."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> dt.datetime:
        """A moment that moves with every nap."""
        return dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=sum(self.slept))

    def sleep(self, seconds: float) -> None:
        """Time passes at once."""
        self.slept.append(seconds)


@dataclass
class Pipeline:
    """Builds a compiled pipeline of one or two levels."""

    tasks: dict[str, Task] = field(default_factory=dict)
    components: dict[str, Any] = field(default_factory=dict)

    def add(
        self, name: str, *, after: tuple[str, ...] = (), component: Mapping[str, Any] | None = None, **more: Any
    ) -> "Pipeline":
        """A task that runs a container."""
        self.components[f"comp-{name}"] = {**(component or {}), "executorLabel": f"exec-{name}"}
        self.tasks[name] = {"componentRef": {"name": f"comp-{name}"}, "dependentTasks": list(after), **more}
        return self

    def spec(self) -> dict[str, Any]:
        """The compiled pipeline."""
        leaves = {c["executorLabel"] for c in self.components.values() if "executorLabel" in c}
        executors = {label: {"container": {"image": "i", "command": [label]}} for label in leaves}
        return {
            "root": {"dag": {"tasks": self.tasks}},
            "components": self.components,
            "deploymentSpec": {"executors": executors},
        }

    def inside(
        self, name: str, inner: "Pipeline", *, condition: str = "", inputs: Mapping[str, Any] | None = None
    ) -> "Pipeline":
        """A DAG as one task, with a condition."""
        self.components |= inner.components
        self.components[f"comp-{name}"] = {"dag": {"tasks": inner.tasks}, "inputDefinitions": {}}
        trigger = {"triggerPolicy": {"condition": condition}} if condition else {}
        self.tasks[name] = {"componentRef": {"name": f"comp-{name}"}, "inputs": dict(inputs or {}), **trigger}
        return self


def flag(producer: str) -> dict[str, Any]:
    """The input that a condition on a task's truth value needs."""
    source = {"producerTask": producer, "outputParameterKey": "Output"}
    return {"parameters": {"flag": {"taskOutputParameter": source}}}


TRUE = "inputs.parameter_values['flag'] == true"
ALWAYS = {"triggerPolicy": {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}}


def nothing(call: TaskCall) -> Values:
    """A task that leaves its outputs as they are."""
    return Values({}, call.outputs)


@dataclass
class Played:
    """What happened in a run."""

    result: Result
    states: dict[str, str]
    calls: list[str]


def play(
    pipeline: Pipeline,
    behave: Mapping[str, Callable[[TaskCall], Values]] | None = None,
    *,
    wrap: Callable[[Executor], Executor] = lambda execute: execute,
    **settings: Any,
) -> Played:
    """Runs a pipeline whose tasks do nothing but what is said."""
    states: dict[str, str] = {}
    calls: list[str] = []

    def execute(call: TaskCall) -> Values:
        calls.append(call.name)
        return (behave or {}).get(call.name, nothing)(call)

    def observe(event: TaskEvent) -> None:
        states[event.name] = event.state

    job = "projects/p/locations/l/pipelineJobs/j"
    plain = Settings(job, "gs://b/root", wrap(execute), Clock(), observe)
    chosen: Settings = replace(plain, **settings)
    return Played(Run(pipeline.spec(), chosen).execute({}), states, calls)


def fail(_: TaskCall) -> Values:
    """A task that fails."""
    raise TaskFailedError("no luck")


def say(value: bool) -> Callable[[TaskCall], Values]:
    """A task whose output is a truth value."""
    return lambda _: Values({"Output": value})


def test_tasks_run_in_the_order_of_their_dependencies() -> None:
    """A task starts after those that it depends on."""
    played = play(Pipeline().add("c", after=("b",)).add("b", after=("a",)).add("a"))
    assert played.calls == ["a", "b", "c"]
    assert played.result.state == "SUCCEEDED"


def test_independent_tasks_run_side_by_side() -> None:
    """Two tasks that wait for each other can only end when both run."""
    meeting = threading.Barrier(2, timeout=5)

    def meet(call: TaskCall) -> Values:
        meeting.wait()
        return Values({}, call.outputs)

    assert play(Pipeline().add("a").add("b"), {"a": meet, "b": meet}).result.state == "SUCCEEDED"


def test_no_more_tasks_run_at_once_than_there_are_workers() -> None:
    """With one worker two tasks never overlap."""
    busy = threading.Semaphore(1)

    def alone(call: TaskCall) -> Values:
        assert busy.acquire(blocking=False)
        time.sleep(0.02)
        busy.release()
        return Values({}, call.outputs)

    played = play(Pipeline().add("a").add("b").add("c"), {"a": alone, "b": alone, "c": alone}, workers=1)
    assert played.result.state == "SUCCEEDED"


@pytest.mark.parametrize(("value", "state"), [(True, "SUCCEEDED"), (False, "NOT_TRIGGERED")])
def test_a_branch_is_taken_by_its_condition(value: bool, state: str) -> None:
    """The tasks of a branch run when its condition holds, and only then."""
    pipeline = Pipeline().add("check", component=BOOL)
    pipeline.inside("branch", Pipeline().add("work"), condition=TRUE, inputs=flag("check"))
    played = play(pipeline, {"check": say(value)})
    assert played.states["branch"] == state
    assert ("work" in played.calls) is value
    assert played.result.state == "SUCCEEDED"


def test_a_condition_without_an_answer_fails_the_run() -> None:
    """A condition on an output that is not there takes neither branch."""
    pipeline = Pipeline().add("check", component=BOOL)
    pipeline.inside("branch", Pipeline().add("work"), condition=TRUE, inputs=flag("check"))
    played = play(pipeline, {"check": lambda _: Values()})
    assert played.result.state == "FAILED"
    assert "has no value" in played.result.error
    assert "work" not in played.calls


def test_what_depends_on_a_failure_does_not_run_and_the_rest_does() -> None:
    """Failure policy slow: an independent task still runs."""
    played = play(Pipeline().add("a").add("b", after=("a",)).add("c").add("d", after=("c",)), {"a": fail})
    assert played.states == {"a": "FAILED", "b": "NOT_TRIGGERED", "c": "SUCCEEDED", "d": "SUCCEEDED"}
    assert played.result.state == "FAILED"
    assert played.result.error == "task a failed: no luck"


def test_the_exit_task_runs_whatever_happened_and_is_told() -> None:
    """An exit task gets the state and the error of what it follows."""
    told: list[Any] = []

    def listen(call: TaskCall) -> Values:
        told.append(call.inputs.parameters["status"])
        return Values()

    status = {"parameters": {"status": {"taskFinalStatus": {"producerTask": "body"}}}}
    pipeline = Pipeline().inside("body", Pipeline().add("a")).add("exit", after=("body",), inputs=status, **ALWAYS)
    played = play(pipeline, {"a": fail, "exit": listen})
    assert played.result.state == "FAILED"
    assert told[0]["state"] == "FAILED"
    assert "no luck" in told[0]["error"]["message"]


def test_a_task_is_tried_again_as_often_as_it_may() -> None:
    """Two retries with a growing pause; the third attempt succeeds."""
    attempts: list[int] = []

    def third(call: TaskCall) -> Values:
        attempts.append(call.attempt)
        if call.attempt < 2:
            raise TaskFailedError("not yet")
        return Values()

    clock = Clock()
    retry: dict[str, Any] = {"retryPolicy": {"maxRetryCount": 2, "backoffDuration": "3s", "backoffFactor": 2.0}}
    assert play(Pipeline().add("a", **retry), {"a": third}, clock=clock).result.state == "SUCCEEDED"
    assert attempts == [0, 1, 2]
    assert clock.slept == [3.0, 6.0]


def test_a_cancelled_run_starts_nothing_new_but_its_exit_task() -> None:
    """After a cancellation only the exit task runs, and the job is cancelled."""
    calls: list[str] = []

    def execute(call: TaskCall) -> Values:
        calls.append(call.name)
        if call.name == "a":
            run.cancelled.set()
        return Values({}, call.outputs)

    pipeline = (
        Pipeline().inside("body", Pipeline().add("a").add("b", after=("a",))).add("exit", after=("body",), **ALWAYS)
    )
    run = Run(pipeline.spec(), Settings("projects/p/locations/l/pipelineJobs/j", "gs://b", execute, Clock()))
    assert run.execute({}).state == "CANCELLED"
    assert calls == ["a", "exit"]


def test_tasks_that_wait_for_each_other_are_an_error() -> None:
    """A cycle is told and does not hang."""
    with pytest.raises(Exception, match="wait for each other"):
        play(Pipeline().add("a", after=("b",)).add("b", after=("a",)))


def test_an_unknown_construct_is_refused_by_name() -> None:
    """A loop is not run as if it were one task."""
    played = play(Pipeline().add("a", parameterIterator={"items": {"raw": "[1]"}}))
    assert played.result.state == "FAILED"
    assert "parameterIterator" in played.result.error


def write(text: str, root: Path) -> Callable[[TaskCall], Values]:
    """A task that leaves a file."""

    def run(call: TaskCall) -> Values:
        path = root / call.outputs["data"].uri.removeprefix("gs://")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return Values({}, call.outputs)

    return run


def cached(tmp_path: Path, text: str, *, image: str = "i") -> list[str]:
    """The tasks that really ran in a run of `make` and `use` with a cache."""
    caching: dict[str, Any] = {"cachingOptions": {"enableCache": True}}
    taken = {"taskOutputArtifact": {"producerTask": "make", "outputArtifactKey": "data"}}
    pipeline = Pipeline().add("make", component=MADE)
    pipeline.add("use", component=BOOL, inputs={"artifacts": {"data": taken}}, **caching)
    played = play(
        pipeline,
        {"make": write(text, tmp_path), "use": say(True)},
        wrap=lambda execute: CachedExecutor(
            lambda call: execute(replace(call, container={**call.container, "image": image})),
            tmp_path / "cache",
            tmp_path,
        ),
    )
    assert played.states["use"] in {"SUCCEEDED", "SKIPPED"}
    return played.calls


def test_a_result_is_taken_from_the_cache_while_its_inputs_are_the_same(tmp_path: Path) -> None:
    """The same bytes give a hit, other bytes a miss; a task without caching always runs."""
    assert cached(tmp_path, "one") == ["make", "use"]
    assert cached(tmp_path, "one") == ["make"]
    assert cached(tmp_path, "two") == ["make", "use"]
    assert cached(tmp_path, "one") == ["make"]


def test_a_result_whose_file_has_changed_is_not_used(tmp_path: Path) -> None:
    """Somebody wrote into a result, so it is made again."""
    caching: dict[str, Any] = {"cachingOptions": {"enableCache": True}}
    pipeline = Pipeline().add("make", component=MADE, **caching)

    def calls() -> list[str]:
        return play(
            pipeline,
            {"make": write("one", tmp_path)},
            wrap=lambda execute: CachedExecutor(execute, tmp_path / "cache", tmp_path),
        ).calls

    assert calls() == ["make"]
    assert calls() == []
    (tmp_path / "b/root/j/make/data").write_text("spoilt", encoding="utf-8")
    assert calls() == ["make"]
    (tmp_path / "b/root/j/make/data").unlink()
    assert calls() == ["make"]
