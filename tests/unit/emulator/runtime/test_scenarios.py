"""Dry runs: every branch of the golden pipelines, and scenario files that are wrong."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from emulator.runtime.scenarios import ScenarioError, play, read

TESTS = Path(__file__).parents[3]


def golden(name: str) -> dict[str, Any]:
    """A compiled pipeline as it is committed."""
    found = yaml.load((TESTS / "golden" / f"{name}.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    assert isinstance(found, dict)
    return found


SPEC, EVALUATION = golden("training"), golden("evaluation")


@pytest.mark.parametrize("path", sorted((TESTS / "scenarios").rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_scenario_of_the_pipelines_goes_as_it_says(path: Path) -> None:
    """The set of tasks that ran, and how the job ended."""
    scenario = read(path)
    outcome = play(EVALUATION if path.parent.name == "evaluation" else SPEC, scenario)
    assert (outcome.state, outcome.ran) == (scenario.state, scenario.ran)


BASE = {"name": "x", "shows": "y", "tasks": {}, "ran": [], "state": "SUCCEEDED"}


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ({**BASE, "more": 1}, "wanted the keys"),
        ({**BASE, "tasks": {"train": {"sleeps": 1}}}, "known are outputs and fails"),
        ({**BASE, "tasks": {"trian": {"fails": "x"}}}, "speaks of"),
        ({**BASE, "ran": ["trian"]}, "speaks of"),
    ],
)
def test_a_wrong_scenario_is_refused(tmp_path: Path, content: dict[str, object], wanted: str) -> None:
    """A misspelt task or key cannot make a scenario pass."""
    path = tmp_path / "scenario.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ScenarioError, match=wanted):
        play(SPEC, read(path))


def test_an_unknown_output_is_refused(tmp_path: Path) -> None:
    """A scenario that sets an output that the task does not have fails the run, and says why."""
    path = tmp_path / "scenario.yaml"
    path.write_text(yaml.safe_dump({**BASE, "tasks": {"validate": {"outputs": {"passed": True}}}}), encoding="utf-8")
    assert "which has ['Output']" in play(SPEC, read(path)).error
