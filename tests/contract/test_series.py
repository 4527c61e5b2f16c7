"""The time series of a problem in BigQuery's emulator: a window stands in it once, however often it is judged."""

import datetime as dt
from dataclasses import replace

import pytest

from plumbline.adapters import bigquery as bq
from plumbline.adapters.alerting import raise_alerts
from plumbline.adapters.clients import Clients
from plumbline.adapters.series import alerts_since, write_quality
from plumbline.alerts import Alert
from plumbline.environment import Place
from plumbline.observation import Period
from plumbline.quality import Point
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.vertex import fresh

DAY = dt.datetime(2020, 3, 2, tzinfo=dt.UTC)
ONE, NEXT = (Period(start=DAY + n * dt.timedelta(days=1), end=DAY + (n + 1) * dt.timedelta(days=1)) for n in (0, 1))
ALERT = Alert(kind="quality", version="3", window_start=ONE.start, window_end=ONE.end, summary='auc "low"')
EMAILS = ("a@example.com", "b@example.com")


def point(metric: str, value: float | None, period: Period = ONE, *, rows: int = 700) -> Point:
    """A point of version 3 on all rows."""
    return Point(
        window_start=period.start.isoformat(),
        window_end=period.end.isoformat(),
        version="3",
        slice="all rows",
        metric=metric,
        value=value,
        low=None,
        high=0.75,
        rows=rows,
    )


@pytest.fixture
def clients(emulator: Emulator) -> Clients:
    """Clients of a dataset that no other test has."""
    dataset = fresh("series").replace("-", "_")
    place = Place(project=PROJECT, location=LOCATION, bucket="models", dataset=dataset, bigquery_location=LOCATION)
    bq.ensure_dataset(emulator.bigquery(), place)
    return Clients(place, emulator.environment)


def series(clients: Clients) -> list[tuple[object, ...]]:
    """The time series, in order."""
    table = bq.full_name(clients.place, "parcels_quality")
    sql = f"SELECT window_start, metric, value, low, high, `rows` FROM `{table}` ORDER BY window_start, metric"  # noqa: S608 - ours
    return [tuple(row.values()) for row in clients.bigquery().query(sql).result()]


def test_a_window_that_is_judged_again_is_replaced(clients: Clients) -> None:
    """What it no longer has is gone, what is new is there, and other windows stay as they are."""
    write_quality(clients, "parcels", ONE, [point("auc", 0.5), point("recall", None)])
    write_quality(clients, "parcels", NEXT, [point("auc", 0.6, NEXT)])
    write_quality(clients, "parcels", ONE, [point("auc", 0.7, rows=701)])
    wanted = [(ONE.start, "auc", 0.7, None, 0.75, 701), (NEXT.start, "auc", 0.6, None, 0.75, 700)]
    assert series(clients) == wanted
    write_quality(clients, "parcels", ONE, [point("auc", 0.7, rows=701)])
    assert series(clients) == wanted


def test_a_window_without_points_empties_its_place(clients: Clients) -> None:
    """Also where the table was not there yet."""
    write_quality(clients, "parcels", ONE, [])
    assert series(clients) == []
    write_quality(clients, "parcels", ONE, [point("auc", 0.5)])
    write_quality(clients, "parcels", ONE, [])
    assert series(clients) == []


def test_an_alert_is_raised_once(clients: Clients, capsys: pytest.CaptureFixture[str]) -> None:
    """The second look at a window says nothing, and an alert of another version is another one."""
    other = replace(ALERT, version="4")
    assert alerts_since(clients, "parcels", None) == ()
    for found, new in (([ALERT], [ALERT]), ([ALERT], []), ([ALERT, other], [other]), ([], [])):
        assert list(raise_alerts(clients, "parcels", found, emails=EMAILS, now=DAY + dt.timedelta(days=2))) == new
    assert set(alerts_since(clients, "parcels", None)) == {ALERT, other}
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    assert [line.count('"severity": "ERROR"') for line in lines] == [1, 1]


def test_alerts_are_told_by_when_they_were_raised(clients: Clients) -> None:
    """Those after a moment, not at it, the newest first."""
    moments = [DAY + n * dt.timedelta(days=1) for n in (2, 3, 4)]
    for moment in moments:
        alert = replace(ALERT, window_start=moment, summary=moment.isoformat())
        raise_alerts(clients, "parcels", [alert], emails=EMAILS, now=moment)
    found = alerts_since(clients, "parcels", moments[0])
    assert [alert.summary for alert in found] == [moment.isoformat() for moment in reversed(moments[1:])]
