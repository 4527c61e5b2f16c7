"""Six weeks of the year, from the first model to the training that an alert calls for, with everything real."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.test_runs import ROOT, environ, laptop

_TOGETHER_S = 900
_ALERTS = re.compile(r"(\d+) alert\(s\)")


@pytest.mark.timeout(_TOGETHER_S)
def test_six_weeks_of_a_model(tmp_path: Path) -> None:
    """It ships, is asked and judged; spring drifts away from winter, which is told; and a new training is started."""
    place = laptop(tmp_path)
    command = place.command("simulate", "--periods", "3", "--a-day", "40")
    ended = subprocess.run(
        command, cwd=ROOT, env=environ(), capture_output=True, text=True, check=False, timeout=_TOGETHER_S
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(r"training flights-first-\w+: shipped", ended.stdout)
    periods = [line for line in ended.stdout.splitlines() if re.match(r"\d\d \w{3} to \d\d \w{3}: ", line)]
    assert len(periods) == 3
    assert all(int(found[1]) for line in periods[1:] if (found := _ALERTS.search(line)))
    assert "although" in periods[1], "an alert within the cool-down trains nothing"
    assert "cool-down until" in periods[1]
    assert "; train: " in periods[2]
    assert re.search(r"training flights-2013\d+-\w+: (shipped|blocked)", ended.stdout)
    page = (tmp_path / "simulation" / "year.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 3
    assert ">temperature</text>" in page
    year = json.loads((tmp_path / "simulation" / "year.json").read_text(encoding="utf-8"))
    asked, matched = (sum(chapter[what] for chapter in year["chapters"]) for what in ("asked", "matched"))
    assert asked > 1000
    # A flight near the end of a period is asked about in it and departs in the next.
    assert matched > 0.9 * asked
