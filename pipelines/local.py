"""The emulator as a process of its own: started for a run, ended with it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from plumbline.environment import Endpoints, Environment
from plumbline.errors import ServiceError

_START_S = 60.0
_STOP_S = 20.0
_LOG = "emulator.log"


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
def emulator(environment: Environment, state: Path) -> Iterator[Callable[[], None]]:
    """Starts the emulator at the config's endpoints, and gives a function that returns once it answers.

    One that is already up with the same state is used and left alone. An environment without endpoints has none.

    Raises:
        ServiceError: It does not start; the message holds what it said.
    """
    if environment.endpoints is None or _is_up(state):
        yield lambda: None
        return
    process = _start(environment, environment.endpoints, state)
    try:
        yield lambda: _await(process, state)
    finally:
        _stop(process)


def check_emulated(environment: Environment) -> None:
    """Nothing, when the environment names an emulator's endpoints.

    Raises:
        ServiceError: It names none, so what is meant for this machine would go to Google Cloud.
    """
    if environment.endpoints is None:
        raise ServiceError("this environment names no endpoints; for a run on this machine take configs/env/local.yaml")


def _is_up(state: Path) -> bool:
    try:
        os.kill(int(json.loads((state / "endpoints.json").read_text(encoding="utf-8"))["pid"]), 0)
    except (OSError, ValueError):
        return False
    return True


def _start(environment: Environment, endpoints: Endpoints, state: Path) -> subprocess.Popen[bytes]:
    state.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "emulator", "--exit-with-parent", "--state", str(state)]
    command += ["--project", environment.project, "--location", environment.location]
    command += ["--port", _port(endpoints.aiplatform), "--bigquery-port", _port(endpoints.bigquery)]
    command += ["--bigquery-storage-port", _port(f"//{endpoints.bigquery_storage}")]
    command += ["--storage-port", _port(endpoints.storage)]
    with (state / _LOG).open("wb") as output:
        # A session of its own: Ctrl-C is for the command line, which ends the run before it ends the emulator.
        return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)


def _await(process: subprocess.Popen[bytes], state: Path) -> None:
    deadline = time.monotonic() + _START_S
    while not _is_up(state):
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
