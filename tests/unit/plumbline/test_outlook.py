"""What is told of a run before anything is made."""

import dataclasses
import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import pytest

from plumbline.champion import Champion
from plumbline.config import load_problem
from plumbline.cost import Facts, Machines
from plumbline.environment import Schedule
from plumbline.inventory import Deployed, Table, Version
from plumbline.lineage import Snapshot
from plumbline.outlook import Outlook, facts, lines, serves
from plumbline.reuse import USES, Past
from plumbline.runs import Run, Step
from plumbline.section import to_json

CONFIG = load_problem(Path(__file__).parents[3] / "configs" / "flights.yaml").config
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
CHAMPION = Champion(version="models/flights@3", artifact_uri="gs://b/m")
FRESH = Outlook(
    sources=[Table("p.d.flights", START, 2000, rows=10)],
    features_bytes=0,
    table_bytes=0,
    snapshot=Snapshot(source_version="s", champion=Champion(), lineage="l2"),
    past=[],
    running=[],
    versions=[],
    has_endpoint=False,
    serving=None,
    monitor="",
    cron="",
)
SERVING = Deployed(
    endpoint="projects/p/locations/l/endpoints/flights",
    deployed_id="1",
    version="models/flights@3",
    traffic=100,
    machines=Machines("n1-standard-2"),
    minimum=1,
    maximum=3,
    labels={},
)
THIRD = Version(
    "models/flights@3", ("champion", "default"), is_deployed=True, artifact_uri="", labels={"lineage": "l1"}
)
GIVEN = {name: name for uses in USES.values() for name in uses.parameters} | {"code": "c"}
STEPS = {name: Step(name, "SUCCEEDED", START, START + dt.timedelta(seconds=9)) for name in USES}
PAST = Past(
    Run("projects/p/locations/l/pipelineJobs/flights-1", "SUCCEEDED", "", START, STEPS),
    {**GIVEN, "source_version": "s", "champion": to_json(CHAMPION)},
)
LIVE = dataclasses.replace(
    FRESH,
    snapshot=Snapshot(source_version="s", champion=CHAMPION, lineage="l1"),
    past=[PAST],
    versions=[THIRD],
    has_endpoint=True,
    serving=SERVING,
    monitor="projects/p/locations/l/modelDeploymentMonitoringJobs/8",
)


def told(
    found: Outlook, *, schedule: Schedule | None = None, emulated: bool = False, given: Mapping[str, str] = GIVEN
) -> str:
    """The lines, joined."""
    return "\n".join(lines(found, CONFIG, facts(found, CONFIG, given), schedule=schedule, emulated=emulated))


def test_before_the_first_run_everything_is_new() -> None:
    """Nothing is cached, the first version will be 1, and endpoint and monitoring are made."""
    text = told(FRESH)
    for wanted in (
        "p.d.flights: 10 rows, 2,000 bytes",
        "no run before this one: every step runs, and times are assumed",
        "no champion yet",
        "a model that passes its gates becomes version 1",
        "flights: new, 1 to 3 x n1-standard-2",
        "monitoring  new job on the endpoint",
        "schedule    none",
    ):
        assert wanted in text


def test_an_emulator_s_bytes_are_called_so() -> None:
    """It always says 0, which would look like a free query."""
    assert "reads 0 bytes (an emulator's answer), at most 1,000,000,000" in told(FRESH, emulated=True)
    assert "emulator" not in told(FRESH)


def test_an_unchanged_run_reuses_everything_and_rolls_nothing_out() -> None:
    """The version that serves has the lineage that this run would give."""
    text = told(LIVE)
    cached = "ingest, validate, baseline, signal, prototype, tune, train, evaluate, explain, card"
    assert f"from the cache: {cached}\n" in text
    assert "to be run: snapshot, register, deploy, monitor, report\n" in text
    assert "nothing has changed since: the model will be the same" in text
    assert "champion: version 3" in text
    assert "unchanged: 1 to 3 x n1-standard-2" in text
    assert "8: brought up to date" in text
    known = facts(LIVE, CONFIG, GIVEN)
    assert known == Facts(0, 0, frozenset(USES), rolls_out=False, seconds=dict.fromkeys(USES, 9.0))


def test_new_data_make_a_new_version() -> None:
    """Another lineage: every step runs, the next number is told, and it has to be rolled out."""
    changed = dataclasses.replace(LIVE, snapshot=Snapshot(source_version="s2", champion=CHAMPION, lineage="l2"))
    text = told(changed)
    assert "from the cache: none" in text
    assert "a model that passes its gates becomes version 4" in text
    assert facts(changed, CONFIG, GIVEN).rolls_out


@pytest.mark.parametrize(
    ("serving", "wanted", "same"),
    [
        (dataclasses.replace(SERVING, maximum=9), "rescaled: 1 to 9 x n1-standard-2 becomes 1 to 3", True),
        (
            dataclasses.replace(SERVING, machines=Machines("n1-standard-4", "NVIDIA_TESLA_T4", 1)),
            "deployed anew on other machines: 1 to 3 x n1-standard-4 with 1 NVIDIA_TESLA_T4 becomes 1 to 3",
            False,
        ),
        (None, "flights: there, nothing serves; then 1 to 3 x n1-standard-2", False),
    ],
)
def test_what_becomes_of_the_replicas_is_told(serving: Deployed | None, wanted: str, same: bool) -> None:
    """Other counts are a rescaling, other machines another deployment, which costs a roll-out."""
    found = dataclasses.replace(LIVE, serving=serving)
    assert wanted in told(found)
    assert serves(found, CONFIG.serving) is same


def test_a_run_that_is_under_way_is_named() -> None:
    """Since a problem has one run at a time."""
    assert "flights-2 is under way" in told(dataclasses.replace(FRESH, running=["flights-2"]))


@pytest.mark.parametrize(
    ("cron", "schedule", "wanted"),
    [
        ("", Schedule(cron="0 6 * * 1"), "0 6 * * 1 in UTC: not made yet, `make schedule` makes it"),
        ("TZ=UTC 0 6 * * 1", Schedule(cron="0 6 * * 1"), "TZ=UTC 0 6 * * 1: submits the code and config of its last"),
        ("TZ=UTC 0 6 * * 1", None, "TZ=UTC 0 6 * * 1, though the config has none"),
    ],
)
def test_the_schedule_is_told(cron: str, schedule: Schedule | None, wanted: str) -> None:
    """There, to be made, or there though nobody asks for it."""
    assert wanted in told(dataclasses.replace(FRESH, cron=cron), schedule=schedule)
