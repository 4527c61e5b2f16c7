"""An emulator whose clock is set forward: what waits for a moment need not be waited for."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.contract.conftest import Emulator, start_emulator, stop_emulator

START = "2013-03-01T00:00:00Z"


@pytest.fixture(scope="module")
def early(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator in March 2013."""
    emulator = start_emulator(tmp_path_factory.mktemp("early") / "state", "--clock", START)
    yield emulator
    stop_emulator(emulator.process)


def clock(emulator: Emulator, now: str | None = None) -> requests.Response:
    """What the clock says, after it was set if so asked."""
    url = f"{emulator.endpoints.aiplatform}/emulator/clock"
    return requests.get(url, timeout=10) if now is None else requests.put(url, json={"now": now}, timeout=10)


def test_the_clock_is_set_forward_and_kept_through_a_kill(tmp_path: Path) -> None:
    """A killed emulator goes on at the time at which it was."""
    first = start_emulator(tmp_path / "state", "--clock", START)
    assert clock(first).json()["now"].startswith("2013-03-01T00:00:")
    assert clock(first, "2013-07-04T12:00:00+00:00").json()["now"].startswith("2013-07-04T12:00:")
    first.process.kill()
    first.process.wait()
    second = start_emulator(tmp_path / "state", "--clock", START)
    try:
        now = dt.datetime.fromisoformat(clock(second).json()["now"])
        assert dt.timedelta() <= now - dt.datetime(2013, 7, 4, 12, tzinfo=dt.UTC) < dt.timedelta(minutes=5)
    finally:
        stop_emulator(second.process)


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"now": "2013-02-01T00:00:00Z"}, 409, "cannot be set back to 2013-02-01"),
        ({"now": "2013-04-01T00:00:00"}, 400, "timezone"),
        ({"now": "soon"}, 400, "now"),
        ({}, 400, "now"),
    ],
)
def test_a_moment_that_is_none_changes_nothing(early: Emulator, body: dict[str, str], status: int, text: str) -> None:
    """It is refused, with what is wrong."""
    answer = requests.put(f"{early.endpoints.aiplatform}/emulator/clock", json=body, timeout=10)
    assert answer.status_code == status
    assert text in answer.json()["error"]["message"]
    assert clock(early).json()["now"].startswith("2013-03-01T00:")


def test_the_machine_s_clock_is_not_set(emulator: Emulator) -> None:
    """An emulator of every day says how to have one that is."""
    answer = clock(emulator, "2099-01-01T00:00:00Z")
    assert answer.status_code == 409
    assert "--clock" in answer.json()["error"]["message"]
