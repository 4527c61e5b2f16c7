"""How long the commands take on a laptop, how much memory, and how good the example's model is."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from plumbline.runs import STEPS

ROOT = Path(__file__).parents[2]
_LOOK_S = 1.0
_GB = 1 << 20
"""In kB, as the kernel counts."""
_GATE = "- {metric: auc_pr, minimum: 0.2,"
_BESIDE = "baseline"
"""The step that runs beside another one, and is over before it."""
_COMPILE = """
import time
from kfp import compiler, dsl
start = time.perf_counter()
from pipelines.compiled import compile_training
compile_training()
print(time.perf_counter() - start)
"""
Row = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Measured:
    """One command."""

    seconds: float
    gigabytes: float
    """Largest memory of it and all its children together, what they share counted once."""
    said: str


def measure() -> Iterator[Row]:
    """What was measured, what was wanted and what was found."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "configs", folder / "configs")
        config = folder / "configs" / "flights.yaml"
        command = [*pipelines("run-local"), "--config", str(config), "--state", name]
        try:
            yield from _runs(command, config, folder)
        finally:
            run([*pipelines("stop"), "--state", name])
        yield from _graph(folder)


def _runs(command: Sequence[str], config: Path, folder: Path) -> Iterator[Row]:
    cold = run(command)
    yield "run-local, nothing cached", "at most 100 s", f"{cold.seconds:.1f} s, {cold.gigabytes:.1f} GB"
    idle = 1 - sum(_work(folder).values()) / cold.seconds
    yield "of which not the work of a step", "at most 10 %", f"{idle:.0%}"
    unchanged = run(command)
    yield "run-local, nothing changed", "at most 5 s", f"{unchanged.seconds:.1f} s"
    text = config.read_text(encoding="utf-8")
    if _GATE not in text:
        raise SystemExit(f"the example has no gate {_GATE!r} any more")
    config.write_text(text.replace(_GATE, _GATE.replace("0.2", "0.19")), encoding="utf-8")
    gate = run(command)
    again = ", ".join(re.findall(r"^  (\w+) +done", gate.said, re.MULTILINE))
    yield "run-local, one gate changed", "at most 15 s", f"{gate.seconds:.1f} s; what ran: {again}"
    board = json.loads(
        next(folder.glob("emulator/gcs/*/runs/*/evaluate/evaluation_result/scoreboard.json")).read_text()
    )
    for result in board["results"]:
        if not result["slice"]:
            yield f"AUC-PR of {result['model']}", "", f"{result['metrics']['auc_pr']['value']:.4f}"


def _work(folder: Path) -> Mapping[str, float]:
    """The seconds that each step of the only run so far was at its work: without start, imports and waiting."""
    found = {}
    for log in (folder / "emulator" / "logs").glob("task-*.log"):
        step = next(name for name in STEPS if log.stem.endswith(f"-{name}-0"))
        last = log.read_text(encoding="utf-8").splitlines()[-1]
        found[step] = float(json.loads(last)["work_s"])
    # The step waits for its job, which says itself how long it worked.
    history = next(folder.glob("emulator/gcs/*/runs/*/train/history"))
    found["train"] = float(json.loads(history.read_text(encoding="utf-8"))["seconds"])
    return {step: seconds for step, seconds in found.items() if step != _BESIDE}


def _graph(folder: Path) -> Iterator[Row]:
    compiled = str(folder / "training.yaml")
    seconds = float(subprocess.run([sys.executable, "-c", _COMPILE], cwd=ROOT, check=True, capture_output=True).stdout)
    yield "compiling, beyond the import of kfp", "at most 0.1 s", f"{seconds:.2f} s"
    run([*pipelines("compile"), "--output", compiled, "--quiet"])
    scenarios = sorted(str(path) for path in (ROOT / "tests" / "scenarios").glob("*.yaml"))
    found = run([sys.executable, "-m", "emulator.runtime", "dry-run", "--pipeline", compiled, *scenarios])
    yield "dry-run, all scenarios", "at most 2 s", f"{found.seconds:.2f} s"


def pipelines(command: str) -> list[str]:
    """A command of the command line."""
    return [sys.executable, "-m", "pipelines", command]


def run(command: Sequence[str]) -> Measured:
    """Runs a command to its end, which must be a good one."""
    environ = {**os.environ, "EMULATOR_TIMES": "yes"}
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environ)
    peak = [0]
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(_LOOK_S):
            peak[0] = max(peak[0], memory(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    said, _ = process.communicate()
    seconds = time.perf_counter() - start
    stop.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{said}")
    return Measured(seconds, peak[0] / _GB, said)


def memory(root: int) -> int:
    """Memory (kB) of a process and all below it, each with its part of what it shares with others (PSS)."""
    parents, sizes = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1]
            rollup = (entry / "smaps_rollup").read_text(encoding="utf-8")
        except OSError:
            continue  # it has just ended
        parents[int(entry.name)] = int(parent)
        sizes[int(entry.name)] = int((re.findall(r"^Pss: +(\d+) kB", rollup, re.MULTILINE) or ["0"])[0])
    return sum(size for process, size in sizes.items() if _is_below(process, root, parents))


def _is_below(process: int, root: int, parents: Mapping[int, int]) -> bool:
    while process and process != root:
        process = parents.get(process, 0)
    return process == root
