"""How long a task waits for its first line, in a warm interpreter and in a new one.

A task's own imports count, since they are what a new interpreter spends its time on.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from emulator.processes import Command, Supervisor
from emulator.runtime import warm

ROOT = Path(__file__).parents[2]
_TASKS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "a task with Google's clients": (
        "import kfp.dsl.executor_main, google.cloud.bigquery, google.cloud.aiplatform_v1, pyarrow.parquet",
        {"_KFP_RUNTIME": "true"},
    ),
    "a process with TensorFlow": ("import tensorflow, tf_keras, pyarrow.parquet", {"TF_USE_LEGACY_KERAS": "1"}),
}
"""What each imports, and its variables."""
_TIMES = 3


def measure() -> Sequence[tuple[str, str, str]]:
    """What was measured, what was wanted and what was found: seconds from the start to the line after the imports."""
    with tempfile.TemporaryDirectory() as name:
        return [_compared(Path(name), what, *task) for what, task in _TASKS.items()]


def _compared(folder: Path, what: str, imports: str, variables: Mapping[str, str]) -> tuple[str, str, str]:
    (folder / "task.py").write_text(f"{imports}\nimport time\nprint(time.time())\n", encoding="utf-8")
    (folder / "logs").mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**kept, "PATH": path, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    supervisor = Supervisor(environment, owner=str(folder), warm=warm.folder(folder))
    try:
        new = min(_start(supervisor, folder, variables) for _ in range(_TIMES))
        with warm.kept(supervisor, folder, environment):
            _start(supervisor, folder, variables)
            found = statistics.median(_start(supervisor, folder, variables) for _ in range(2 * _TIMES))
    finally:
        supervisor.stop_all(1.0)
    return f"{what}: start to first line", "", f"{found:.2f} s; {new:.2f} s, {new / found:.0f} times, when not warm"


def _start(supervisor: Supervisor, folder: Path, variables: Mapping[str, str]) -> float:
    log = folder / "log"
    log.unlink(missing_ok=True)
    started = time.time()
    process = supervisor.start(Command(("python", "-m", "task"), variables, folder, log))
    if code := process.wait():
        raise SystemExit(f"a task ended with {code}: {process.tail(9)}")
    return float(process.tail(1)) - started
