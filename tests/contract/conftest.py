"""The emulator as users start it: one process for all contract tests, on free ports, and Google's own clients."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery, bigquery_storage_v1, storage
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport

from emulator.endpoints import Endpoints, read_endpoints
from emulator.environment import child_environment

PROJECT = "plumbline-test"
LOCATION = "us-central1"
_START_S = 60.0
_STOP_S = 20.0


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running emulator.

    Args:
        endpoints: Where its services listen.
        environment: The environment of a process that works on it.
        state: Its state folder.
        process: The process itself.
    """

    endpoints: Endpoints
    environment: Mapping[str, str]
    state: Path
    process: subprocess.Popen[bytes]

    @property
    def project(self) -> str:
        """The id of its project."""
        return PROJECT

    @property
    def location(self) -> str:
        """Its region."""
        return LOCATION

    def storage(self) -> storage.Client:
        """A client of Cloud Storage."""
        return storage.Client(
            project=PROJECT, credentials=AnonymousCredentials(), client_options=_options(self.endpoints.storage)
        )

    def bigquery(self) -> bigquery.Client:
        """A client of BigQuery."""
        return bigquery.Client(
            project=PROJECT,
            location=LOCATION,
            credentials=AnonymousCredentials(),
            client_options=_options(self.endpoints.bigquery),
        )

    def bigquery_read(self) -> bigquery_storage_v1.BigQueryReadClient:
        """A client of the Storage Read API."""
        channel = grpc.insecure_channel(
            self.endpoints.bigquery_storage, options=[("grpc.max_receive_message_length", -1)]
        )
        return bigquery_storage_v1.BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """The one emulator that contract tests share; each test works under names of its own."""
    started = start_emulator(tmp_path_factory.mktemp("emulator"))
    yield started
    stop_emulator(started.process)


def start_emulator(state: Path, *options: str) -> Emulator:
    """Starts an emulator on a state folder, and returns once it answers."""
    log = state.parent / f"{state.name}.log"
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    argv = [sys.executable, "-m", "emulator", "--state", str(state), "--project", PROJECT, "--location", LOCATION]
    with log.open("wb") as output:
        process = subprocess.Popen([*argv, *options], env=environ, stdout=output, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + _START_S
    while not _is_up(state, process.pid):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"the emulator did not start: {log.read_text(encoding='utf-8', errors='replace')}")
        time.sleep(0.02)
    endpoints = read_endpoints(state)
    environment = child_environment(os.environ, endpoints=endpoints, mount=state / "gcs", project=PROJECT)
    return Emulator(endpoints, environment, state, process)


def _is_up(state: Path, pid: int) -> bool:
    # A killed emulator leaves the file, until the next one on the folder begins to start.
    try:
        return bool(json.loads((state / "endpoints.json").read_text(encoding="utf-8"))["pid"] == pid)
    except FileNotFoundError:
        return False


def stop_emulator(process: subprocess.Popen[bytes]) -> int:
    """Stops an emulator as Ctrl-C does; gives its exit status."""
    process.send_signal(signal.SIGINT)
    return process.wait(_STOP_S)


def _options(endpoint: str) -> ClientOptions:
    return ClientOptions(api_endpoint=endpoint)
