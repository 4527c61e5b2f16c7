"""The drills themselves: each can fail, and each speaks of the code and the config as they are."""

from pathlib import Path

import pytest
import yaml

from drills.base import base
from drills.catalogue import DRILLS
from drills.drill import Caught, Config, Drill, Edit
from drills.ground import Ended, edit, misses
from drills.page import table
from pipelines.code import ROOT
from plumbline.config import load_problem

NAMES = [drill.name for drill in DRILLS]


def test_the_names_tell_the_drills_apart() -> None:
    """`DRILL=` takes one."""
    assert len(set(NAMES)) == len(NAMES)


def test_the_page_has_every_drill() -> None:
    """docs/guards.md is written by `make generate`."""
    assert table() in (ROOT / "docs" / "guards.md").read_text(encoding="utf-8")


def written(tmp_path: Path, config: Config) -> Path:
    """A config in a folder with a query."""
    (tmp_path / "query.sql").write_text("SELECT 1 FROM {departures}", encoding="utf-8")
    config["data"]["query"], config["data"]["tables"] = "query.sql", ["departures"]
    path = tmp_path / "problem.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return path


def test_the_sound_run_has_a_sound_config(tmp_path: Path) -> None:
    """What a drill spoils is right before."""
    load_problem(written(tmp_path, base()))


@pytest.mark.parametrize("drill", [d for d in DRILLS if d.caught.outcome != "refused"], ids=lambda drill: drill.name)
def test_a_fault_that_a_step_is_to_catch_gets_past_the_config(drill: Drill, tmp_path: Path) -> None:
    """Otherwise another guard than the one that is meant would be tried."""
    config = base()
    drill.fault.config(config)
    load_problem(written(tmp_path, config))


@pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.name)
def test_taking_the_guard_away_changes_something(drill: Drill) -> None:
    """A config that is another, or code whose places are all there."""
    with_guard, without = base(), base()
    drill.fault.config(with_guard)
    drill.fault.config(without)
    drill.without.config(without)
    assert drill.without.code or with_guard != without


@pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.name)
def test_every_edit_finds_its_place(drill: Drill) -> None:
    """Once, in the code as it is."""
    for one in (*drill.fault.code, *drill.fault.then, *drill.without.code):
        assert (ROOT / one.file).read_text(encoding="utf-8").count(one.old) == 1, one


def test_an_edit_that_does_not_find_its_place_is_an_error(tmp_path: Path) -> None:
    """A drill whose fault is not there would prove nothing."""
    (tmp_path / "code.py").write_text("a = 1\na = 1\n", encoding="utf-8")
    with pytest.raises(ValueError, match="2 times, wanted once"):
        edit(tmp_path, (Edit("code.py", "a = 1", "a = 2"),))


@pytest.mark.parametrize(
    ("ended", "missed"),
    [
        (Ended(3, "BLOCKED at validate: duplicate keys", "<p>page</p>"), []),
        (Ended(0, "BLOCKED at validate: duplicate keys", "<p>page</p>"), ["exit status 0, wanted blocked"]),
        (Ended(3, "BLOCKED at evaluate: duplicate keys", "<p>page</p>"), ["it does not say 'at validate'"]),
        (Ended(3, "train running, BLOCKED at validate", "<p>page</p>"), ["it says 'train running'"]),
        (Ended(3, "BLOCKED at validate", ""), ["the report does not say 'page'"]),
    ],
)
def test_a_fault_is_caught_only_as_it_should_be(ended: Ended, missed: list[str]) -> None:
    """Outcome, words, silence and report, each on its own."""
    wanted = Caught("blocked", ("at validate",), report=("page",), silent=("train running",))
    assert misses(wanted, ended) == missed
