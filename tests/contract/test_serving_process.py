"""The prediction container as Vertex AI starts it, on the emulator's Cloud Storage: `python -m serving`, for real."""

import http.client
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import tf_keras
from hypothesis import HealthCheck, given, settings

from emulator.aiplatform.ports import free_ports
from plumbline.adapters.savedmodel import load
from plumbline.attribution import log_odds
from plumbline.features import from_instances
from plumbline.problem import Column, Label, Network, Training
from plumbline.signature import Signature, write_signature
from plumbline.weighting import Weights
from tests.contract.conftest import Emulator
from tests.fuzz.callers import Caller
from tests.fuzz.requests import bodies, headers
from tests.waiting import soon
from trainer.encoder import Encoder, Statistics
from trainer.fit import compiled
from trainer.model import export

SIGNATURE = Signature(
    name="orders",
    features={
        "size": Column(type="numeric"),
        "colour": Column(type="categorical"),
        "gift": Column(type="boolean"),
        "hour": Column(type="timestamp", column="ordered_at", part="hour"),
    },
    label=Label(column="outcome", positive="returned"),
)
STATISTICS = Statistics(
    means={"size": 2.0, "gift": 0.5}, deviations={"size": 1.5, "gift": 0.5}, vocabularies={"colour": ("blue", "red")}
)
INSTANCES: list[dict[str, object]] = [
    {"size": 4, "colour": "red", "gift": True, "ordered_at": "2020-02-29T23:59:59"},
    {"size": -1.5, "colour": "green", "gift": False, "ordered_at": "1969-12-31T00:00:00"},
    {"size": None, "colour": None},
    {},
]
USUAL: list[dict[str, object]] = [{"size": 1.0, "colour": "blue"}, {"gift": True, "ordered_at": "2020-01-01T08:00:00"}]
HEALTH, PREDICT = "/v1/endpoints/1/deployedModels/2", "/v1/endpoints/1/deployedModels/2:predict"
_HEALTHY_S, _STOP_S, _POLL_S = 120.0, 20.0, 0.02
_GROWTH_MB = 20.0
"""What memory may differ by without growing: the allocator gives back what it likes."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's directory, as the training job leaves it."""
    tf_keras.utils.set_random_seed(7)
    encoder = Encoder(SIGNATURE.features, STATISTICS)
    settings = Training(network=Network(hidden=(8,)))
    network = compiled(settings, Weights(negative=1.0, positive=1.0), (6, encoder.cardinalities), positives=0.4)
    folder = tmp_path_factory.mktemp("model")
    (folder / "background.json").write_text(json.dumps(USUAL), encoding="utf-8")
    usual = from_instances(USUAL, SIGNATURE.features)
    export(encoder, network, SIGNATURE.features, str(folder), background=usual)
    write_signature(folder, SIGNATURE)
    return folder


@pytest.fixture(scope="module")
def uri_of_model(emulator: Emulator, model: Path) -> str:
    """Where the model lies in Cloud Storage, put there by Google's client."""
    bucket = emulator.storage().create_bucket("serving-process")
    for path in (path for path in model.rglob("*") if path.is_file()):
        bucket.blob(f"models/orders/{path.relative_to(model)}").upload_from_filename(str(path))
    # A neighbour whose name begins the same is another model.
    bucket.blob("models/orders-old/signature.json").upload_from_string("{}")
    return "gs://serving-process/models/orders"


@dataclass(frozen=True, slots=True)
class Container:
    """A running container."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def ask(self, verb: str, route: str, body: object = None) -> tuple[int, dict[str, object]]:
        """Status and JSON of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(verb, route, body=None if body is None else json.dumps(body))
        response = connection.getresponse()
        content = json.loads(response.read())
        connection.close()
        return response.status, content

    def is_healthy(self) -> bool:
        """Whether it answers on its health route."""
        with suppress(OSError):
            return self.ask("GET", HEALTH)[0] == 200
        return False

    def end(self) -> int:
        """Its exit status, after it was told to stop; it is killed when it does not."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(_STOP_S)
        finally:
            self.process.kill()


def start(emulator: Emulator, uri: str, log: Path, own: Mapping[str, str] | None = None) -> Container:
    """A container under the contract of Vertex AI, just started."""
    (port,) = free_ports(1)
    contract = {
        "AIP_HEALTH_ROUTE": HEALTH,
        "AIP_HTTP_PORT": str(port),
        "AIP_PREDICT_ROUTE": PREDICT,
        "AIP_STORAGE_URI": uri,
        "HTTP_HOST": "127.0.0.1",
        "MODEL_VERSION": "abc123",
        "THRESHOLD": "0.3",
        "TMPDIR": str(log.parent),
        **(own or {}),
    }
    with log.open("wb") as output:
        environ = {**emulator.environment, **contract}
        command = [sys.executable, "-m", "serving"]
        return Container(subprocess.Popen(command, env=environ, stdout=output, stderr=subprocess.STDOUT), port, log)


@pytest.fixture(scope="module")
def container(emulator: Emulator, uri_of_model: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """A container that serves the model, once it is healthy."""
    started = start(emulator, uri_of_model, tmp_path_factory.mktemp("serving") / "log")
    deadline = time.monotonic() + _HEALTHY_S
    try:
        while not started.is_healthy():
            if started.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(started.log.read_text(encoding="utf-8"))
            time.sleep(_POLL_S)
        yield started
    finally:
        started.end()


def test_an_online_score_is_the_offline_score(container: Container, model: Path) -> None:
    """To 1e-6 for each row: known and unknown values, NULLs, and a row of nothing; the decision is the threshold's."""
    status, content = container.ask("POST", PREDICT, {"instances": INSTANCES})
    assert status == 200
    predictions = cast("list[dict[str, float]]", content["predictions"])
    offline = load(model).score(from_instances(INSTANCES, SIGNATURE.features))
    np.testing.assert_allclose([one["score"] for one in predictions], offline, atol=1e-6)
    assert [one["decision"] for one in predictions] == [score > 0.3 for score in offline.tolist()]
    assert {str(one["version"]) for one in predictions} == {"abc123"}
    assert len(set(offline.tolist())) > 1


@pytest.mark.parametrize(("method", "atol"), [("shapley", 1e-5), ("integrated_gradients", 0.03)])
def test_reasons_add_up_to_the_score(container: Container, model: Path, method: str, atol: float) -> None:
    """All of a row's reasons, in log-odds, are its score's less the mean of the background rows'."""
    parameters = {"explain": True, "method": method, "top": 10}
    status, content = container.ask("POST", PREDICT, {"instances": INSTANCES, "parameters": parameters})
    assert status == 200
    predictions = cast("list[dict[str, list[dict[str, float]]]]", content["predictions"])
    told = [sum(reason["attribution"] for reason in one["reasons"]) for one in predictions]
    scores = [load(model).score(from_instances(rows, SIGNATURE.features)) for rows in (INSTANCES, USUAL)]
    np.testing.assert_allclose(told, log_odds(scores[0]) - log_odds(scores[1]).mean(), atol=atol)


def test_a_wrong_instance_does_not_end_the_container(container: Container) -> None:
    """It is the client's error, and the next one is answered."""
    status, content = container.ask("POST", PREDICT, {"instances": [{"size": "big"}]})
    assert (status, content) == (400, {"error": "instance 0: size must be a finite number, got 'big'"})
    assert container.is_healthy()


def test_the_log_says_when_it_is_ready(container: Container) -> None:
    """One structured line with the seconds from start to ready."""
    ready = [json.loads(line) for line in container.log.read_text(encoding="utf-8").splitlines() if '"ready"' in line]
    assert len(ready) == 1
    assert 0 < ready[0]["seconds"] < _HEALTHY_S


def test_requests_at_once_are_all_answered(container: Container) -> None:
    """Each of many clients gets the scores of its own rows."""

    def size(position: int) -> float:
        _, content = container.ask("POST", PREDICT, {"instances": [{"size": position}]})
        return cast("list[dict[str, float]]", content["predictions"])[0]["score"]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(size, range(16))) == pytest.approx([size(i) for i in range(16)], abs=1e-6)


def test_no_malformed_request_is_without_a_defined_answer(container: Container) -> None:
    """150 of them, to the real process; it goes on, and its memory stays."""
    caller = Caller(container.port, PREDICT)
    before = resident_mb(container)

    @settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(body=bodies(SIGNATURE.features), sent=headers())
    def ask(body: bytes, sent: Mapping[str, str]) -> None:
        caller.ask(body, sent)

    ask()
    caller.close()
    assert container.is_healthy()
    assert resident_mb(container) - before < _GROWTH_MB


def resident_mb(container: Container) -> float:
    """The memory of a container, MiB."""
    status = Path(f"/proc/{container.process.pid}/status").read_text(encoding="utf-8")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def test_memory_is_steady(container: Container) -> None:
    """Over 100,000 predictions, in batches of all sizes, after as many to get warm."""

    def predict(count: int) -> None:
        for rows in (1, 7, 300, 5_000) * (count // 5_308 + 1):
            instances = [{**INSTANCES[i % 4], "size": i, "colour": f"colour {rows} {i}"} for i in range(rows)]
            assert container.ask("POST", PREDICT, {"instances": instances})[0] == 200

    predict(50_000)
    before = resident_mb(container)
    predict(100_000)
    assert resident_mb(container) - before < _GROWTH_MB


def test_metrics_are_those_of_the_replica(container: Container) -> None:
    """What it has done, and with which version, in the text format of Prometheus."""
    connection = http.client.HTTPConnection("127.0.0.1", container.port, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    assert 'plumbline_model_info{version="abc123"} 1.0' in text
    assert re.search(r'plumbline_requests_total\{status="200"\} [1-9]', text)
    assert "plumbline_batch_rows_bucket" in text


def test_a_request_under_way_is_answered_when_it_is_told_to_stop(
    emulator: Emulator, uri_of_model: str, tmp_path: Path
) -> None:
    """Its answer comes, new connections are refused, and the container ends with 0 well within its time."""
    container = start(emulator, uri_of_model, tmp_path / "log", {"GRACE_S": "15"})
    assert soon(container.is_healthy, within_s=_HEALTHY_S), container.log.read_text(encoding="utf-8")
    connection = http.client.HTTPConnection("127.0.0.1", container.port, timeout=10)
    body = json.dumps({"instances": [{"size": 4}]}).encode()
    connection.putrequest("POST", PREDICT)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[:5])
    # It has the headers once it answers another request that came after them.
    assert container.is_healthy()
    container.process.send_signal(signal.SIGTERM)
    assert soon(lambda: not container.is_healthy(), within_s=5)
    assert container.process.poll() is None
    connection.send(body[5:])
    response = connection.getresponse()
    assert response.status == 200
    assert len(json.loads(response.read())["predictions"]) == 1
    assert container.process.wait(10) == 0


def test_sigterm_ends_it_well(container: Container) -> None:
    """Vertex AI ends a replica by SIGTERM: it goes at once, with 0, and leaves no copy of the model."""
    assert list(container.log.parent.glob("tmp*/saved_model.pb"))
    assert container.end() == 0
    assert [path.name for path in container.log.parent.iterdir()] == ["log"]


def test_a_sigterm_before_it_is_healthy_ends_it_too(emulator: Emulator, uri_of_model: str, tmp_path: Path) -> None:
    """A replica that is no longer wanted while it loads does not load on."""
    container = start(emulator, uri_of_model, tmp_path / "log")
    deadline = time.monotonic() + _HEALTHY_S
    while not list(tmp_path.glob("tmp*/signature.json")) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    assert container.end() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


@pytest.mark.parametrize(
    ("uri", "wanted"),
    [
        ("gs://serving-process/models/none", "there is no model at gs://serving-process/models/none"),
        ("gs://serving-process/models/ord", "there is no model at gs://serving-process/models/ord"),
        ("gs://no-such-bucket/model", "the model at gs://no-such-bucket/model cannot be read"),
        ("gs://serving-process/models/orders-old", "signature in .* cannot be read"),
    ],
)
@pytest.mark.usefixtures("uri_of_model")
def test_without_a_model_it_ends_and_says_why(emulator: Emulator, tmp_path: Path, uri: str, wanted: str) -> None:
    """The log's last line is one event with what is missing, and the exit status is 1."""
    assert re.search(wanted, complaint(start(emulator, uri, tmp_path / "log")))


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        ({"AIP_STORAGE_URI": ""}, "AIP_STORAGE_URI is not set: Vertex AI sets it for every container"),
        ({"THRESHOLD": "half"}, "THRESHOLD and AIP_HTTP_PORT must be numbers: .*half"),
        ({"BATCH_ROWS": "0"}, "BATCH_ROWS must be a whole number of at least 1, got '0'"),
    ],
)
def test_a_wrong_environment_is_named(emulator: Emulator, tmp_path: Path, own: dict[str, str], wanted: str) -> None:
    """The message says which variable is wrong, before anything is downloaded."""
    assert re.search(wanted, complaint(start(emulator, "gs://serving-process/models/none", tmp_path / "log", own)))


def complaint(container: Container) -> str:
    """What a container that cannot start says last; its exit status is 1."""
    try:
        assert container.process.wait(_HEALTHY_S) == 1
    finally:
        container.process.kill()
    last = json.loads(container.log.read_text(encoding="utf-8").splitlines()[-1])
    assert last["severity"] == "ERROR"
    return str(last["message"])
