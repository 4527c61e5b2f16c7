"""Monitoring jobs at work: on a clock that the tests set forward, over a log in the emulator's BigQuery."""

import bisect
import datetime as dt
import email
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from google.cloud import aiplatform_v1 as v1
from google.cloud import bigquery
from google.protobuf import duration_pb2
from hypothesis import given
from hypothesis import strategies as st

from emulator.aiplatform.monitoring_jobs import distance
from emulator.clock import ManualClock
from plumbline.adapters.bigquery import load_table
from plumbline.skew import distance_between
from plumbline.skew_counts import count
from tests.contract import vertex as vx
from tests.contract.conftest import PROJECT, Emulator
from tests.contract.request_log import Logged, write
from tests.contract.vertex import PARENT, Vertex, clients
from tests.contract.vertex_alone import advance, kill, start, stop, vertex_on

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
CONFIG = v1.ModelMonitoringObjectiveConfig
TYPE = v1.ModelDeploymentMonitoringObjectiveType
SKEW, DRIFT = TYPE.RAW_FEATURE_SKEW, TYPE.RAW_FEATURE_DRIFT
STATE = v1.JobState
FEATURES = {"distance": "number", "carrier": "string", "absent": "number", "unwatched": "string"}
THRESHOLDS = {"distance": 0.3, "carrier": 0.1, "absent": 0.3, "unwatched": 0.0}
_SOON_S = 30.0
_KILLS_S = (0.02, 0.1, 0.2, 0.4)
"""After the end of a window; its queries take a few tenths of a second, together."""


@dataclass(frozen=True, slots=True)
class Site:
    """Vertex AI alone with a clock of its own, on the BigQuery of the emulator that all tests share."""

    vertex: Vertex
    clock: ManualClock
    bigquery: bigquery.Client
    dataset: str

    @property
    def log(self) -> str:
        """The endpoint's log."""
        return f"{PROJECT}.{self.dataset}.request_response_logging"

    def asked(self, at: dt.datetime, instances: Sequence[Mapping[str, Any]], model: str) -> None:
        """Requests that the endpoint has answered."""
        write(self.bigquery, self.log, [Logged(at, instances, model=model)])

    def job(self, name: str) -> v1.ModelDeploymentMonitoringJob:
        """A job as it is now."""
        return self.vertex.jobs.get_model_deployment_monitoring_job(name=name)

    def pass_by(self, by: dt.timedelta, name: str) -> v1.ModelDeploymentMonitoringJob:
        """Lets time pass; the job once every window that is over was looked at."""
        self.clock.advance(by)
        soon(lambda: self.job(name).next_schedule_time > self.clock.now())
        return self.job(name)

    def stats(
        self, name: str, model: str, *types: v1.ModelDeploymentMonitoringObjectiveType, **fields: object
    ) -> Mapping[tuple[str, str], list[float]]:
        """The deviations of each window, by objective and feature."""
        asked = [{"type_": each} for each in types or (SKEW, DRIFT)]
        request = v1.SearchModelDeploymentMonitoringStatsAnomaliesRequest(
            model_deployment_monitoring_job=name, deployed_model_id=model, objectives=asked, **fields
        )
        found: dict[tuple[str, str], list[float]] = {}
        for group in self.vertex.jobs.search_model_deployment_monitoring_stats_anomalies(request):
            for feature in group.feature_stats:
                key = group.objective.name.removeprefix("RAW_FEATURE_"), feature.feature_display_name
                found.setdefault(key, []).extend(each.distribution_deviation for each in feature.prediction_stats)
        return found

    def entries(self, name: str) -> Sequence[Mapping[str, Any]]:
        """What stands in the file for Cloud Logging."""
        path = self.vertex.state / "logs" / "monitoring" / f"{name.rpartition('/')[2]}.jsonl"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    def mails(self) -> Sequence[Path]:
        """The mails that were sent."""
        return sorted((self.vertex.state / "outbox").glob("*.eml"))


def soon(true: Callable[[], object]) -> None:
    """Returns once something is true."""
    deadline = time.monotonic() + _SOON_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def site_on(emulator: Emulator, state: Path, clock: ManualClock, dataset: str) -> Iterator[Site]:
    """Vertex AI on a state folder and a clock, until a clean stop."""
    with vertex_on(emulator.endpoints.bigquery, state, clock) as url:
        yield Site(clients(url, state), clock, emulator.bigquery(), dataset)


@pytest.fixture
def dataset(emulator: Emulator) -> str:
    """A dataset with a training table of 400 rows: distances 0 to 99 alike, half of the carriers a."""
    name = vx.fresh("monitoring").replace("-", "_")
    emulator.bigquery().create_dataset(name)
    rows = pa.table(
        {
            "distance": [float(i % 100) for i in range(400)],
            "carrier": ["ab"[i % 2] for i in range(400)],
            "unwatched": ["x"] * 400,
            "absent": [1.0] * 400,
            "late": [0] * 400,
        }
    )
    kinds = ["FLOAT64", "STRING", "STRING", "FLOAT64", "INT64"]
    schema = [bigquery.SchemaField(column, kind) for column, kind in zip(rows.column_names, kinds, strict=True)]
    load_table(emulator.bigquery(), f"{PROJECT}.{name}.training", rows, schema)
    return name


@pytest.fixture
def site(emulator: Emulator, tmp_path: Path, dataset: str) -> Iterator[Site]:
    """Vertex AI at START."""
    with site_on(emulator, tmp_path / "state", ManualClock(START), dataset) as made:
        yield made


def watched(site: Site, *, schema: bool = True, rate: float = 1.0) -> tuple[str, str]:
    """A job of an hour's interval over an endpoint that logs; its name, and the deployed model's id."""
    logging = v1.PredictRequestResponseLoggingConfig(
        enabled=True,
        sampling_rate=1.0,
        bigquery_destination=v1.BigQueryDestination(output_uri=f"bq://{site.log}"),
    )
    to = vx.endpoint(site.vertex, predict_request_response_logging_config=logging)
    model = vx.deploy(site.vertex, to, vx.upload(site.vertex)).id
    path = site.vertex.state / "gcs" / "schemas" / "instance.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    properties = {name: {"type": kind} for name, kind in FEATURES.items()}
    path.write_text(yaml.safe_dump({"type": "object", "properties": properties, "required": list(FEATURES)}))
    thresholds = {name: v1.ThresholdConfig(value=value) for name, value in THRESHOLDS.items()}
    objective = CONFIG(
        training_dataset=CONFIG.TrainingDataset(
            bigquery_source={"input_uri": f"bq://{PROJECT}.{site.dataset}.training"}, target_field="late"
        ),
        training_prediction_skew_detection_config={"skew_thresholds": thresholds},
        prediction_drift_detection_config={"drift_thresholds": thresholds},
    )
    job = v1.ModelDeploymentMonitoringJob(
        display_name="watch",
        endpoint=to,
        model_deployment_monitoring_objective_configs=[{"deployed_model_id": model, "objective_config": objective}],
        model_deployment_monitoring_schedule_config={"monitor_interval": duration_pb2.Duration(seconds=3600)},
        logging_sampling_strategy={"random_sample_config": {"sample_rate": rate}},
        model_monitoring_alert_config={
            "email_alert_config": {"user_emails": ["one@example.com", "two@example.com"]},
            "enable_logging": True,
        },
        analysis_instance_schema_uri="gs://schemas/instance.yaml" if schema else "",
    )
    made = site.vertex.jobs.create_model_deployment_monitoring_job(parent=PARENT, model_deployment_monitoring_job=job)
    return made.name, model


def usual(rows: int = 200) -> Sequence[Mapping[str, Any]]:
    """Requests like the training rows."""
    return [{"distance": i % 100, "carrier": "ab"[i % 2], "unwatched": "y"} for i in range(rows)]


def moved(rows: int = 200) -> Sequence[Mapping[str, Any]]:
    """All distances are others, and the carriers are: 3/4 a."""
    return [{"distance": 1000 + i % 100, "carrier": "aaab"[i % 4], "unwatched": "y"} for i in range(rows)]


def test_a_window_that_has_moved_is_told(site: Site) -> None:
    """Skew and drift by hand: distance 1, carrier 3/4 - 1/2; in the stats, the log and two mails."""
    name, model = watched(site)
    assert site.job(name).next_schedule_time == START + HOUR
    site.asked(START, usual(), model)
    calm = site.pass_by(HOUR, name)
    assert (site.entries(name), site.mails()) == ([], [])
    assert calm.schedule_state == v1.ModelDeploymentMonitoringJob.MonitoringScheduleState.OFFLINE
    latest = calm.latest_monitoring_pipeline_metadata
    assert (latest.run_time, latest.status.code) == (START + HOUR, 0)
    assert "RAW_FEATURE_SKEW of absent (400 values before, 0 now)" in latest.status.message
    assert [table.bigquery_table_path for table in calm.bigquery_tables] == [f"bq://{site.log}"]
    site.asked(START + HOUR, moved(), model)
    site.pass_by(HOUR, name)
    stats = site.stats(name, model)
    assert stats == {
        ("SKEW", "carrier"): pytest.approx([0.0, 0.25]),
        ("SKEW", "distance"): pytest.approx([0.0, 1.0], abs=1e-12),
        ("SKEW", "unwatched"): pytest.approx([1.0, 1.0]),
        ("DRIFT", "carrier"): pytest.approx([0.25]),
        ("DRIFT", "distance"): pytest.approx([1.0]),
        ("DRIFT", "unwatched"): pytest.approx([0.0]),
    }
    skew, drift = site.entries(name)
    assert (skew["severity"], skew["resource"]["labels"]["model_deployment_monitoring_job"]) == (
        "WARNING",
        name.rpartition("/")[2],
    )
    payload = skew["jsonPayload"]
    assert (payload["anomalyObjective"], payload["deployedModelId"]) == ("RAW_FEATURE_SKEW", model)
    assert (payload["startTime"], payload["endTime"]) == ("2026-03-02T01:00:00Z", "2026-03-02T02:00:00Z")
    assert payload["featureAnomalies"][0] == {"featureDisplayName": "carrier", "deviation": 0.25, "threshold": 0.1}
    assert (payload["totalAnomaliesCount"], drift["jsonPayload"]["anomalyObjective"]) == (2, "RAW_FEATURE_DRIFT")
    mails = [email.message_from_bytes(path.read_bytes()) for path in site.mails()]
    assert [mail["To"] for mail in mails] == ["one@example.com, two@example.com"] * 2
    assert "carrier: deviation 0.25, threshold 0.1" in str(mails[0].get_payload())


def test_a_search_is_by_feature_time_and_page(site: Site) -> None:
    """One feature, one end, one statistic a page: all pages together are what one answer would be."""
    name, model = watched(site)
    site.asked(START, usual(), model)
    site.pass_by(HOUR, name)
    site.asked(START + HOUR, moved(), model)
    site.pass_by(HOUR, name)
    assert site.stats(name, model, page_size=1) == site.stats(name, model)
    assert list(site.stats(name, model, SKEW, feature_display_name="carrier")) == [("SKEW", "carrier")]
    late = site.stats(name, model, SKEW, start_time=START + 1.5 * HOUR)
    assert late["SKEW", "carrier"] == pytest.approx([0.25])
    vx.refused(
        vx.UNIMPLEMENTED, "FEATURE_ATTRIBUTION_SKEW", lambda: site.stats(name, model, TYPE.FEATURE_ATTRIBUTION_SKEW)
    )
    vx.refused(vx.INVALID, "no objective for the deployed model '9'", lambda: site.stats(name, "9"))


def test_a_window_without_requests_is_no_anomaly_and_is_said(site: Site) -> None:
    """Nor is there a statistic of it, which would look like a pass; also where there is no log yet."""
    name, model = watched(site)
    latest = site.pass_by(HOUR, name).latest_monitoring_pipeline_metadata
    assert "RAW_FEATURE_SKEW of distance (400 values before, 0 now)" in latest.status.message
    assert (site.stats(name, model), site.entries(name)) == ({}, [])


def test_a_paused_job_looks_at_nothing(site: Site) -> None:
    """What is asked meanwhile is looked at by nobody; it goes on with what comes after."""
    name, model = watched(site)
    site.vertex.jobs.pause_model_deployment_monitoring_job(name=name)
    site.asked(START, moved(), model)
    site.clock.advance(3 * HOUR)
    site.vertex.jobs.resume_model_deployment_monitoring_job(name=name)
    assert site.job(name).next_schedule_time == START + 4 * HOUR
    site.asked(START + 3 * HOUR, usual(), model)
    site.pass_by(HOUR, name)
    assert site.stats(name, model)["SKEW", "distance"] == pytest.approx([0.0], abs=1e-12)
    assert site.entries(name) == []


def test_without_a_schema_a_job_waits_for_a_thousand_predictions(site: Site) -> None:
    """And then takes the types of the values."""
    name, model = watched(site, schema=False)
    site.asked(START, usual(999), model)
    waiting = site.pass_by(HOUR, name)
    assert waiting.state == STATE.JOB_STATE_PENDING
    assert "999 so far" in waiting.latest_monitoring_pipeline_metadata.status.message
    site.asked(START + HOUR, moved(4), model)
    assert site.pass_by(HOUR, name).state == STATE.JOB_STATE_RUNNING
    assert site.stats(name, model)["SKEW", "distance"] == pytest.approx([1.0])


def test_a_baseline_that_is_not_there_is_said(site: Site) -> None:
    """The window is lost, with the reason in the job's status; the next one is looked at."""
    name, model = watched(site)
    site.asked(START, usual(), model)
    site.bigquery.delete_table(f"{PROJECT}.{site.dataset}.training")
    found = site.pass_by(HOUR, name)
    assert found.latest_monitoring_pipeline_metadata.status.code == 5
    assert "training" in found.latest_monitoring_pipeline_metadata.status.message


def test_windows_are_neither_lost_nor_doubled_by_a_kill(emulator: Emulator, tmp_path: Path, dataset: str) -> None:
    """Two that ended while the emulator was down are made up for; one that a kill cut off is told once."""
    clock = ManualClock(START)
    with site_on(emulator, tmp_path / "state", clock, dataset) as before:
        name, model = watched(before)
        before.asked(START, moved(), model)
        shutil.copytree(tmp_path / "state", tmp_path / "killed")
        before.pass_by(HOUR, name)
    # As a kill leaves it between telling and writing down that it was told: the store is the one before the window.
    for folder in ("outbox", "logs"):
        shutil.copytree(tmp_path / "state" / folder, tmp_path / "killed" / folder, dirs_exist_ok=True)
    log = tmp_path / "killed" / "logs" / "monitoring" / f"{name.rpartition('/')[2]}.jsonl"
    with log.open("a", encoding="utf-8") as file:
        file.write('{"insertId": "cut o')
    clock.advance(2 * HOUR)
    with site_on(emulator, tmp_path / "killed", clock, dataset) as after:
        after.asked(START + HOUR, usual(), model)
        after.pass_by(HOUR, name)
        assert after.stats(name, model)["SKEW", "distance"] == pytest.approx([1.0, 0.0], abs=1e-12)
        ends = [entry["jsonPayload"]["endTime"] for entry in after.entries(name)]
        assert Counter(ends) == {"2026-03-02T01:00:00Z": 1, "2026-03-02T02:00:00Z": 1}
        assert len(after.mails()) == 2


def test_kills_in_the_middle_of_windows_lose_none_and_tell_none_twice(
    emulator: Emulator, tmp_path: Path, dataset: str
) -> None:
    """Four windows, a kill -9 at another moment of the work on each: in the end each is told once, in order."""
    state, windows = tmp_path / "state", len(_KILLS_S)
    process, url = start(emulator.endpoints.bigquery, state, START)
    site = Site(clients(url, state), ManualClock(START), emulator.bigquery(), dataset)
    name, model = watched(site)
    for hour, pause in enumerate(_KILLS_S):
        at = START + hour * HOUR
        site.asked(at, moved() if hour % 2 else usual(), model)
        advance(process, HOUR)
        time.sleep(pause)
        kill(process)
        process, url = start(emulator.endpoints.bigquery, state, at + HOUR)
    site = replace(site, vertex=clients(url, state))
    try:
        soon(lambda: site.job(name).next_schedule_time > START + windows * HOUR)
        ends = [
            (entry["jsonPayload"]["anomalyObjective"], entry["jsonPayload"]["endTime"]) for entry in site.entries(name)
        ]
        skewed = [f"2026-03-02T{hour + 1:02}:00:00Z" for hour in range(1, windows, 2)]
        drifted = [f"2026-03-02T{hour + 1:02}:00:00Z" for hour in range(1, windows)]
        assert Counter(ends) == Counter(
            [("RAW_FEATURE_SKEW", end) for end in skewed] + [("RAW_FEATURE_DRIFT", end) for end in drifted]
        )
        assert [end for _, end in ends] == sorted(end for _, end in ends)
        assert len(site.stats(name, model, SKEW)["SKEW", "distance"]) == windows
        assert len(site.mails()) == len(ends)
    finally:
        stop(process)


NUMBERS = st.lists(
    st.floats(-1e6, 1e6) | st.integers(-5, 5).map(float) | st.sampled_from([float("inf"), float("-inf"), float("nan")]),
    min_size=1,
    max_size=30,
)
LETTERS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=30)


def numbers(values: Sequence[float]) -> distance.Numbers:
    """The counts of a sample, value by value."""
    finite = [value for value in values if np.isfinite(value)]
    unmatched = len(values) - len(finite)
    edges = distance.edges_of(min(finite), max(finite)) if finite else ()
    if len(edges) < 2:
        return distance.Numbers(edges, (len(finite),) * len(edges), unmatched)
    places = Counter(min(bisect.bisect_right(edges, value), distance.BUCKETS) - 1 for value in finite)
    return distance.Numbers(edges, tuple(places[place] for place in range(distance.BUCKETS)), unmatched)


@given(NUMBERS, NUMBERS)
def test_the_emulator_measures_numbers_as_the_product_does(one: list[float], other: list[float]) -> None:
    """Two implementations, one definition."""
    sides = [count(lambda side=side: [pa.table({"x": side})], {"x": "number"})["x"] for side in (one, other)]  # type: ignore[misc] # bound
    found = distance.jensen_shannon(numbers(one), numbers(other))
    assert found == pytest.approx(distance_between(*sides), abs=1e-9)


@given(LETTERS, LETTERS)
def test_the_emulator_measures_categories_as_the_product_does(one: list[str], other: list[str]) -> None:
    """Two implementations, one definition."""
    sides = [count(lambda side=side: [pa.table({"x": side})], {"x": "category"})["x"] for side in (one, other)]  # type: ignore[misc] # bound
    assert distance.l_infinity(Counter(one), Counter(other)) == pytest.approx(distance_between(*sides), abs=1e-9)
