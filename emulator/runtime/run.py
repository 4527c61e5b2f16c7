"""One run of a compiled pipeline: what can start starts, side by side; what fails stops what depends on it."""

import concurrent.futures as cf
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from emulator.clock import Clock
from emulator.runtime.binding import Result, bind, defaults, dependencies
from emulator.runtime.conditions import holds
from emulator.runtime.tasks import (
    CACHED,
    CANCELLED,
    FAILED,
    NOT_TRIGGERED,
    RUNNING,
    SUCCEEDED,
    Artifact,
    Executor,
    Spec,
    TaskCall,
    TaskEvent,
    TaskFailedError,
    UnsupportedError,
    Values,
)

_ALWAYS = "ALL_UPSTREAM_TASKS_COMPLETED"
_GOOD = frozenset((SUCCEEDED, CACHED))
_TASK_FIELDS = frozenset(
    ("cachingOptions", "componentRef", "dependentTasks", "inputs", "retryPolicy", "taskInfo", "triggerPolicy")
)
Observe = Callable[[TaskEvent], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run is carried out."""

    job: str
    """Resource name of the pipeline job."""
    root: str
    """gs:// URI under which artifacts are left."""
    execute: Executor
    clock: Clock
    observe: Observe = lambda _: None
    workers: int = 4
    """Containers that run at the same time."""
    stop_early: bool = False
    """Whether nothing new is started once a task has failed (Vertex AI's failure policy `fast`)."""

    @property
    def job_id(self) -> str:
        """The last part of the job's name."""
        return self.job.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class _Step:
    """A task of a DAG with its inputs: all that is needed to run it."""

    name: str
    path: str
    task: Spec
    component: Spec
    inputs: Values
    always: bool
    """Whether it runs whatever happened before: the task of an exit handler."""


@dataclass(frozen=True, slots=True)
class Run:
    """A compiled pipeline with the parameters of one run."""

    spec: Spec
    settings: Settings
    cancelled: threading.Event = field(default_factory=threading.Event)
    _failed: threading.Event = field(default_factory=threading.Event)
    _places: list[threading.Semaphore] = field(default_factory=list)

    def execute(self, parameters: Mapping[str, object]) -> Result:
        """Runs to the end: SUCCEEDED, FAILED (with the first error) or CANCELLED.

        Raises:
            TaskFailedError: A parameter has no value; nothing was run.
        """
        self._places.append(threading.Semaphore(self.settings.workers))
        scope = Values(defaults(self.spec["root"], parameters))
        result = self._dag(self.spec["root"], scope, ())
        return replace(result, state=CANCELLED) if self.cancelled.is_set() else result

    def _dag(self, component: Spec, scope: Values, path: tuple[str, ...]) -> Result:
        tasks: Mapping[str, Spec] = component["dag"]["tasks"]
        done: dict[str, Result] = {}
        running: dict[cf.Future[Result], str] = {}
        with cf.ThreadPoolExecutor(max_workers=len(tasks)) as pool:
            while len(done) < len(tasks):
                for name in _ready(tasks, done, set(running.values())):
                    running[pool.submit(self._task, name, tasks[name], scope, dict(done), path)] = name
                if not running:
                    raise UnsupportedError(f"the tasks {sorted(set(tasks) - set(done))} wait for each other")
                for future in cf.wait(running, return_when=cf.FIRST_COMPLETED).done:
                    done[running.pop(future)] = future.result()
        return _summary(component, done)

    def _task(self, name: str, task: Spec, scope: Values, done: Mapping[str, Result], path: tuple[str, ...]) -> Result:
        """A task of a DAG, whatever it is; nothing that it raises escapes."""
        before = [done[other] for other in dependencies(task)]
        always = task.get("triggerPolicy", {}).get("strategy") == _ALWAYS
        if not always and (any(result.state not in _GOOD for result in before) or self._closing()):
            return self._say(name, path, NOT_TRIGGERED)
        try:
            if unknown := sorted(set(task) - _TASK_FIELDS):
                raise UnsupportedError(f"the task {name} has {unknown}, which this runtime does not know")
            inputs = bind(task, scope, done, self.settings.job)
            condition = task.get("triggerPolicy", {}).get("condition")
            if condition and not holds(condition, inputs.parameters):
                return self._say(name, path, NOT_TRIGGERED)
            component = self.spec["components"][task["componentRef"]["name"]]
            inputs = replace(inputs, parameters=defaults(component, inputs.parameters))
            if "dag" in component:
                return self._nested(name, component, inputs, path)
            return self._container(_Step(name, "/".join((*path, name)), task, component, inputs, always))
        except (UnsupportedError, TaskFailedError) as error:
            return self._say(name, path, FAILED, error=str(error))

    def _nested(self, name: str, component: Spec, inputs: Values, path: tuple[str, ...]) -> Result:
        start = self.settings.clock.now()
        event = TaskEvent(name, "/".join((*path, name)), RUNNING, start=start, inputs=inputs)
        self.settings.observe(event)
        result = self._dag(component, inputs, (*path, name))
        end = self.settings.clock.now()
        self.settings.observe(replace(event, state=result.state, end=end, outputs=result.outputs, error=result.error))
        return result

    def _container(self, step: _Step) -> Result:
        """A task that runs a container, when there is a place for it."""
        with self._places[0]:
            if not step.always and self._closing():
                return self._say(step.name, tuple(step.path.split("/")[:-1]), NOT_TRIGGERED)
            start = self.settings.clock.now()
            event = TaskEvent(step.name, step.path, RUNNING, start=start, inputs=step.inputs)
            self.settings.observe(event)
            result = self._attempts(step)
            if result.state not in _GOOD:
                self._failed.set()
            end = self.settings.clock.now()
            told = replace(event, state=result.state, end=end, outputs=result.outputs, error=result.error)
            self.settings.observe(told)
            return result

    def _attempts(self, step: _Step) -> Result:
        """The task, tried again as often as its retry policy says."""
        policy = step.task.get("retryPolicy", {})
        pause, failure = float(str(policy.get("backoffDuration", "0s")).rstrip("s")), ""
        for attempt in range(1 + int(policy.get("maxRetryCount", 0))):
            if attempt:
                self.settings.clock.sleep(pause)
                pause *= float(policy.get("backoffFactor", 2.0))
            try:
                outputs = self.settings.execute(self._call(step, attempt))
            except TaskFailedError as error:
                failure = str(error)
                if self.cancelled.is_set() and not step.always:
                    return Result(CANCELLED, Values(), failure)
                continue
            return Result(CACHED if outputs.cached else SUCCEEDED, outputs)
        return Result(FAILED, Values(), failure)

    def _call(self, step: _Step, attempt: int) -> TaskCall:
        executor = self.spec["deploymentSpec"]["executors"][step.component["executorLabel"]]
        if "container" not in executor:
            raise UnsupportedError(f"the task {step.name} is a {', '.join(executor)}, which this runtime does not know")
        settings = self.settings
        folder = "/".join((settings.root, settings.job_id, step.name, *([str(attempt)] if attempt else [])))
        placeholders = {
            "{{$.pipeline_job_name}}": settings.job_id,
            "{{$.pipeline_job_uuid}}": settings.job_id,
            "{{$.pipeline_job_resource_name}}": settings.job,
            "{{$.pipeline_root}}": settings.root,
            "{{$.pipeline_task_name}}": step.name,
        }
        declared = step.component.get("outputDefinitions", {}).get("artifacts", {})
        return TaskCall(
            name=step.name,
            job=settings.job_id,
            attempt=attempt,
            container=executor["container"],
            component=step.component,
            inputs=replace(step.inputs, parameters=_placed(step.inputs.parameters, placeholders)),
            outputs={key: _output(key, f"{folder}/{key}", definition) for key, definition in declared.items()},
            output_file=f"{folder}/executor_output.json",
            caching=bool(step.task.get("cachingOptions", {}).get("enableCache")),
            cancelled=threading.Event() if step.always else self.cancelled,
        )

    def _closing(self) -> bool:
        return self.cancelled.is_set() or (self.settings.stop_early and self._failed.is_set())

    def _say(self, name: str, path: tuple[str, ...], state: str, *, error: str = "") -> Result:
        now = self.settings.clock.now()
        self.settings.observe(TaskEvent(name, "/".join((*path, name)), state, start=now, end=now, error=error))
        return Result(state, Values(), error)


def _ready(tasks: Mapping[str, Spec], done: Mapping[str, Result], running: set[str]) -> list[str]:
    waiting = (name for name in tasks if name not in done and name not in running)
    return [name for name in waiting if dependencies(tasks[name]) <= set(done)]


def _summary(component: Spec, done: Mapping[str, Result]) -> Result:
    """A DAG's own result: it fails when a task in it failed; its outputs are those of its tasks."""
    failed = [(name, result) for name, result in done.items() if result.state in {FAILED, CANCELLED}]
    if failed:
        name, result = failed[0]
        told = result.error if result.error.startswith("task ") else f"task {name} failed: {result.error}"
        return Result(FAILED, Values(), told)
    declared = component["dag"].get("outputs", {})
    if unknown := sorted(set(declared) - {"parameters", "artifacts"}):
        raise UnsupportedError(f"a DAG with the outputs {unknown}")
    parameters, artifacts = {}, {}
    for key, binding in declared.get("parameters", {}).items():
        source = binding["valueFromParameter"]
        parameters[key] = done[source["producerSubtask"]].outputs.parameters.get(source["outputParameterKey"])
    for key, binding in declared.get("artifacts", {}).items():
        for source in binding["artifactSelectors"]:
            found = done[source["producerSubtask"]].outputs.artifacts
            if source["outputArtifactKey"] in found:
                artifacts[key] = found[source["outputArtifactKey"]]
    return Result(SUCCEEDED, Values(parameters, artifacts))


def _placed(values: Mapping[str, object], placeholders: Mapping[str, str]) -> Mapping[str, object]:
    def place(value: object) -> object:
        if isinstance(value, str) and "{{$" in value:
            for name, found in placeholders.items():
                value = value.replace(name, found)
        return value

    return {name: place(value) for name, value in values.items()}


def _output(name: str, uri: str, definition: Spec) -> Artifact:
    kind = definition["artifactType"]
    return Artifact(name, uri, kind.get("schemaTitle", "system.Artifact"), kind.get("schemaVersion", "0.0.1"))
