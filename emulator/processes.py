"""Child processes that cannot be left behind: tasks, replicas of jobs, serving containers and services.

A child is like a container: it has a process group of its own, what it prints goes to one log, and when its first
process ends, whatever else is in the group ends too. `guardian` sees to the case that the emulator itself is killed.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from emulator import guardian
from emulator.runtime import stand_in

_TAIL_BYTES = 64 * 1024


class StoppingError(Exception):
    """The emulator is being stopped, so it starts nothing more."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to start.

    Args:
        argv: The program (looked up in the PATH of the child's environment) and its arguments.
        env: Variables on top of the supervisor's environment.
        cwd: The folder it starts in.
        log: The file that standard output and standard error are appended to; its folder is made.
        inherited: Open files that it gets beside standard input and output, under the same numbers.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    log: Path
    inherited: tuple[int, ...] = ()


class Process:
    """One child, and all that it starts."""

    def __init__(self, child: subprocess.Popen[bytes], log: Path) -> None:
        self._child = child
        self.log = log
        self._ended = threading.Event()
        # Guards the time between the end of the child and its being reaped: until then nobody else can have its id.
        self._reaping = threading.Lock()
        threading.Thread(target=self._reap, name=f"reaper of {child.pid}", daemon=True).start()

    @property
    def pid(self) -> int:
        """The id of the child, and of its process group."""
        return self._child.pid

    def wait(self, timeout_s: float | None = None) -> int:
        """The exit code, once there is one; minus the signal's number if a signal ended it.

        Raises:
            TimeoutError: It still runs after `timeout_s` seconds.
        """
        if not self._ended.wait(timeout_s):
            raise TimeoutError(f"process {self.pid} still runs after {timeout_s} s; its log is {self.log}")
        return int(self._child.returncode)

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self.wait() if self._ended.is_set() else None

    def stop(self, grace_s: float = 5.0) -> int:
        """Asks the whole group to end (SIGTERM), makes it after `grace_s` seconds (SIGKILL); gives the exit code."""
        self.send(signal.SIGTERM)
        with suppress(TimeoutError):
            return self.wait(grace_s)
        self.send(signal.SIGKILL)
        return self.wait()

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the whole group; nothing happens when it has ended."""
        with self._reaping:
            if not self._ended.is_set():
                _signal_group(self.pid, number)

    def tail(self, lines: int) -> str:
        """The last lines of the log; what is not UTF-8 is shown as a replacement character."""
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            text = log.read().decode("utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:]) if lines > 0 else ""

    def _reap(self) -> None:
        # WNOWAIT leaves the child a zombie, so that its id stays its own while the rest of the group is killed.
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._reaping:
            _signal_group(self.pid, signal.SIGKILL)
            self._child.wait()
            self._ended.set()


class Supervisor:
    """Starts the children of one emulator, and ends them all. Safe to use from any thread."""

    def __init__(self, environment: Mapping[str, str], *, owner: str | None = None, warm: Path | None = None) -> None:
        """Makes a supervisor and starts its guardian.

        Args:
            environment: The environment of every child.
            owner: The mark by which children are told apart from those of others; a new one if left out. An emulator
                gives its state folder, so that the next one on that folder finds what was left over.
            warm: The folder of warm interpreters that `python -m` is left to; without it, each is a new one.
        """
        self._environment = dict(environment)
        self._warm = warm
        self._owner = owner or uuid4().hex
        self._lock = threading.Lock()
        self._running: dict[int, Process] = {}
        self._stopping = False
        self._guardian = _start_guardian(self._owner)

    @property
    def owner(self) -> str:
        """The mark of its children."""
        return self._owner

    def start(self, command: Command) -> Process:
        """Starts a child.

        Raises:
            StoppingError: `stop_all` was called.
            OSError: The program, or the folder to start in, does not exist.
        """
        command.log.parent.mkdir(parents=True, exist_ok=True)
        environment = {**self._environment, **command.env, guardian.MARK: self._owner}
        with self._lock, command.log.open("ab") as log:
            if self._stopping:
                raise StoppingError(f"not started, since the emulator is being stopped: {command.argv[0]}")
            child = subprocess.Popen(
                command.argv if self._warm is None else _left_to(self._warm, command),
                env=environment,
                cwd=command.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
                pass_fds=command.inherited,
            )
            process = Process(child, command.log)
            self._running = {pid: old for pid, old in self._running.items() if old.poll() is None}
            self._running[process.pid] = process
        return process

    def stop_all(self, grace_s: float = 5.0) -> None:
        """Ends every child, all at once: SIGTERM, and SIGKILL for those that are there after `grace_s` seconds."""
        with self._lock:
            self._stopping = True
            running = tuple(self._running.values())
        for process in running:
            process.send(signal.SIGTERM)
        deadline = time.monotonic() + grace_s
        for process in running:
            process.stop(max(0.0, deadline - time.monotonic()))
        guardian.end_all_of(self._owner)
        self._dismiss_guardian()

    def _dismiss_guardian(self) -> None:
        if self._guardian.stdin is not None:
            self._guardian.stdin.close()
        self._guardian.wait()


def _left_to(warm: Path, command: Command) -> tuple[str, ...]:
    # A container with a PATH of its own means the python that it finds there.
    if command.argv[0] in {"python", "python3"} and command.argv[1:2] == ("-m",) and "PATH" not in command.env:
        return (sys.executable, "-I", "-S", stand_in.__file__, str(warm), *command.argv[1:])
    return command.argv


def _start_guardian(owner: str) -> subprocess.Popen[bytes]:
    # By its path and without `site`: it is there in 10 ms, and needs none of the packages.
    argv = (sys.executable, "-I", "-S", guardian.__file__, owner)
    return subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True, env={}, cwd="/"
    )


def _signal_group(group: int, number: signal.Signals) -> None:
    # ProcessLookupError: the group is empty. PermissionError: only zombies of another parent are left in it.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
