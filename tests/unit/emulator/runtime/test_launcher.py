"""The launcher's clock: import statements count, each once, and what else a task does is its work."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]
_TASK = """
import sys, time, types
clock = sys.modules["clock"] = types.ModuleType("clock")
clock.now = 0
time.perf_counter = lambda: clock.now
sys.path.insert(0, sys.argv[1])
from emulator.runtime.launcher import timed

def task():
    import outer
    clock.now += 8
    try:
        import missing
    except ImportError:
        clock.now += 16

timed(task)
"""


def test_work_is_what_is_left_without_imports(tmp_path: Path) -> None:
    """24 s of work beside 7 s of imports; what a module imports counts once, and one that fails stops nothing."""
    (tmp_path / "outer.py").write_text("import clock\nclock.now += 2\nimport inner\n", encoding="utf-8")
    (tmp_path / "inner.py").write_text("import clock\nclock.now += 5\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", _TASK, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == {"work_s": 24, "imports_s": 7.0}
