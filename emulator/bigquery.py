"""BigQuery: bqemulator (DuckDB behind BigQuery's REST and Storage Read APIs) in a process of its own."""

import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from emulator.errors import StartError
from emulator.ports import HOST
from emulator.processes import Command, Process, Supervisor
from emulator.state import State

_START_S = 60.0
_PAUSE_S = 0.02
_TAIL = 8
_MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class BigQuery:
    """The process, and the two ports that it listens on once it is ready."""

    process: Process
    port: int
    storage_port: int

    def wait_until_ready(self, cancelled: Callable[[], bool]) -> None:
        """Returns when both APIs answer, or when `cancelled` says so.

        Raises:
            StartError: The process ended, or does not answer.
        """
        deadline = time.monotonic() + _START_S
        while not (cancelled() or self._answers()):
            self.check()
            if time.monotonic() > deadline:
                raise StartError(f"the BigQuery emulator does not answer after {_START_S:.0f} s; {self._log()}")
            time.sleep(_PAUSE_S)

    def check(self) -> None:
        """Raises if the process has ended."""
        code = self.process.poll()
        if code is not None:
            raise StartError(f"the BigQuery emulator ended with exit status {code}; {self._log()}")

    def _log(self) -> str:
        return f"its log is {self.process.log}, and ends with:\n{self.process.tail(_TAIL)}"

    def _answers(self) -> bool:
        try:
            # The REST API's port is opened first; no proxy, since it is this machine.
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"http://{HOST}:{self.port}/readyz", timeout=1.0):
                pass
            with closing(socket.create_connection((HOST, self.storage_port), timeout=1.0)):
                return True
        except (OSError, urllib.error.URLError):
            return False


def start_bigquery(supervisor: Supervisor, state: State, *, project: str, port: int, storage_port: int) -> BigQuery:
    """Starts the process on the state folder's tables; `gs://` is the folder of objects."""
    settings = {
        "ADMIN_ENABLED": "false",
        "DATA_DIR": str(state.bigquery),
        "DEFAULT_PROJECT_ID": project,
        # It would be fetched from the network.
        "ENABLE_FORMAT_EXTENSIONS": "false",
        "GCS_LOCAL_ROOT": str(state.objects),
        "GRPC_HOST": HOST,
        "GRPC_PORT": str(storage_port),
        "PERSISTENCE_MODE": "persistent",
        "REST_HOST": HOST,
        "REST_PORT": str(port),
        "UPLOAD_MAX_BYTES": str(10 << 30),
        "UPLOAD_STAGING_DIR": str(state.bigquery / "uploads"),
        # Also the limit of what the Storage Read API sends at once; one batch of a wide table is more than 10 MB.
        "WRITE_API_MAX_REQUEST_BYTES": str(512 * _MEGABYTE),
    }
    command = Command(
        argv=(sys.executable, "-m", "emulator.bigquery_server"),
        env={"EMULATOR_STATE": str(state.root), **{f"BQEMU_{name}": value for name, value in settings.items()}},
        cwd=state.bigquery,
        log=state.logs / "bigquery.log",
    )
    return BigQuery(supervisor.start(command), port, storage_port)
