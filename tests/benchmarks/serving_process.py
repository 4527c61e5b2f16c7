"""`python -m serving` on the example's network, for measuring: the real process, on the emulator's Cloud Storage."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from plumbline.config import load_problem
from plumbline.features import Features, to_instances
from plumbline.signature import Signature, write_signature
from tests.benchmarks.trainer import _CONFIG, dataset, network
from tests.contract.conftest import start_emulator, stop_emulator
from trainer.model import export
from trainer.preparation import prepare

HEALTH, PREDICT = "/health", "/predict"
_ROWS = 200
_START_S = 120.0


@dataclass(frozen=True, slots=True)
class Example:
    """A model's directory, and instances for it."""

    model: Path
    features: Features
    instances: Sequence[Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Container:
    """A running server."""

    process: subprocess.Popen[bytes]
    port: int
    features: Features
    healthy_s: float
    """From its start."""

    def resident_mb(self) -> float:
        """Its resident memory now, MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


def example(folder: Path) -> Example:
    """The example's network, not trained: how long a score takes does not depend on that."""
    problem = load_problem(_CONFIG).config
    signature = Signature(name=problem.name, features=problem.data.features, label=problem.data.label)
    made = dataset(problem, folder)
    ready = prepare(made, signature, problem.training, made / "none")
    model = folder / "model"
    export(ready.encoder, network(ready, problem.training), signature.features, str(model))
    write_signature(model, signature)
    rows = to_instances(pq.read_table(made / "validation.parquet").slice(0, _ROWS), signature.features)
    return Example(model, signature.features, rows)


@contextmanager
def process(given: Example) -> Iterator[Container]:
    """The server of a model, once it is healthy."""
    with tempfile.TemporaryDirectory() as state:
        emulator = start_emulator(Path(state) / "emulator")
        try:
            bucket = emulator.storage().create_bucket("models")
            for path in (path for path in given.model.rglob("*") if path.is_file()):
                bucket.blob(f"example/{path.relative_to(given.model)}").upload_from_filename(str(path))
            port = _free_port()
            contract = {
                "AIP_HEALTH_ROUTE": HEALTH,
                "AIP_HTTP_PORT": str(port),
                "AIP_PREDICT_ROUTE": PREDICT,
                "AIP_STORAGE_URI": "gs://models/example",
                "HTTP_HOST": "127.0.0.1",
                "TF_USE_LEGACY_KERAS": "1",
            }
            start = time.monotonic()
            server = subprocess.Popen([sys.executable, "-m", "serving"], env={**emulator.environment, **contract})
            _await_health(server, port)
            healthy_s = time.monotonic() - start
        finally:
            # It has the model: the emulator would only take of the machine.
            stop_emulator(emulator.process)
        try:
            yield Container(server, port, given.features, healthy_s)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)


@contextmanager
def peer(given: Example) -> Iterator[int]:
    """The port of the server that ours is measured against, once it is healthy."""
    port = _free_port()
    argv = [sys.executable, "-m", "tests.benchmarks.serving_peer", str(given.model), str(port)]
    # As favourable as ours has it.
    environ = {**os.environ, "TF_USE_LEGACY_KERAS": "1", "TF_NUM_INTEROP_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
    server = subprocess.Popen(argv, env=environ)
    try:
        _await_health(server, port)
        yield port
    finally:
        server.kill()
        server.wait()


def _await_health(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_S
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", HEALTH)
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        time.sleep(0.02)
    server.kill()
    raise SystemExit("the server did not become healthy")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def bodies(instances: Sequence[Mapping[str, object]], size: int, folder: Path) -> Path:
    """A file with requests of so many instances each, which begin at each instance in turn."""
    path = folder / f"bodies_{size}.json"
    twice = [*instances, *instances]
    requests = [{"instances": twice[start : start + size]} for start in range(len(instances))]
    path.write_text(json.dumps(requests), encoding="utf-8")
    return path
