"""The emulator as a process of its own: started by the first command that needs it, and kept up for the next.

Its start and that of the serving container take seconds, which a command that follows soon need not wait for. Nobody
has to end it: it ends by itself when no command has used it for a while, and when its code has changed.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from pipelines.code import emulator_digest
from plumbline.environment import Endpoints, Environment
from plumbline.errors import ServiceError

KEEP_S = 600
"""How long the emulator stays up after the last command."""
_START_S = 60.0
_STOP_S = 20.0
_LOG = "emulator.log"
_IN_USE = "in-use"
"""The file in the state folder on which each command that uses the emulator holds a shared lock."""
_STARTED = "started.json"
"""The file that says with which command, on which code, it was started."""


def environ_for(environment: Environment, environ: Mapping[str, str]) -> Mapping[str, str]:
    """The process environment with which clients find the endpoints that the config names."""
    if environment.endpoints is None:
        return environ
    named = environment.endpoints
    return {
        **environ,
        "AIPLATFORM_EMULATOR_HOST": named.aiplatform,
        "BIGQUERY_EMULATOR_HOST": named.bigquery,
        "BIGQUERY_STORAGE_EMULATOR_HOST": named.bigquery_storage,
        "STORAGE_EMULATOR_HOST": named.storage,
    }


@contextmanager
def emulator(
    environment: Environment, state: Path, *, keep_s: int = KEEP_S, clock: str = ""
) -> Iterator[Callable[[], None]]:
    """Starts the emulator at the config's endpoints, and gives a function that returns once it answers.

    One that is already up with the same state is used, unless it was started by other code. An environment without
    endpoints has none.

    Args:
        environment: Names the endpoints.
        state: The emulator's state folder.
        keep_s: How long it stays up after the last command; 0 ends it with this one, if this one has started it.
        clock: The moment at which its clock begins, that can be set forward; the machine's own clock where empty.

    Raises:
        ServiceError: It does not start; the message holds what it said.
    """
    if environment.endpoints is None:
        yield lambda: None
        return
    # Locked before anybody looks: an emulator that is about to end by itself lets no command in.
    with _locked(state, fcntl.LOCK_SH) as lock:
        command = _command(environment, environment.endpoints, state, clock)
        process = _started(environment.endpoints, state, command, keep_s, is_ours=lambda: _is_only_user(lock))
        try:
            yield (lambda: _await(process, state)) if process else (lambda: None)
        finally:
            if process and not keep_s:
                _stop(process)


def stop(state: Path) -> bool:
    """Whether an emulator was up on a state folder; now none is."""
    pid = _pid(state)
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_S
    while _pid(state) is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    return True


def check_emulated(environment: Environment) -> None:
    """Nothing, when the environment names an emulator's endpoints.

    Raises:
        ServiceError: It names none, so what is meant for this machine would go to Google Cloud.
    """
    if environment.endpoints is None:
        raise ServiceError("this environment names no endpoints; for a run on this machine take configs/env/local.yaml")


def _command(environment: Environment, endpoints: Endpoints, state: Path, clock: str) -> list[str]:
    command = [sys.executable, "-m", "emulator", "--warm", "--state", str(state)]
    command += ["--project", environment.project, "--location", environment.location]
    command += ["--port", _port(endpoints.aiplatform), "--bigquery-port", _port(endpoints.bigquery)]
    command += ["--bigquery-storage-port", _port(f"//{endpoints.bigquery_storage}")]
    command += ["--storage-port", _port(endpoints.storage)]
    return [*command, "--clock", clock] if clock else command


def _started(
    endpoints: Endpoints, state: Path, command: list[str], keep_s: int, *, is_ours: Callable[[], bool]
) -> subprocess.Popen[bytes] | None:
    """The emulator's process, just started; None where one is up that was started by the same code."""
    wanted = json.dumps({"command": command, "code": emulator_digest()})
    started = state / _STARTED
    if _pid(state) is not None:
        # An emulator that was started by hand says nothing of its code: whoever did that knows it.
        if not started.is_file() or started.read_text(encoding="utf-8") == wanted or not is_ours():
            return None
        stop(state)
    _make_room(endpoints, state)
    started.write_text(wanted, encoding="utf-8")
    if keep_s:
        _note(endpoints).write_text(str(state.absolute()), encoding="utf-8")
    command = [*command, *(["--exit-when-unused", str(keep_s)] if keep_s else ["--exit-with-parent"])]
    with (state / _LOG).open("wb") as output:
        # A session of its own: Ctrl-C is for the command line, which ends the run before it ends the emulator.
        return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)


def _make_room(endpoints: Endpoints, state: Path) -> None:
    """Ends the emulator that a command of another copy of this repository has left up at the same endpoints.

    Raises:
        ServiceError: A command is using it.
    """
    note = _note(endpoints)
    with suppress(FileNotFoundError):
        # In a folder that everybody writes to, only a note of one's own is believed.
        other = Path(note.read_text(encoding="utf-8")) if note.stat().st_uid == os.getuid() else state
        if _pid(other) is not None and other != state.absolute():
            try:
                with _locked(other, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    stop(other)
            except BlockingIOError as error:
                raise ServiceError(
                    f"a command in another folder is using the emulator at {endpoints.aiplatform} (state: {other}): "
                    "wait for it, or give this environment other endpoints"
                ) from error
    note.unlink(missing_ok=True)


def _note(endpoints: Endpoints) -> Path:
    """The file that names the state folder of the emulator that was left up at these endpoints."""
    return Path(tempfile.gettempdir()) / f"plumbline-{os.getuid()}-{_port(endpoints.aiplatform)}"


@contextmanager
def _locked(state: Path, how: int) -> Iterator[IO[bytes]]:
    """The lock on a state folder's emulator: shared while it is used, exclusive to end it.

    Raises:
        BlockingIOError: Somebody else holds it, and `how` says not to wait.
    """
    state.mkdir(parents=True, exist_ok=True)
    with (state / _IN_USE).open("ab") as file:
        fcntl.flock(file, how)
        yield file


def _is_only_user(lock: IO[bytes]) -> bool:
    """Whether no other command uses the emulator on which this one holds the lock."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        # Linux has released the shared lock before it tried. Source: flock(2).
        fcntl.flock(lock, fcntl.LOCK_SH)
        return False
    fcntl.flock(lock, fcntl.LOCK_SH)
    return True


def _pid(state: Path) -> int | None:
    """The process of the emulator that is up on a state folder; None where none is."""
    try:
        pid = int(json.loads((state / "endpoints.json").read_text(encoding="utf-8"))["pid"])
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    return pid


def _await(process: subprocess.Popen[bytes], state: Path) -> None:
    deadline = time.monotonic() + _START_S
    while _pid(state) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise ServiceError(f"the emulator did not start: {_last_lines(state / _LOG)}")
        time.sleep(0.02)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _port(address: str) -> str:
    return str(urlsplit(address).port)


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:]) or f"see {log}"
