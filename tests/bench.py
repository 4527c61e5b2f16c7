"""`make bench`: how long the commands take and how much memory, and how good the example's model is.

Figures of one machine at one time: docs/performance.md says which, and what they are for. Nothing here fails a build.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
_LOOK_S = 0.25
_PAGE = 4096
_GB = 1 << 30


@dataclass(frozen=True, slots=True)
class Measured:
    """One command."""

    seconds: float
    gigabytes: float
    """Largest resident memory of it and all its children together."""


def measure(command: Sequence[str]) -> Measured:
    """Runs a command to its end, which must be a good one."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    peak = [0]
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(_LOOK_S):
            peak[0] = max(peak[0], resident(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    seconds = time.perf_counter() - start
    stop.set()
    watcher.join()
    if code:
        raise SystemExit(f"{' '.join(command)} ended with {code}")
    return Measured(seconds, peak[0] / _GB)


def resident(root: int) -> int:
    """Bytes of a process and all below it, as the kernel counts them now."""
    parents: dict[int, int] = {}
    sizes: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        parents[int(entry.name)], sizes[int(entry.name)] = int(fields[1]), int(fields[21]) * _PAGE
    return sum(size for process, size in sizes.items() if _is_below(process, root, parents))


def _is_below(process: int, root: int, parents: dict[int, int]) -> bool:
    while process and process != root:
        process = parents.get(process, 0)
    return process == root


def main() -> None:
    """Prints the figures."""
    python = sys.executable
    with tempfile.TemporaryDirectory() as folder:
        run = [python, "-m", "pipelines", "run-local", "--state", folder]
        for name in ("run-local, nothing cached", "run-local, unchanged"):
            found = measure(run)
            print(f"{name:<28} {found.seconds:7.1f} s   {found.gigabytes:.2f} GB", flush=True)
        compiled = f"{folder}/training.yaml"
        found = measure([python, "-m", "pipelines", "compile", "--output", compiled, "--quiet"])
        print(f"{'compile':<28} {found.seconds:7.2f} s")
        scenarios = sorted(str(path) for path in (ROOT / "tests" / "scenarios").glob("*.yaml"))
        found = measure([python, "-m", "emulator.runtime", "dry-run", "--pipeline", compiled, *scenarios])
        print(f"{'dry-run, all scenarios':<28} {found.seconds:7.2f} s")
        boards = sorted(Path(folder).glob("emulator/gcs/*/runs/*/evaluate/evaluation_result/scoreboard.json"))
        board = json.loads(boards[0].read_text(encoding="utf-8"))
        for result in board["results"]:
            if not result["slice"]:
                print(f"AUC-PR of {result['model']:<18} {result['metrics']['auc_pr']['value']:7.4f}")


if __name__ == "__main__":
    main()
