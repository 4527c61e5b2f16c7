"""Child processes: started, watched, stopped, and never left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emulator.processes import Command, Process, StoppingError, Supervisor
from tests.waiting import alive, soon

_SOON_S = 10.0


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    """A supervisor, which ends what a test leaves."""
    made = Supervisor({"PATH": os.environ["PATH"], "SHARED": "of the supervisor", "OWN": "of the supervisor"})
    yield made
    made.stop_all(grace_s=0.1)


@pytest.fixture
def shell(supervisor: Supervisor, tmp_path: Path) -> Callable[[str], Process]:
    """Starts a shell script."""

    def start(script: str) -> Process:
        argv = ("sh", "-c", script)
        return supervisor.start(Command(argv, {"OWN": "of the command"}, tmp_path, tmp_path / "logs" / "log"))

    return start


def number_in(path: Path) -> int:
    """The number that a process writes into a file."""
    assert soon(lambda: path.exists() and path.read_text().endswith("\n"), within_s=_SOON_S)
    return int(path.read_text())


def test_the_exit_code_is_given(shell: Callable[[str], Process]) -> None:
    """By wait and, after that, by poll."""
    process = shell("exit 3")
    assert process.wait(_SOON_S) == 3
    assert process.poll() == 3


def test_a_signal_is_a_negative_exit_code(shell: Callable[[str], Process]) -> None:
    """As subprocess has it."""
    assert shell("kill -KILL $$").wait(_SOON_S) == -9


def test_waiting_gives_up_after_the_timeout(shell: Callable[[str], Process]) -> None:
    """The process runs on, and poll says so."""
    process = shell("sleep 60")
    with pytest.raises(TimeoutError, match="still runs"):
        process.wait(0.01)
    assert process.poll() is None


def test_the_command_overrides_the_environment(shell: Callable[[str], Process], tmp_path: Path) -> None:
    """Variables of the supervisor, with those of the command on top; nothing else is inherited."""
    os.environ["NOT_FOR_CHILDREN"] = "x"
    shell('echo "$SHARED|$OWN|$NOT_FOR_CHILDREN|$PWD"').wait(_SOON_S)
    del os.environ["NOT_FOR_CHILDREN"]
    assert (tmp_path / "logs" / "log").read_text() == f"of the supervisor|of the command||{tmp_path}\n"


def test_the_tail_is_the_last_lines_of_both_outputs(shell: Callable[[str], Process]) -> None:
    """Bytes that are no text do not get in the way."""
    process = shell(r"for i in 1 2 3; do echo $i; done; printf '\377\n' >&2; echo end")
    process.wait(_SOON_S)
    assert process.tail(3) == "3\n\ufffd\nend"
    assert process.tail(0) == ""


def test_a_program_that_is_not_there_is_an_error(supervisor: Supervisor, tmp_path: Path) -> None:
    """At the start, and with its name."""
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        supervisor.start(Command(("no-such-program",), {}, tmp_path, tmp_path / "log"))


def test_stop_lets_a_process_end_in_its_own_way(shell: Callable[[str], Process], tmp_path: Path) -> None:
    """SIGTERM first."""
    process = shell(f"trap 'echo bye; exit 5' TERM; echo $$ > {tmp_path}/up; while :; do sleep 0.01; done")
    number_in(tmp_path / "up")
    assert process.stop(_SOON_S) == 5
    assert process.tail(1) == "bye"


def test_stop_kills_what_does_not_end(shell: Callable[[str], Process], tmp_path: Path) -> None:
    """SIGKILL after the grace."""
    process = shell(f"trap '' TERM; echo $$ > {tmp_path}/up; while :; do sleep 0.01; done")
    number_in(tmp_path / "up")
    started = time.monotonic()
    assert process.stop(0.2) == -signal.SIGKILL
    assert time.monotonic() - started >= 0.2


def test_stopping_twice_gives_the_same_code(shell: Callable[[str], Process]) -> None:
    """And hits no other process that got the number."""
    process = shell("sleep 60")
    assert process.stop() == -signal.SIGTERM
    assert process.stop() == -signal.SIGTERM


def test_what_a_process_started_ends_with_it(shell: Callable[[str], Process], tmp_path: Path) -> None:
    """Also at a regular end, as in a container."""
    process = shell(f"sleep 60 & echo $! > {tmp_path}/grandchild; exit 0")
    grandchild = number_in(tmp_path / "grandchild")
    assert process.wait(_SOON_S) == 0
    assert soon(lambda: not alive(grandchild), within_s=_SOON_S)


def test_a_process_outlives_the_thread_that_started_it(shell: Callable[[str], Process]) -> None:
    """Runs start tasks from threads of a pool."""
    started: list[Process] = []
    thread = threading.Thread(target=lambda: started.append(shell("sleep 60")))
    thread.start()
    thread.join()
    with pytest.raises(TimeoutError):
        started[0].wait(0.1)


def test_stop_all_ends_everything(shell: Callable[[str], Process], supervisor: Supervisor, tmp_path: Path) -> None:
    """All at once, those that ignore SIGTERM, and those that left their process group; nothing starts after."""
    stubborn = [shell(f"trap '' TERM; echo $$ > {tmp_path}/{n}; while :; do sleep 0.01; done") for n in range(3)]
    shell(f"setsid sh -c 'echo $$ > {tmp_path}/escaped; exec sleep 60' & sleep 60")
    escaped = number_in(tmp_path / "escaped")
    for number in range(3):
        number_in(tmp_path / str(number))
    started = time.monotonic()
    supervisor.stop_all(grace_s=0.3)
    assert time.monotonic() - started < 0.9
    assert [process.poll() for process in stubborn] == [-signal.SIGKILL] * 3
    assert not alive(escaped)
    with pytest.raises(StoppingError):
        shell("true")


def test_stopping_ends_nobody_elses_children(shell: Callable[[str], Process], tmp_path: Path) -> None:
    """Two supervisors do not know each other."""
    process = shell("sleep 60")
    other = Supervisor({"PATH": os.environ["PATH"]})
    other.start(Command(("sleep", "60"), {}, tmp_path, tmp_path / "other.log"))
    other.stop_all(grace_s=1.0)
    assert process.poll() is None


_PARENT = """
import sys, time
from pathlib import Path
from emulator.processes import Command, Supervisor

folder = Path(sys.argv[1])
supervisor = Supervisor({"PATH": "/usr/bin:/bin"})
script = "sleep 60 & echo $! > grandchild; setsid sh -c 'echo $$ > escaped; exec sleep 60' & echo $$ > child; sleep 60"
supervisor.start(Command(("sh", "-c", script), {}, folder, folder / "log"))
time.sleep(60)
"""


def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    """Though SIGKILL leaves it no time: the child, a grandchild, and a grandchild in a session of its own."""
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, str(tmp_path)])
    pids = [number_in(tmp_path / name) for name in ("child", "grandchild", "escaped")]
    assert all(map(alive, pids))
    parent.kill()
    parent.wait()
    assert soon(lambda: not any(map(alive, pids)), within_s=_SOON_S)
