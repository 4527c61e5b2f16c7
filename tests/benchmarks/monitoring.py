"""Skew and drift of 40 features over a log of ten million instances: the emulator's job, and `make monitor`.

The log is two windows of five million; skew is of the later one against 300,000 training rows, drift between the two.
Seconds on the clock are of a machine that may be shared, so the processors' seconds are told beside them.

`python -m tests.benchmarks.monitoring MILLIONS` measures another size.
"""

import datetime as dt
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import yaml
from google.cloud import aiplatform_v1 as v1
from google.cloud import bigquery
from google.protobuf import duration_pb2

from plumbline.adapters import bigquery as bq
from plumbline.adapters.clients import Clients
from plumbline.adapters.skew import Limits, Question, watch_report
from plumbline.environment import Place
from plumbline.skew import Kind, WatchReport, judge
from plumbline.skew_counts import count
from plumbline.skew_sql import Window
from tests.benchmarks.memory import peak_mb
from tests.contract import vertex as vx
from tests.contract import vertex_alone
from tests.contract.conftest import LOCATION, PROJECT, Emulator, start_emulator, stop_emulator
from tests.contract.request_log import SCHEMA

MILLIONS = 10
_MILLION = 1_000_000
_TRAINED = 300_000
_START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
_HOUR = dt.timedelta(hours=1)
_PLACE = Place(project=PROJECT, location=LOCATION, bucket="benchmark", dataset="benchmark", bigquery_location=LOCATION)
_LOG, _TRAINING, _BLOCKS = (bq.full_name(_PLACE, name) for name in ("log", "training", "block"))
_KINDS: Mapping[str, Kind] = {
    **{f"number_{place}": "number" for place in range(30)},
    **{f"category_{place}": "category" for place in range(10)},
}
_THRESHOLDS = dict.fromkeys(_KINDS, 0.3)
_BLOCK = 20_000
"""Instances that are made at a time."""
_MB = 1024
_TICK = os.sysconf("SC_CLK_TCK")
_FEWER = 10
"""So many times fewer instances for `make monitor`: the emulator reads an instance once for each of its features."""
Row = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Cost:
    """What some processes took together."""

    seconds: float
    processor_s: float
    megabytes: float
    """Their largest resident memories, added."""

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s ({self.processor_s:.1f} s of processors), {self.megabytes:,.0f} MB"


def measure(millions: float = MILLIONS) -> Sequence[Row]:
    """What was measured, what was wanted and what was found."""
    rows = int(millions * _MILLION)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _emulator(folder) as emulator:
            model = _fill(emulator.bigquery(), rows)
        # A process of its own, so that the peak of memory is that of the work.
        with _emulator(folder) as emulator:
            job = _job(emulator, folder / "vertex", model)
    with tempfile.TemporaryDirectory() as name:
        folder, fewer = Path(name), rows // _FEWER
        with _emulator(folder) as emulator:
            model = _fill(emulator.bigquery(), fewer)
        with _emulator(folder) as emulator:
            command, found = _command(emulator, model, _HOUR)
    by_rows = _by_rows(rows)
    what = f"skew and drift of {len(_KINDS)} features over"
    return [
        (f"the emulator's job: {what} {rows:,} logged instances", "at most 60 s, 4,096 MB", str(job)),
        (f"`make monitor`: {what} {fewer:,} logged instances", "", f"{command}, {len(found.distances)} distances"),
        (f"the same counts of rows in Arrow, {rows:,} rows", "", str(by_rows)),
        ("load of the machine, of 2 cores", "", ", ".join(f"{each:.1f}" for each in os.getloadavg())),
    ]


@contextmanager
def _emulator(folder: Path) -> Iterator[Emulator]:
    emulator = start_emulator(folder / "state")
    try:
        yield emulator
    finally:
        stop_emulator(emulator.process)


def _fill(client: bigquery.Client, rows: int) -> str:
    """A training table, and a log of two hours; the deployed model that it is of."""
    model = "77"
    client.create_dataset(_PLACE.dataset)
    types = {"number": "FLOAT64", "category": "STRING"}
    fields = [bigquery.SchemaField(name, types[kind]) for name, kind in _KINDS.items()]
    bq.load_table(client, _TRAINING, _table(np.random.default_rng(0), _TRAINED), fields)
    block = _logged(_table(np.random.default_rng(1), _BLOCK), model)
    bq.load_table(client, _BLOCKS, block, SCHEMA)
    # All are copies of one block: what a row costs does not depend on its values. (An INSERT of the emulator copies the
    # table before it.)
    copies = rows // _BLOCK
    moment = (
        f"TIMESTAMP_ADD(TIMESTAMP '{_START:%Y-%m-%d %H:%M:%S}+00', "
        f"INTERVAL DIV(number * {2 * _HOUR // dt.timedelta(seconds=1)}, {copies}) SECOND)"
    )
    listed = ", ".join(field.name for field in SCHEMA).replace("logging_time", f"{moment} AS logging_time")
    many = f"SELECT {listed} FROM `{_BLOCKS}`, UNNEST(GENERATE_ARRAY(0, {copies - 1})) AS number"  # noqa: S608 - ours
    bq.materialise(client, many, _LOG, maximum_bytes=10**12, labels={})
    return model


def _logged(rows: pa.Table, model: str) -> pa.Table:
    """The rows as requests of one instance."""
    texts = pa.array([json.dumps(row) for row in rows.to_pylist()])
    many = rows.num_rows
    ones = pa.array(np.arange(many + 1), pa.int32())
    return pa.table(
        {
            "endpoint": pa.array(["1"] * many),
            "deployed_model_id": pa.array([model] * many),
            "logging_time": pa.array([_START] * many, pa.timestamp("us", "UTC")),
            "request_id": pa.array(np.arange(many)).cast(pa.decimal128(38, 9)),
            "request_payload": pa.ListArray.from_arrays(ones, texts),
            "response_payload": pa.array([["{}"]] * many),
        }
    )


def _table(random: np.random.Generator, rows: int) -> pa.Table:
    names = pa.array([f"v{number}" for number in range(200)])
    return pa.table(
        {
            name: pa.array(random.uniform(0, 100, rows).round(4))
            if kind == "number"
            else names.take(pa.array(random.integers(0, 200, rows)))
            for name, kind in _KINDS.items()
        }
    )


def _job(emulator: Emulator, state: Path, model: str) -> _Cost:
    """What the second window of a monitoring job costs, which looks at both hours, from its end to its statistics."""
    process, url = vertex_alone.start(emulator.endpoints.bigquery, state, _START)
    try:
        vertex = vx.clients(url, state)
        logging = v1.PredictRequestResponseLoggingConfig(
            enabled=True, sampling_rate=1.0, bigquery_destination={"output_uri": f"bq://{_LOG}"}
        )
        endpoint = vx.endpoint(vertex, predict_request_response_logging_config=logging)
        deployed = vx.deployed_model(vx.upload(vertex))
        deployed.id = model
        vx.done(vertex.endpoints.deploy_model(endpoint=endpoint, deployed_model=deployed, traffic_split={"0": 100}))
        name = vertex.jobs.create_model_deployment_monitoring_job(
            parent=vx.PARENT, model_deployment_monitoring_job=_monitoring(endpoint, model, state)
        ).name
        _pass_by(vertex, process, name)
        pids = [process.pid, _bigquery_pid(emulator)]
        return _measured(pids, lambda: _pass_by(vertex, process, name))
    finally:
        vertex_alone.stop(process)


def _pass_by(vertex: vx.Vertex, process: vertex_alone.Process, name: str) -> None:
    """An hour, until the job has looked at it."""
    before = vertex.jobs.get_model_deployment_monitoring_job(name=name).next_schedule_time
    vertex_alone.advance(process, _HOUR)
    while (found := vertex.jobs.get_model_deployment_monitoring_job(name=name)).next_schedule_time == before:
        time.sleep(0.1)
    status = found.latest_monitoring_pipeline_metadata.status
    if status.code:
        raise SystemExit(f"the job failed: {status.message}")


def _monitoring(endpoint: str, model: str, state: Path) -> v1.ModelDeploymentMonitoringJob:
    path = state / "gcs" / "schemas" / "instance.yaml"
    path.parent.mkdir(parents=True)
    types = {name: {"type": "number" if kind == "number" else "string"} for name, kind in _KINDS.items()}
    path.write_text(yaml.safe_dump({"type": "object", "properties": types, "required": list(types)}))
    thresholds = {name: v1.ThresholdConfig(value=value) for name, value in _THRESHOLDS.items()}
    config = v1.ModelMonitoringObjectiveConfig
    objective = config(
        training_dataset=config.TrainingDataset(bigquery_source={"input_uri": f"bq://{_TRAINING}"}, target_field="y"),
        training_prediction_skew_detection_config={"skew_thresholds": thresholds},
        prediction_drift_detection_config={"drift_thresholds": thresholds},
    )
    return v1.ModelDeploymentMonitoringJob(
        display_name="benchmark",
        endpoint=endpoint,
        model_deployment_monitoring_objective_configs=[{"deployed_model_id": model, "objective_config": objective}],
        model_deployment_monitoring_schedule_config={"monitor_interval": duration_pb2.Duration(seconds=3600)},
        logging_sampling_strategy={"random_sample_config": {"sample_rate": 1.0}},
        model_monitoring_alert_config={"enable_logging": True},
        analysis_instance_schema_uri="gs://schemas/instance.yaml",
    )


def _command(emulator: Emulator, model: str, hours: dt.timedelta) -> tuple[_Cost, WatchReport]:
    """What the report of the second hour costs."""
    window = Window(_START + hours, _START + 2 * hours, (model,))
    question = Question(_LOG, _TRAINING, window, _KINDS, _THRESHOLDS, _THRESHOLDS, {}, 100)
    limits = Limits(bq.full_name(_PLACE, "scratch"), 10**12, {})
    found: list[WatchReport] = []

    def work() -> None:
        found.append(watch_report(Clients(_PLACE, emulator.environment), question, limits))

    return _measured([os.getpid(), _bigquery_pid(emulator)], work), found[0]


def _by_rows(rows: int) -> _Cost:
    """Skew and drift of as many typed rows, that lie in memory a block at a time."""
    part = _table(np.random.default_rng(1), _BLOCK)

    def work() -> None:
        sides = [count(lambda: (part for _ in range(rows // 2 // _BLOCK)), _KINDS) for _ in range(2)]
        judge("drift", *sides, kinds=_KINDS, thresholds=_THRESHOLDS, minimum_rows=100)

    return _measured([os.getpid()], work)


def _measured(pids: Sequence[int], work: Callable[[], object]) -> _Cost:
    before, started = sum(map(_processor_s, pids)), time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    return _Cost(seconds, sum(map(_processor_s, pids)) - before, sum(map(_peak_mb, pids)))


def _processor_s(pid: int) -> float:
    # User and system time, in ticks; the name before them may have spaces.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _peak_mb(pid: int) -> float:
    if pid == os.getpid():
        return peak_mb()
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / _MB


def _bigquery_pid(emulator: Emulator) -> int:
    """The process of BigQuery, a child of the emulator."""
    children = Path(f"/proc/{emulator.process.pid}/task/{emulator.process.pid}/children").read_text(encoding="utf-8")
    for pid in map(int, children.split()):
        if b"bigquery_server" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise SystemExit("the emulator has no process of BigQuery")


if __name__ == "__main__":
    for row in measure(float(sys.argv[1])):
        sys.stdout.write(f"{row[0]:<74} {row[1]:<24} {row[2]}\n")
