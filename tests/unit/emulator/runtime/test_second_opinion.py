"""kfp's own local runner and ours, on the same compiled file: the same set of tasks runs.

kfp 2.17.3 evaluates a condition on the only output of a component (`task.output`); a bare `dsl.If` on one of several
named outputs it skips and calls that success, so the shapes here have one output each. Our golden pipeline has named
outputs, which is why it is not run by kfp itself.
"""

import warnings
from pathlib import Path

import pytest
import yaml

from emulator.clock import SystemClock
from emulator.processes import Supervisor
from emulator.runtime.containers import ContainerExecutor
from emulator.runtime.run import Run, Settings
from emulator.runtime.tasks import NOT_TRIGGERED, TaskEvent

PIPELINE = """
from kfp import dsl

@dsl.component(base_image="python:3.11", install_kfp_package=False)
def check(value: bool) -> bool:
    return value

@dsl.component(base_image="python:3.11", install_kfp_package=False)
def mark(folder: str, name: str) -> str:
    import pathlib
    pathlib.Path(folder, name).write_text("ran")
    return name

@dsl.component(base_image="python:3.11", install_kfp_package=False)
def fail(folder: str) -> str:
    raise RuntimeError("no luck")

@dsl.pipeline(name="opinion")
def opinion(folder: str, first: bool, second: bool, broken: bool):
    last = mark(folder=folder, name="last")
    with dsl.ExitHandler(last, name="all"):
        outer = check(value=first)
        mark(folder=folder, name="beside")
        with dsl.If(outer.output == True):
            inner = check(value=second)
            taken = mark(folder=folder, name="outer")
            with dsl.If(inner.output == True):
                mark(folder=folder, name="inner").after(taken)
        with dsl.If(check(value=broken).output == True):
            bad = fail(folder=folder)
            mark(folder=folder, name="after-failure").after(bad)
"""
_IGNORED = "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning", "ignore::ResourceWarning"


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pipeline as a module of its own: kfp reads the source of components from files."""
    path = tmp_path_factory.mktemp("opinion") / "opinion_pipeline.py"
    path.write_text(PIPELINE, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def compiled(module: Path) -> Path:
    """The compiled pipeline."""
    import importlib.util  # noqa: PLC0415 - kfp is imported by the module, and only here

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from kfp import compiler  # noqa: PLC0415 - see above

        spec = importlib.util.spec_from_file_location("opinion_pipeline", module)
        assert spec is not None
        assert spec.loader is not None
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        path = module.with_suffix(".yaml")
        compiler.Compiler().compile(loaded.opinion, str(path))
    return path


def by_kfp(compiled: Path, folder: Path, values: dict[str, bool]) -> set[str]:
    """The marks that kfp's local runner leaves."""
    from kfp import components, local  # noqa: PLC0415 - takes a second

    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(folder / "root"), raise_on_error=False)
    components.load_component_from_file(str(compiled))(folder=str(folder), **values)
    return {path.name for path in folder.iterdir() if path.is_file()}


def by_us(compiled: Path, folder: Path, values: dict[str, bool], state: Path) -> set[str]:
    """The marks that our runtime leaves, with real processes."""
    import os  # noqa: PLC0415 - the path of the processes

    supervisor = Supervisor({**os.environ, "GCS_MOUNT": str(state / "gcs")})
    events: list[TaskEvent] = []
    executor = ContainerExecutor(supervisor, state, os.environ["PATH"])
    settings = Settings("projects/p/locations/l/pipelineJobs/j", "gs://b/r", executor, SystemClock(), events.append)
    spec = yaml.safe_load(compiled.read_text(encoding="utf-8"))
    try:
        Run(spec, settings).execute({"folder": str(folder), **values})
    finally:
        supervisor.stop_all()
    assert all(event.state != NOT_TRIGGERED or not event.outputs.parameters for event in events)
    return {path.name for path in folder.iterdir() if path.is_file()}


@pytest.mark.filterwarnings(*_IGNORED)
@pytest.mark.parametrize(
    ("first", "second", "broken", "wanted"),
    [
        (True, True, False, {"last", "beside", "outer", "inner"}),
        (True, False, False, {"last", "beside", "outer"}),
        (False, True, False, {"last", "beside"}),
    ],
)
def test_both_run_the_same_tasks(
    compiled: Path, tmp_path: Path, *, first: bool, second: bool, broken: bool, wanted: set[str]
) -> None:
    """Branches taken and not taken."""
    values = {"first": first, "second": second, "broken": broken}
    one, other = tmp_path / "kfp", tmp_path / "ours"
    one.mkdir()
    other.mkdir()
    assert by_us(compiled, other, values, tmp_path / "state") == wanted
    assert by_kfp(compiled, one, values) == wanted


def test_after_a_failure_ours_still_runs_the_exit_task(compiled: Path, tmp_path: Path) -> None:
    """What depends on the failed task does not run, the rest and the exit task do; kfp's runner gives up at once."""
    folder = tmp_path / "ours"
    folder.mkdir()
    values = {"first": True, "second": False, "broken": True}
    assert by_us(compiled, folder, values, tmp_path / "state") == {"last", "beside", "outer"}
