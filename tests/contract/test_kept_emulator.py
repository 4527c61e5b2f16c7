"""The emulator between commands: kept for the next one, replaced by changed code, and never ended under anybody."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from emulator.aiplatform.ports import free_ports
from pipelines import local
from plumbline.config import load_environment
from plumbline.environment import Endpoints, Environment
from plumbline.errors import ServiceError
from tests.waiting import soon

ROOT = Path(__file__).parents[2]
_DEADLINE_S = 30.0
# That is the point of it.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


@pytest.fixture
def environment() -> Iterator[Environment]:
    """An environment with endpoints on free ports, where no emulator was left up."""
    first, second, third, fourth = free_ports(4)
    endpoints = Endpoints(
        aiplatform=f"http://127.0.0.1:{first}",
        bigquery=f"http://127.0.0.1:{second}",
        bigquery_storage=f"127.0.0.1:{third}",
        storage=f"http://127.0.0.1:{fourth}",
    )
    yield replace(load_environment(ROOT / "configs" / "env" / "local.yaml"), endpoints=endpoints)
    local._note(endpoints).unlink(missing_ok=True)


def command(environment: Environment, state: Path, *, keep_s: int) -> int:
    """What a command does with the emulator; the process that it finds."""
    with local.emulator(environment, state, keep_s=keep_s) as ready:
        ready()
        return pid(state)


def pid(state: Path) -> int:
    """The process of the emulator on a state folder; 0 where none is up."""
    endpoints = state / "endpoints.json"
    return int(json.loads(endpoints.read_text(encoding="utf-8"))["pid"]) if endpoints.is_file() else 0


def test_the_next_command_finds_it_up_unless_its_code_has_changed(environment: Environment, tmp_path: Path) -> None:
    """The same process for the same code, another one for other code, none after `stop`."""
    state = tmp_path / "state"
    first = command(environment, state, keep_s=600)
    assert command(environment, state, keep_s=600) == first
    started = state / "started.json"
    started.write_text(started.read_text(encoding="utf-8").replace('"code": "', '"code": "0'), encoding="utf-8")
    second = command(environment, state, keep_s=600)
    assert second not in (0, first)
    assert local.stop(state)
    assert not pid(state)
    assert not local.stop(state)


def test_it_is_not_replaced_under_another_command(environment: Environment, tmp_path: Path) -> None:
    """While a command uses it, a second one with changed code takes it as it is."""
    state = tmp_path / "state"
    with local.emulator(environment, state, keep_s=0) as ready:
        ready()
        first = pid(state)
        (state / "started.json").write_text("other code", encoding="utf-8")
        assert command(environment, state, keep_s=600) == first
    assert not pid(state)


def test_it_ends_by_itself_when_nobody_uses_it(environment: Environment, tmp_path: Path) -> None:
    """Not while a command goes on, however long, and soon afterwards."""
    state = tmp_path / "state"
    with local.emulator(environment, state, keep_s=1) as ready:
        ready()
        first = pid(state)
        time.sleep(2.5)
        assert pid(state) == first
    assert soon(lambda: not pid(state), within_s=_DEADLINE_S)


def test_another_copy_of_the_repository_gets_the_endpoints(environment: Environment, tmp_path: Path) -> None:
    """One that was only left up makes room; one that a command uses is named, and stays."""
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    command(environment, theirs, keep_s=600)
    with local.emulator(environment, mine, keep_s=600) as ready:
        ready()
        assert not pid(theirs)
        with pytest.raises(ServiceError, match=rf"using the emulator.*{mine}.*wait for it"):
            command(environment, theirs, keep_s=600)
        assert pid(mine)
    assert local.stop(mine)
