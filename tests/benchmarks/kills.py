"""A hundred kills under load: what callers saw, and what became of the log."""

import json
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import requests
from google.cloud import aiplatform_v1 as v1

from tests.contract import vertex as vx
from tests.contract.conftest import PROJECT, Emulator, start_emulator, stop_emulator

_KILLS, _CALLERS, _EMULATOR = 100, 4, 5
"""Every fifth kill is the emulator's, the others are replicas'."""
_BACK_S, _LOG_S, _PAUSE_S = 60.0, 60.0, 0.2


@dataclass(slots=True)
class _Load:
    """Callers that ask without a pause, each time a number of its own."""

    url: str
    endpoint: str
    answered: set[int] = field(default_factory=set)
    wrong: int = 0
    refused: int = 0
    numbers: Iterator[int] = field(default_factory=count)
    stop: threading.Event = field(default_factory=threading.Event)

    def call(self) -> None:
        """Asks until it is told to stop."""
        while not self.stop.is_set():
            number = next(self.numbers)
            try:
                address = f"{self.url}/v1/{self.endpoint}:predict"
                answer = requests.post(address, json={"instances": [{"x": number}]}, timeout=20)
                content = answer.json() if answer.ok else {}
            except (requests.RequestException, ValueError):
                content = {}
            if not content:
                self.refused += 1
                time.sleep(0.02)
                continue
            self.wrong += content["predictions"][0]["instance"]["x"] != number
            self.answered.add(number)


def measure() -> Iterator[tuple[str, str, str]]:
    """What, wanted, measured."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        emulator = start_emulator(state)
        emulator.bigquery().create_dataset("logs")
        of = _endpoint(emulator)
        load = _Load(emulator.endpoints.aiplatform, of)
        callers = [threading.Thread(target=load.call) for _ in range(_CALLERS)]
        for caller in callers:
            caller.start()
        away: dict[str, list[float]] = {"replica": [], "emulator": []}
        for kill in range(_KILLS):
            what = "emulator" if kill % _EMULATOR == _EMULATOR - 1 else "replica"
            begun = time.monotonic()
            if what == "emulator":
                emulator.process.kill()
                emulator.process.wait()
                emulator = start_emulator(state)
                load.url = emulator.endpoints.aiplatform
            else:
                with suppress(ProcessLookupError):
                    os.kill(int(vx.containers_of(of)[kill % 2]), 9)
            away[what].append(_back(load, begun))
        load.stop.set()
        for caller in callers:
            caller.join()
        missing, doubled = _log(emulator, load.answered)
        stop_emulator(emulator.process)
    yield "kills -9 under load: of a replica, of the emulator", "", ", ".join(f"{len(away[w])} {w}" for w in away)
    yield "predictions answered; refused meanwhile", "", f"{len(load.answered):,}; {load.refused:,}"
    yield "wrong predictions", "0", f"{load.wrong}"
    yield "answered predictions that the log lacks; has twice", "0; 0", f"{missing}; {doubled}"
    for what, seconds in away.items():
        spread = f"median {sorted(seconds)[len(seconds) // 2]:.2f} s, longest {max(seconds):.2f} s"
        yield f"traffic back after the kill of a {what}", "by itself", spread


def _endpoint(emulator: Emulator) -> str:
    """Two replicas behind a log."""
    vertex = vx.connect(emulator)
    logging = v1.PredictRequestResponseLoggingConfig(
        enabled=True,
        sampling_rate=1.0,
        bigquery_destination=v1.BigQueryDestination(output_uri=f"bq://{PROJECT}.logs.requests"),
    )
    of = vx.endpoint(vertex, predict_request_response_logging_config=logging)
    vx.deploy(vertex, of, vx.upload(vertex), min_replica_count=2, max_replica_count=2)
    return of


def _back(load: _Load, begun: float) -> float:
    """Seconds from the kill until a hundred more predictions are answered and both replicas are there again."""
    before = len(load.answered)
    while len(load.answered) < before + 100 or len(vx.containers_of(load.endpoint)) < 2:
        if time.monotonic() - begun > _BACK_S:
            raise SystemExit(f"the traffic was not back {_BACK_S:g} s after a kill")
        time.sleep(0.01)
    seconds = time.monotonic() - begun
    time.sleep(_PAUSE_S)
    return seconds


def _log(emulator: Emulator, answered: set[int]) -> tuple[int, int]:
    """How many of the numbers the log lacks, and how many it has more than once."""
    deadline = time.monotonic() + _LOG_S
    while True:
        rows = emulator.bigquery().query("SELECT request_payload FROM logs.requests").result()
        found = Counter(int(json.loads(text)["x"]) for row in rows for text in row["request_payload"])
        missing = len(answered - set(found))
        if not missing or time.monotonic() > deadline:
            return missing, sum(times > 1 for times in found.values())
        time.sleep(0.5)
