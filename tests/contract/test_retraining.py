"""Continuous training on the emulator: from rows, alerts and runs as they are, to one run with its evidence."""

import datetime as dt
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from plumbline.adapters.alerting import raise_alerts
from plumbline.adapters.pipeline_jobs import parameter
from plumbline.adapters.retraining import gather, launch, look, save, saved
from plumbline.alerts import Alert
from plumbline.continuous import Retraining
from plumbline.errors import DataError
from plumbline.problem import Data, Window
from plumbline.section import from_json
from tests.contract.conftest import Emulator
from tests.contract.continuous_case import TRAINING, Business, business
from tests.contract.late_labels import DATA
from tests.contract.small_pipeline import compiled

# Runs are made at the emulator's time, which is the machine's.
NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)
TODAY = NOW.date()
DAYS = [TODAY - number * DAY for number in range(80, 0, -1)]
ROWS = Retraining(new_rows=100, cooldown_hours=0, runs_a_day=9)


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """The compiled training."""
    return compiled(TRAINING, tmp_path_factory.mktemp("training") / "training_pipeline.py")


@pytest.fixture
def shop(emulator: Emulator) -> Business:
    """A problem with ten parcels a day."""
    made = business(emulator)
    made.parcels(DAYS, each=10)
    return made


def test_the_windows_follow_the_data(shop: Business, spec: Mapping[str, Any]) -> None:
    """They end after the last day that is over; rows are new that the champion was not trained on."""
    shop.serve(trained_to=TODAY - 50 * DAY)
    facts = gather(shop.clients, shop.order(spec), ROWS, now=NOW)
    # The data ends with yesterday. The config's windows are of 31, 14 and 15 days.
    assert facts.split.test == Window(start=TODAY - 15 * DAY, end=TODAY)
    assert facts.split.validation == Window(start=TODAY - 29 * DAY, end=TODAY - 15 * DAY)
    assert facts.split.train == Window(start=TODAY - 60 * DAY, end=TODAY - 29 * DAY)
    assert (facts.champion, facts.trained_to) == ("1", TODAY - 50 * DAY)
    # From 49 to 30 days ago: twenty days of ten parcels.
    assert facts.new_rows == 200
    # Ten days ago at noon that day was not over, and what comes later was not known.
    noon = dt.datetime.combine(TODAY - 10 * DAY, dt.time(12), dt.UTC)
    assert gather(shop.clients, shop.order(spec), ROWS, now=noon).split.test.end == TODAY - 10 * DAY


def test_without_a_champion_every_row_is_new(shop: Business, spec: Mapping[str, Any]) -> None:
    """Those of the training window, that is."""
    facts = gather(shop.clients, shop.order(spec), ROWS, now=NOW)
    assert (facts.champion, facts.trained_to, facts.new_rows) == ("", None, 310)
    assert (facts.trainings, facts.tried, facts.alerts) == ((), None, ())


def test_two_callers_at_once_start_one_run(shop: Business, spec: Mapping[str, Any]) -> None:
    """Four, in fact: one starts it, and each other says why it does not."""
    order = shop.order(spec)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: launch(shop.clients, order, ROWS, now=NOW), range(4)))
    (job,) = shop.trainings()
    assert [each.run for each in found if each.run] == [job.name]
    others = [each.decision.text for each in found if not each.run]
    assert all(
        "another caller is starting" in text or "had the same windows" in text or "under way" in text for text in others
    )
    evidence = shop.evidence(job.name)
    assert evidence is not None
    assert evidence.reasons == ("new rows",)
    assert (evidence.new_rows, evidence.decided_at) == (310, NOW.isoformat())
    data = from_json(Data, parameter(shop.clients.pipelines(), job.name, "data"))
    assert data.split == evidence.split
    assert replace(data, split=DATA.split, tables=DATA.tables) == DATA


def test_a_look_starts_nothing(shop: Business, spec: Mapping[str, Any]) -> None:
    """Nor does a problem that is not retrained by itself."""
    assert look(shop.clients, shop.order(spec), ROWS, now=NOW).train
    assert launch(shop.clients, shop.order(spec), None, now=NOW).run == ""
    assert shop.trainings() == []


def test_the_same_windows_are_not_trained_on_again(shop: Business, spec: Mapping[str, Any]) -> None:
    """The run that had them is looked up; a day later there are other windows, and it goes on."""
    first = launch(shop.clients, shop.order(spec), ROWS, now=NOW)
    assert shop.ended(first.run).state == "SUCCEEDED"
    again = launch(shop.clients, shop.order(spec), ROWS, now=dt.datetime.now(dt.UTC))
    assert f"had the same windows, which end on {TODAY}" in again.decision.text
    shop.parcels([*DAYS, TODAY], each=10)
    assert launch(shop.clients, shop.order(spec), ROWS, now=NOW + DAY).run
    assert len(shop.trainings()) == 2


def test_an_alert_is_answered_once(shop: Business, spec: Mapping[str, Any]) -> None:
    """It is a reason until a training began after it was raised."""
    alert = Alert(kind="quality", version="1", window_start=NOW - 2 * DAY, window_end=NOW, summary="auc is low")
    on_alert = Retraining(on_alert=True, cooldown_hours=0, runs_a_day=9)
    assert not look(shop.clients, shop.order(spec), on_alert, now=NOW).train
    raise_alerts(shop.clients, shop.name, [alert], emails=("a@example.com",), now=NOW)
    started = launch(shop.clients, shop.order(spec), on_alert, now=NOW)
    evidence = shop.evidence(started.run)
    assert evidence is not None
    assert (evidence.reasons, evidence.alerts) == (("alert",), (alert,))
    assert shop.ended(started.run).state == "SUCCEEDED"
    assert gather(shop.clients, shop.order(spec), ROWS, now=NOW).alerts == ()


def test_rows_are_counted_once_and_not_in_vain(shop: Business, spec: Mapping[str, Any]) -> None:
    """Not while something stands against a training anyway, and not again for the start: counting reads the tables."""
    order = shop.order(spec)
    known = gather(shop.clients, order, ROWS, now=NOW)
    blind = replace(order, parameters={**order.parameters, "sql": "SELECT no_such_column FROM {parcels}"})
    started = launch(shop.clients, blind, ROWS, now=NOW, known=known)
    assert started.decision.evidence is not None
    assert (started.decision.train, started.decision.evidence.new_rows) == (True, known.new_rows)
    decision = look(shop.clients, blind, replace(ROWS, cooldown_hours=24), now=NOW)
    assert not decision.train
    assert decision.facts is not None
    assert (decision.facts.new_rows, decision.evidence) == (None, None)
    assert shop.ended(started.run).state == "SUCCEEDED"
    with pytest.raises(DataError, match="no_such_column"):
        gather(shop.clients, blind, ROWS, now=NOW + DAY)


def test_an_order_waits_in_the_bucket(shop: Business, spec: Mapping[str, Any]) -> None:
    """What is read is what was written; the same order lies under the same name."""
    order = shop.order(spec)
    uri = save(shop.clients, order)
    assert uri == save(shop.clients, order)
    assert saved(shop.clients, uri) == order
