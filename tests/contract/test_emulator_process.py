"""The emulator as a process: how it starts, how it ends, and what is left of it then."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emulator.endpoints import Endpoints
from tests.contract.conftest import Emulator, start_emulator, stop_emulator
from tests.waiting import alive, soon

_SOON_S = 20.0


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Emulator]]:
    """Starts an emulator on the test's folder; whatever the test leaves is killed."""
    started: list[Emulator] = []

    def start_one() -> Emulator:
        started.append(start_emulator(tmp_path / "state"))
        return started[-1]

    yield start_one
    for each in started:
        each.process.kill()
        each.process.wait()


def test_a_clean_stop_leaves_nothing(start: Callable[[], Emulator]) -> None:
    """No process, no port and no endpoints, on SIGTERM as on SIGINT, also while a client holds a connection."""
    started = start()
    children = children_of(started.process.pid)
    assert json.loads((started.state / "endpoints.json").read_text())["pid"] == started.process.pid
    assert children
    with socket.create_connection(("127.0.0.1", port_of(started.endpoints.storage))):
        started.process.send_signal(signal.SIGTERM)
        assert started.process.wait(_SOON_S) == 0
    assert not any(map(alive, children))
    assert not (started.state / "endpoints.json").exists()
    assert listening(started.endpoints) == []


def test_tables_and_objects_survive_a_kill(start: Callable[[], Emulator]) -> None:
    """SIGKILL takes the children along, and the next one on the folder starts with what was there."""
    started = start()
    with started.storage() as storage, started.bigquery() as bigquery:
        storage.create_bucket("kept").blob("a/b").upload_from_string("content")
        bigquery.create_dataset("kept")
        bigquery.query("CREATE TABLE kept.numbers AS SELECT x FROM UNNEST(GENERATE_ARRAY(1, 1000)) AS x").result()
    children = children_of(started.process.pid)
    started.process.kill()
    started.process.wait()
    assert soon(lambda: not any(map(alive, children)), within_s=_SOON_S)

    again = start()
    with again.storage() as storage, again.bigquery() as bigquery:
        assert storage.bucket("kept").blob("a/b").download_as_bytes() == b"content"
        assert [tuple(row) for row in bigquery.query("SELECT COUNT(*), SUM(x) FROM kept.numbers").result()] == [
            (1000, 500500)
        ]
    assert stop_emulator(again.process) == 0


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    """Exit status 2, one line: which port, who wanted it, what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        failed = run("--state", str(tmp_path), "--storage-port", str(port))
    assert failed.returncode == 2
    assert failed.stderr.count("\n") == 1
    assert f"port {port} is taken, and the storage service wants it" in failed.stderr
    assert "--storage-port" in failed.stderr


def test_a_state_folder_in_use_is_told(emulator: Emulator) -> None:
    """Exit status 2, and the first emulator goes on."""
    failed = run("--state", str(emulator.state))
    assert failed.returncode == 2
    assert f"already runs on the state folder {emulator.state} (process {emulator.process.pid})" in failed.stderr
    assert (emulator.state / "endpoints.json").exists()


def test_the_end_of_bigquery_ends_the_emulator(start: Callable[[], Emulator], tmp_path: Path) -> None:
    """Exit status 1 and a message, rather than a service that is half there."""
    started = start()
    (bigquery,) = [pid for pid in children_of(started.process.pid) if "bigquery_server" in command_of(pid)]
    os.kill(bigquery, signal.SIGKILL)
    assert started.process.wait(_SOON_S) == 1
    assert "the BigQuery emulator ended with exit status -9" in (tmp_path / "state.log").read_text()
    assert not (started.state / "endpoints.json").exists()


_PARENT = """
import subprocess, sys
process = subprocess.Popen([sys.executable, "-m", "emulator", "--exit-with-parent", "--state", sys.argv[1]])
print(process.pid, flush=True)
process.wait()
"""


def test_it_ends_with_its_parent_if_that_is_asked_for(tmp_path: Path) -> None:
    """A clean stop, also when the parent was killed."""
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert soon((tmp_path / "endpoints.json").exists, within_s=_SOON_S)
        parent.kill()
    assert soon(lambda: not alive(pid), within_s=_SOON_S)
    assert not (tmp_path / "endpoints.json").exists()


def run(*options: str) -> subprocess.CompletedProcess[str]:
    """An emulator that is not expected to come up."""
    argv = [sys.executable, "-m", "emulator", *options]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def children_of(pid: int) -> list[int]:
    """The processes that a process started, from any of its threads."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def command_of(pid: int) -> str:
    """The command line of a process."""
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def port_of(address: str) -> int:
    """The port of an address."""
    return int(address.rpartition(":")[2])


def listening(endpoints: Endpoints) -> list[int]:
    """Those of the ports on which somebody answers."""
    ports = [port_of(getattr(endpoints, name)) for name in Endpoints.__slots__]
    return [port for port in ports if answers(port)]


def answers(port: int) -> bool:
    """Whether somebody listens on a port."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
