"""The start of BigQuery's process."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.bigquery import BigQuery, start_bigquery
from emulator.errors import StartError
from emulator.ports import HOST
from emulator.processes import Command, Supervisor
from emulator.state import State


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    """A supervisor, which ends what a test leaves."""
    made = Supervisor(os.environ)
    yield made
    made.stop_all(grace_s=0.1)


def running(supervisor: Supervisor, folder: Path, script: str) -> BigQuery:
    """Something else in the place of the process."""
    return BigQuery(supervisor.start(Command(("sh", "-c", script), {}, folder, folder / "log")), 1, 1)


def test_a_process_that_ends_is_an_error(supervisor: Supervisor, tmp_path: Path) -> None:
    """While it is waited for and later; with its exit status and its last words."""
    bigquery = running(supervisor, tmp_path, "echo no room; exit 7")
    with pytest.raises(StartError, match=r"exit status 7; its log is .*/log, and ends with:\nno room"):
        bigquery.wait_until_ready(lambda: False)
    with pytest.raises(StartError, match="exit status 7"):
        bigquery.check()


def test_waiting_can_be_called_off(supervisor: Supervisor, tmp_path: Path) -> None:
    """It returns at once, ready or not."""
    running(supervisor, tmp_path, "sleep 60").wait_until_ready(lambda: True)


def test_the_process_is_told_where_everything_is(supervisor: Supervisor, tmp_path: Path) -> None:
    """A port that is taken ends it, and its log says so."""
    state = State(tmp_path)
    state.bigquery.mkdir()
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        bigquery = start_bigquery(supervisor, state, project="p", port=port, storage_port=0)
        with pytest.raises(StartError, match="bigquery.log"):
            bigquery.wait_until_ready(lambda: False)
    assert "address already in use" in (state.logs / "bigquery.log").read_text()
    assert (state.bigquery / "bqemulator.duckdb").exists()
