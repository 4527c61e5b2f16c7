"""The request log: every answered prediction is a row in BigQuery, once, whatever is killed in between."""

import datetime as dt
import json
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from google.api_core import exceptions
from google.cloud import aiplatform_v1 as v1

from tests.contract import vertex as vx
from tests.contract.conftest import PROJECT, Emulator, start_emulator, stop_emulator
from tests.contract.vertex import Vertex, deploy, endpoint, fresh, refused, upload
from tests.waiting import soon

_SOON_S = 20.0


@pytest.fixture(scope="module")
def vertex(emulator: Emulator) -> Vertex:
    """Clients of the shared emulator, which has a dataset for logs."""
    emulator.bigquery().create_dataset("logs", exists_ok=True)
    return vx.connect(emulator)


def logging(rate: float, table: str, dataset: str = "logs") -> v1.PredictRequestResponseLoggingConfig:
    """The setting that logs to a table."""
    destination = v1.BigQueryDestination(output_uri=f"bq://{PROJECT}.{dataset}.{table}")
    return v1.PredictRequestResponseLoggingConfig(enabled=True, sampling_rate=rate, bigquery_destination=destination)


def logged(emulator: Emulator, table: str) -> Sequence[Mapping[str, Any]]:
    """The rows of a log by now; none where there is no table yet."""
    rows: list[Mapping[str, Any]] = []
    with suppress(exceptions.NotFound):
        rows = [dict(row) for row in emulator.bigquery().query(f"SELECT * FROM logs.{table}").result()]  # noqa: S608 - ours
    return rows


def test_each_prediction_is_a_row(emulator: Emulator, vertex: Vertex) -> None:
    """With the columns of Vertex AI: an element an instance, and one a prediction."""
    table = fresh("t").replace("-", "_")
    of = endpoint(vertex, predict_request_response_logging_config=logging(1.0, table))
    deployed = deploy(vertex, of, upload(vertex))
    before = dt.datetime.now(dt.UTC)
    vertex.predictions.predict(endpoint=of, instances=[{"x": 1}, {"x": "é"}])
    requests.post(f"{vertex.url}/v1/{of}:rawPredict", data="raw", headers={"Content-Type": "text/plain"}, timeout=10)
    assert soon(lambda: len(logged(emulator, table)) == 2, within_s=_SOON_S)
    row, raw = sorted(logged(emulator, table), key=lambda row: str(row["logging_time"]))
    assert (row["endpoint"], row["deployed_model_id"]) == (of.rpartition("/")[2], deployed.id)
    assert [json.loads(each) for each in row["request_payload"]] == [{"x": 1}, {"x": "é"}]
    assert [json.loads(each)["instance"] for each in row["response_payload"]] == [{"x": 1}, {"x": "é"}]
    assert before <= row["logging_time"] <= dt.datetime.now(dt.UTC)
    assert row["request_id"] != raw["request_id"]
    assert list(raw["request_payload"]) == ["raw"]


def test_what_is_refused_is_no_row(emulator: Emulator, vertex: Vertex) -> None:
    """Neither is what the container refuses; and an endpoint that is not asked to logs nothing."""
    table = fresh("t").replace("-", "_")
    of = endpoint(vertex, predict_request_response_logging_config=logging(1.0, table))
    silent = endpoint(vertex)
    model = upload(vertex)
    deploy(vertex, of, model)
    deploy(vertex, silent, model)
    vertex.predictions.predict(endpoint=silent, instances=[{"x": 1}])
    refused(vx.INVALID, "a bad instance", lambda: vertex.predictions.predict(endpoint=of, instances=["bad"]))
    vertex.predictions.predict(endpoint=of, instances=[{"x": 3}])
    assert soon(lambda: len(logged(emulator, table)) == 1, within_s=_SOON_S)
    assert [json.loads(text) for text in logged(emulator, table)[0]["request_payload"]] == [{"x": 3}]


def test_the_rate_is_a_sample(emulator: Emulator, vertex: Vertex) -> None:
    """About half of 200 predictions: fewer than 60 or more than 140 come once in a hundred million times."""
    table = fresh("t").replace("-", "_")
    of = endpoint(vertex, predict_request_response_logging_config=logging(0.5, table))
    deploy(vertex, of, upload(vertex))
    for number in range(200):
        vertex.predictions.predict(endpoint=of, instances=[{"x": number}])
    assert soon(lambda: len(logged(emulator, table)) > 60, within_s=_SOON_S)
    assert len(logged(emulator, table)) < 140


def test_a_missing_dataset_stops_no_prediction(emulator: Emulator, vertex: Vertex) -> None:
    """Nor the log of others."""
    table = fresh("t").replace("-", "_")
    lost = endpoint(vertex, predict_request_response_logging_config=logging(1.0, table, dataset="nowhere"))
    of = endpoint(vertex, predict_request_response_logging_config=logging(1.0, table))
    model = upload(vertex)
    deploy(vertex, lost, model)
    deploy(vertex, of, model)
    vertex.predictions.predict(endpoint=lost, instances=[{"x": 1}])
    vertex.predictions.predict(endpoint=of, instances=[{"x": 2}])
    assert soon(lambda: len(logged(emulator, table)) == 1, within_s=_SOON_S)


def test_a_kill_loses_no_row_and_doubles_none(tmp_path: Path) -> None:
    """Three kills of the emulator under load: each prediction that was answered is there once."""
    emulator = start_emulator(tmp_path / "state")
    emulator.bigquery().create_dataset("logs")
    vertex = vx.connect(emulator)
    of = endpoint(vertex, predict_request_response_logging_config=logging(1.0, "requests"))
    deploy(vertex, of, upload(vertex))
    answered = set[int]()
    for first in (1000, 2000, 3000):
        answered |= _asked_until_the_kill(emulator, of, first)
        emulator = start_emulator(tmp_path / "state")

    def numbers() -> Sequence[int]:
        texts = [text for row in logged(emulator, "requests") for text in row["request_payload"]]
        return [int(json.loads(text)["x"]) for text in texts]

    try:
        assert len(answered) > 300
        assert soon(lambda: answered <= set(numbers()), within_s=_SOON_S)
        assert len(numbers()) == len(set(numbers()))
    finally:
        stop_emulator(emulator.process)


def _asked_until_the_kill(emulator: Emulator, of: str, first: int) -> set[int]:
    """The numbers, from the first on, that were answered before the emulator was killed."""
    vertex = vx.connect(emulator)
    assert soon(lambda: _answers(vertex, of, first), within_s=_SOON_S)
    with ThreadPoolExecutor(4) as pool:
        asked = {number: pool.submit(_answers, vertex, of, number) for number in range(first + 1, first + 400)}
        assert soon(lambda: sum(each.done() for each in asked.values()) > 150, within_s=_SOON_S)
        emulator.process.send_signal(signal.SIGKILL)
        emulator.process.wait()
    return {first} | {number for number, each in asked.items() if each.result()}


def _answers(vertex: Vertex, of: str, number: int) -> bool:
    try:
        vertex.predictions.predict(endpoint=of, instances=[{"x": number}], retry=None, timeout=10)
    except (exceptions.GoogleAPICallError, OSError):
        return False
    return True
