"""What costs money in a place, and which of it no run owns."""

import dataclasses
import datetime as dt

import pytest

from plumbline.cost import Machines
from plumbline.environment import Place, Prices
from plumbline.inventory import (
    Deployed,
    Endpoint,
    Entry,
    Inventory,
    Job,
    Monitor,
    PipelineRun,
    Scheduled,
    Setting,
    Table,
    Version,
    judge,
    submitted,
)

PARENT = "projects/p-123456/locations/us-central1"
NOW = dt.datetime(2026, 6, 30, tzinfo=dt.UTC)
OLD, NEW = NOW - dt.timedelta(days=31), NOW - dt.timedelta(days=29)
PRICES = Prices(
    currency="USD",
    source="a page",
    date=dt.date(2026, 1, 1),
    query_tib=6.0,
    pipeline_run=0.03,
    step_hour=0.2,
    training_hour={"n1-standard-8": 0.4},
    serving_hour={"n1-standard-2": 0.1},
)
PLACE = Place(project="p-123456", location="us-central1", bucket="b-1", dataset="d", bigquery_location="us-central1")
SETTING = Setting(PLACE, PRICES, NOW, days=30)
AT = "--region=us-central1 --project=p-123456"
RUNNING = PipelineRun(f"{PARENT}/pipelineJobs/trips-20260629120000-ab12", {"problem": "trips"}, running=True)
ENDED = dataclasses.replace(RUNNING, running=False)
OTHER = dataclasses.replace(RUNNING, name=f"{PARENT}/pipelineJobs/other-20260629120000-cd34", labels={"problem": "o"})
DEPLOYED = Deployed(
    endpoint=f"{PARENT}/endpoints/trips",
    deployed_id="77",
    version=f"{PARENT}/models/trips@3",
    traffic=100,
    machines=Machines("n1-standard-2"),
    minimum=2,
    maximum=5,
    labels={"problem": "trips"},
)
IDLE = dataclasses.replace(DEPLOYED, traffic=0)
JOB = Job(f"{PARENT}/customJobs/9", "trips-train", {"problem": "trips"}, [(Machines("n1-standard-8"), 3)])
STAGING = Endpoint(f"{PARENT}/endpoints/trips-staging", {"problem": "trips"}, deployed=0, staging=True)
SERVING = Endpoint(f"{PARENT}/endpoints/trips", {"problem": "trips"}, deployed=1, staging=False)
FEATURES = "p-123456.d.trips_features_0123456789ab"
FOLDER = "gs://b-1/runs/trips-20260501120000-ab12/"


def only(found: Inventory, setting: Setting = SETTING, kind: str = "") -> Entry:
    """The one entry, or the one of its kind."""
    [entry] = [entry for entry in judge(found, setting) if kind in {"", entry.kind}]
    return entry


def test_what_serves_is_listed_with_its_cost_and_is_nobody_s_orphan() -> None:
    """2 x 730 x 0.1 a month, whether or not a run goes on."""
    entry = only(Inventory(deployed=[DEPLOYED]))
    assert entry.price == pytest.approx(146.0)
    assert (entry.unit, entry.orphan) == ("month", "")
    assert entry.detail == "trips@3, 100 % of the traffic, 2 to 5 x n1-standard-2"


@pytest.mark.parametrize(
    ("runs", "is_orphan"), [([], True), ([ENDED], True), ([OTHER], True), ([RUNNING], False), ([OTHER, RUNNING], False)]
)
def test_a_model_without_traffic_is_nobody_s_unless_its_problem_s_run_goes_on(
    runs: list[PipelineRun], is_orphan: bool
) -> None:
    """During a roll-out the new version has no traffic yet; that of another problem does not count."""
    entry = only(Inventory(deployed=[IDLE], runs=runs), kind="deployed model")
    assert bool(entry.orphan) is is_orphan
    assert entry.command == f"gcloud ai endpoints undeploy-model trips --deployed-model-id=77 {AT}"


@pytest.mark.parametrize(("runs", "is_orphan"), [([], True), ([ENDED, OTHER], True), ([RUNNING], False)])
def test_a_custom_job_is_nobody_s_once_its_run_has_ended(runs: list[PipelineRun], is_orphan: bool) -> None:
    """Three replicas at 0.4 an hour."""
    entry = only(Inventory(jobs=[JOB], runs=runs), kind="custom job")
    assert bool(entry.orphan) is is_orphan
    assert entry.price == pytest.approx(1.2)
    assert entry.unit == "hour"
    assert entry.command == f"gcloud ai custom-jobs cancel 9 {AT}"
    searching = dataclasses.replace(JOB, name=JOB.name.replace("customJobs", "hyperparameterTuningJobs"))
    entry = only(Inventory(jobs=[searching], runs=runs), kind="tuning job")
    assert entry.command == f"gcloud ai hp-tuning-jobs cancel 9 {AT}"


def test_the_label_run_decides_where_there_is_one() -> None:
    """Another run of the same problem is not the owner."""
    of_this = dataclasses.replace(JOB, labels={"problem": "trips", "run": RUNNING.run_id})
    of_another = dataclasses.replace(JOB, labels={"problem": "trips", "run": "trips-20260601120000-ffff"})
    assert not only(Inventory(jobs=[of_this], runs=[RUNNING]), kind="custom job").orphan
    assert only(Inventory(jobs=[of_another], runs=[RUNNING]), kind="custom job").orphan


def test_without_labels_any_run_may_be_the_owner() -> None:
    """What cannot be told is not called an orphan while something runs."""
    nameless = dataclasses.replace(JOB, labels={})
    assert not only(Inventory(jobs=[nameless], runs=[OTHER]), kind="custom job").orphan
    assert only(Inventory(jobs=[nameless], runs=[ENDED]), kind="custom job").orphan


def test_a_running_pipeline_job_is_listed_and_one_that_has_ended_is_not() -> None:
    """It is its own owner, and costs a step's machine by the hour."""
    entry = only(Inventory(runs=[RUNNING, dataclasses.replace(OTHER, running=False)]))
    assert (entry.kind, entry.name, entry.price, entry.orphan) == ("pipeline job", RUNNING.run_id, 0.2, "")
    assert entry.command.endswith(f"/v1/{RUNNING.name}:cancel")


def test_a_staging_endpoint_belongs_to_a_run_that_goes_on() -> None:
    """An endpoint that serves is not listed: it costs nothing by itself."""
    left = only(Inventory(endpoints=[STAGING, SERVING]))
    assert left.orphan
    assert left.command == f"gcloud ai endpoints delete trips-staging {AT}"
    assert not only(Inventory(endpoints=[STAGING], runs=[RUNNING]), kind="staging endpoint").orphan


def test_monitoring_of_an_endpoint_with_nothing_on_it_is_nobody_s() -> None:
    """Or of one that is gone."""
    monitor = Monitor(f"{PARENT}/modelDeploymentMonitoringJobs/5", SERVING.name, {})
    assert not only(Inventory(monitors=[monitor], endpoints=[SERVING])).orphan
    empty = dataclasses.replace(SERVING, deployed=0)
    assert only(Inventory(monitors=[monitor], endpoints=[empty])).orphan
    gone = only(Inventory(monitors=[monitor]))
    assert gone.orphan
    assert gone.command == f"gcloud ai model-monitoring-jobs delete 5 {AT}"


def test_an_active_schedule_is_listed_with_what_pauses_it() -> None:
    """It is somebody's will, so no orphan."""
    entry = only(Inventory(schedules=[Scheduled(f"{PARENT}/schedules/4", "trips", "TZ=UTC 0 6 * * 1")]))
    assert (entry.orphan, entry.detail[:24]) == ("", "trips, TZ=UTC 0 6 * * 1;")
    assert entry.command.endswith(f"/v1/{PARENT}/schedules/4:pause")


def test_a_version_is_listed_when_nothing_points_at_it() -> None:
    """An alias or a deployment keeps it off the list; a run of the last days keeps it from being an orphan."""
    loose = Version(f"{PARENT}/models/trips@2", (), is_deployed=False, artifact_uri="gs://b-1/x", labels={"run": "r"})
    kept = dataclasses.replace(loose, aliases=("champion",))
    served = dataclasses.replace(loose, is_deployed=True)
    assert not judge(Inventory(versions=[kept, served]), SETTING)
    entry = only(Inventory(versions=[loose, kept, served]))
    assert entry.orphan
    assert entry.command == f"gcloud ai models delete-version trips@2 {AT}"
    recent = dataclasses.replace(loose, labels={"run": ENDED.run_id})
    assert not only(Inventory(versions=[recent], runs=[ENDED])).orphan


@pytest.mark.parametrize(
    ("found", "is_orphan"),
    [
        (Inventory(tables=[Table(FEATURES, OLD, 10)]), True),
        (Inventory(tables=[Table(f"{FEATURES}_train", OLD, 10)]), True),
        (
            Inventory(
                tables=[Table(FEATURES, OLD, 10)], runs=[dataclasses.replace(ENDED, uses=frozenset((FEATURES,)))]
            ),
            False,
        ),
        (
            Inventory(
                tables=[Table(f"{FEATURES}_train", OLD, 10)],
                runs=[dataclasses.replace(ENDED, uses=frozenset((FEATURES,)))],
            ),
            False,
        ),
        (
            Inventory(
                tables=[Table(f"{FEATURES}_train", OLD, 10)],
                monitors=[Monitor("m", "e", {}, tables=frozenset((f"{FEATURES}_train",)))],
            ),
            False,
        ),
    ],
)
def test_an_old_features_table_is_nobody_s_unless_a_run_or_monitoring_uses_it(
    found: Inventory, is_orphan: bool
) -> None:
    """The training rows belong to the features that a run names; monitoring may compare with them for years."""
    entry = only(found, kind="features table")
    assert bool(entry.orphan) is is_orphan
    assert entry.command.startswith("bq rm -f -t p-123456:d.trips_features_0123456789ab")


def test_young_tables_and_tables_that_are_not_ours_are_not_listed() -> None:
    """The sources lie in the same dataset, and are never named."""
    tables = [Table(FEATURES, NEW, 10), Table("p-123456.d.trips", OLD, 10), Table("p-123456.d.my_features", OLD, 10)]
    assert not judge(Inventory(tables=tables), SETTING)


def test_an_old_run_folder_is_nobody_s_unless_a_version_or_a_run_uses_a_file_of_it() -> None:
    """A model's files lie in the folder of the run that trained it, and a cached result where it was first made."""
    assert only(Inventory(folders=[FOLDER])).command == f"gcloud storage rm --recursive {FOLDER}"
    assert only(Inventory(folders=[FOLDER])).orphan
    model = Version("m@1", ("champion",), is_deployed=True, artifact_uri=f"{FOLDER}train/model")
    assert not only(Inventory(folders=[FOLDER], versions=[model])).orphan
    cached = dataclasses.replace(ENDED, uses=frozenset((f"{FOLDER}ingest/dataset",)))
    assert not only(Inventory(folders=[FOLDER], runs=[cached])).orphan


def test_young_folders_and_folders_that_are_no_run_s_are_not_listed() -> None:
    """A run's folder is called as its id, which ends in the time and a random part."""
    folders = ["gs://b-1/runs/trips-20260629120000-ab12/", "gs://b-1/runs/mine/", "gs://b-1/runs/x-99999999999999-ab/"]
    assert not judge(Inventory(folders=folders), SETTING)


def test_a_run_s_id_tells_when_it_was_submitted() -> None:
    """In UTC."""
    assert submitted("trips-20260501123456-ab12") == dt.datetime(2026, 5, 1, 12, 34, 56, tzinfo=dt.UTC)
    assert submitted("plumbline-training") is None


def test_without_prices_there_is_no_price() -> None:
    """The entry says in which unit it would be."""
    unpriced = dataclasses.replace(SETTING, prices=None)
    assert [entry.price for entry in judge(Inventory(deployed=[DEPLOYED], jobs=[JOB], runs=[RUNNING]), unpriced)] == [
        None
    ] * 3
