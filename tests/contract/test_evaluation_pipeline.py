"""The compiled evaluation pipeline, run on the emulator from its log to the training that it starts."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from pipelines.compiled import compile_graph
from pipelines.evaluate import told
from plumbline.adapters import pipeline_jobs
from plumbline.adapters.observing import log_table
from plumbline.adapters.pipeline_jobs import Order
from plumbline.adapters.retraining import save
from plumbline.continuous import Retraining
from plumbline.problem import Evaluation, Gate, Monitoring
from plumbline.runs import Run
from plumbline.section import to_json
from tests.contract.conftest import Emulator
from tests.contract.continuous_case import TRAINING, Business, business
from tests.contract.late_labels import DATA, DAY, HOUR, OBSERVATION, PERIOD, SQL, Asked, fill_tables, instance, outcome
from tests.contract.small_pipeline import compiled
from tests.contract.vertex import fresh

AT = PERIOD.end + 13 * HOUR
"""The labels of the window have been known for an hour."""
EVALUATION = Evaluation(
    slices=((), ("weekday",)),
    minimum_count=40,
    minimum_positives=5,
    gates=(Gate(metric="auc", minimum=0.8), Gate(metric="auc", against="champion", margin=0.0)),
)
LOOKING = ("observe", "judge", "alert", "drift", "decide")
"""The steps of an evaluation that starts no training."""
MONITORING = Monitoring(emails=("a@example.com", "b@example.com"))
"""Sixty requests are too few to compare."""
PARCELS = [outcome(f"n{number}", number / 4, late=number % 3 == 0) for number in range(60)]
"""Twenty of sixty are late."""


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """The compiled training."""
    return compiled(TRAINING, tmp_path_factory.mktemp("training") / "training_pipeline.py")


@pytest.fixture
def shop(emulator: Emulator) -> Business:
    """A problem with ten parcels a day from January 1 to March 3, 2020."""
    made = business(emulator)
    made.parcels([dt.date(2020, 1, 1) + dt.timedelta(days=number) for number in range(63)], each=10)
    return made


def answer(shop: Business, *, right: bool, rows: int = 60, at: dt.datetime = DAY - HOUR) -> None:
    """The log of a version that is asked for each parcel, and tells those that will be late or says the opposite."""
    deployed = shop.serve()
    shop.watch()
    instances = [instance(number / 4) for number in range(rows)]
    scores = [0.9 if (number % 3 == 0) == right else 0.1 for number in range(rows)]
    log = [Asked(at, instances, scores, deployed)]
    fill_tables(shop.clients, PARCELS, log, endpoint=shop.serving.endpoint)


def evaluate(
    shop: Business,
    training: Mapping[str, Any],
    *,
    retraining: Retraining | None,
    monitoring: Monitoring = MONITORING,
) -> Run:
    """The evaluation pipeline, ended."""
    clients = shop.clients
    parameters = {
        "name": shop.name,
        "place": to_json(clients.place),
        "data": to_json(replace(DATA, tables=("parcels",))),
        "sql": SQL,
        "observation": to_json(OBSERVATION),
        "evaluation": to_json(EVALUATION),
        "monitoring": to_json(monitoring),
        "retraining": to_json(retraining) if retraining else "",
        "endpoint": shop.serving.endpoint,
        "order": save(clients, shop.order(training)),
        "at": AT.isoformat(),
    }
    labels = {"observes": shop.name}
    root = f"gs://{clients.place.bucket}/runs"
    order = Order(fresh("evaluation"), "evaluation", compile_graph("evaluation"), parameters, root, labels)
    return shop.ended(pipeline_jobs.submit(clients.pipelines(), clients.place, order))


def states(run: Run) -> dict[str, str]:
    """The state of each step."""
    return {name: step.state for name, step in run.steps.items()}


def test_a_model_gone_bad_is_told_and_trained_again(shop: Business, training: Mapping[str, Any]) -> None:
    """One line in the log, one row of alerts, one training with its evidence; a second look adds nothing."""
    answer(shop, right=False)
    retraining = Retraining(on_alert=True, cooldown_hours=0, runs_a_day=9)
    run = evaluate(shop, training, retraining=retraining)
    assert run.state == "SUCCEEDED", run
    assert states(run) == dict.fromkeys((*LOOKING, "launch"), "SUCCEEDED")
    assert run.metadata("observe", "observed")["matched"] == 60
    assert run.metadata("judge", "judgements")["failed"] == ["1"]
    (entry,) = shop.log(run, "alert")
    assert entry["severity"] == "ERROR"
    assert entry["emails"] == list(MONITORING.emails)
    (raised,) = shop.rows("alerts")
    assert (raised["version"], raised["raised_at"], raised["window_start"]) == ("1", AT, DAY)
    assert raised["summary"] in entry["message"]
    (auc,) = (row for row in shop.rows("quality") if (row["metric"], row["slice"]) == ("auc", "all rows"))
    assert (auc["value"], auc["rows"], auc["window_start"], auc["window_end"]) == (0.0, 60, DAY, PERIOD.end)
    (job,) = shop.trainings()
    evidence = shop.evidence(job.name)
    assert evidence is not None
    assert (evidence.reasons, [alert.version for alert in evidence.alerts]) == (("alert",), ["1"])
    assert any("no new one" not in line and "auc" in line for line in told(run) if line.startswith("  alerts"))
    before = shop.rows("quality")
    again = evaluate(shop, training, retraining=retraining)
    assert states(again) == dict.fromkeys(LOOKING, "SUCCEEDED")
    assert len(shop.rows("alerts")) == len(shop.trainings()) == 1
    assert shop.log(again, "alert") == []
    assert sorted(shop.rows("quality"), key=str) == sorted(before, key=str)


def test_a_good_model_is_left_alone(shop: Business, training: Mapping[str, Any]) -> None:
    """Its window passes, and there is no reason to train."""
    answer(shop, right=True)
    run = evaluate(shop, training, retraining=Retraining(on_alert=True))
    assert states(run) == dict.fromkeys(LOOKING, "SUCCEEDED")
    assert str(run.metadata("judge", "judgements")["summary"]).startswith("version 1 passed")
    assert "no alert since the last training" in str(run.metadata("decide", "decision")["text"])
    assert shop.trainings() == []


def test_too_few_labelled_rows_are_not_judged(shop: Business, training: Mapping[str, Any]) -> None:
    """Neither passed nor failed, whatever the scores: no alert, and no training of a problem without that section."""
    answer(shop, right=False, rows=30)
    run = evaluate(shop, training, retraining=None)
    assert run.state == "SUCCEEDED", run
    told_of = str(run.metadata("judge", "judgements")["summary"])
    assert told_of == "version 1 not judged (30 labelled rows, 10 positive; wanted 40 and 5)"
    assert run.metadata("alert", "raised")["raised"] == []
    assert "no section `retraining`" in str(run.metadata("decide", "decision")["text"])
    assert shop.trainings() == []


def test_requests_unlike_the_training_are_told(shop: Business, training: Mapping[str, Any]) -> None:
    """One alert for all columns, which is a reason to train though the gates pass; a second look adds none."""
    answer(shop, right=True, at=DAY)
    watching = replace(MONITORING, minimum_values=50, skew={"weight": 0.3}, skew_threshold=1.0, drift_threshold=1.0)
    retraining = Retraining(on_alert=True, cooldown_hours=0, runs_a_day=9)
    run = evaluate(shop, training, retraining=retraining, monitoring=watching)
    assert states(run) == dict.fromkeys((*LOOKING, "launch"), "SUCCEEDED")
    (raised,) = shop.rows("alerts")
    assert (raised["kind"], raised["version"], raised["raised_at"]) == ("skew", "1", AT)
    assert raised["summary"] == "weight 1.000 (at most 0.3)"
    (entry,) = shop.log(run, "drift")
    assert "skew: weight 1.000" in entry["message"]
    assert dict(run.metadata("drift", "distances")["furthest"])["weight"] == 1.0  # type: ignore[call-overload]
    (job,) = shop.trainings()
    evidence = shop.evidence(job.name)
    assert evidence is not None
    assert [alert.kind for alert in evidence.alerts] == ["skew"]
    evaluate(shop, training, retraining=retraining, monitoring=watching)
    assert len(shop.rows("alerts")) == 1


@pytest.mark.parametrize("serves", [False, True])
def test_before_the_first_prediction_a_training_is_decided(
    shop: Business, training: Mapping[str, Any], serves: bool
) -> None:
    """With nothing deployed, or nothing asked of it yet, nothing is judged and compared, and a look is no failure."""
    fill_tables(shop.clients, PARCELS, [], endpoint=shop.serving.endpoint)
    if serves:
        shop.serve()
        shop.watch()
    shop.clients.bigquery().delete_table(log_table(shop.clients, shop.serving.endpoint))
    run = evaluate(shop, training, retraining=Retraining(new_rows=10, cooldown_hours=0))
    assert states(run) == dict.fromkeys((*LOOKING, "launch"), "SUCCEEDED")
    assert str(run.metadata("judge", "judgements")["summary"]).startswith("not judged")
    assert run.metadata("drift", "distances")["raised"] == []
    (job,) = shop.trainings()
    evidence = shop.evidence(job.name)
    assert evidence is not None
    assert evidence.reasons == ("new rows",)
