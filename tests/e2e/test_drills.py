"""The drills by the command that a user types: a fault is caught, and without its guard it is not."""

import subprocess
import sys
from pathlib import Path

from pipelines.code import ROOT
from tests.e2e.test_runs import environ


def drills(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What `make drill` runs."""
    command = [sys.executable, "-m", "drills", *arguments, "--state", str(state)]
    return subprocess.run(command, cwd=ROOT, env=environ(), capture_output=True, text=True, check=False, timeout=280)


def test_faults_are_caught_in_real_runs(tmp_path: Path) -> None:
    """One by the config, one by a step; each is told with what goes wrong."""
    done = drills(tmp_path, "leakage", "duplicated_day")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "caught  leakage" in done.stdout
    assert "caught  duplicated_day" in done.stdout
    assert "2 of 2 drills passed" in done.stdout


def test_without_its_guard_a_fault_is_not_caught(tmp_path: Path) -> None:
    """So the drill can fail, and what it proves is the guard's doing."""
    done = drills(tmp_path, "leakage", "--without-guard")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "missed  leakage" in done.stdout
    assert "1 of 1 drills fail without their guards" in done.stdout


def test_an_unknown_drill_is_told(tmp_path: Path) -> None:
    """With the names that there are."""
    done = drills(tmp_path, "leekage")
    assert done.returncode == 2
    assert "there is no drill leekage; there are no_better_than_today" in done.stderr
