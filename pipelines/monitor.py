"""`make monitor`: skew, drift and prediction drift of what the endpoint has been asked and has answered lately."""

import datetime as dt
from collections.abc import Callable

from pipelines.commands import now as utc
from pipelines.session import Session
from plumbline.adapters.monitoring_jobs import Watched
from plumbline.adapters.watching import compare
from plumbline.errors import PlumblineError
from plumbline.observation import Period
from plumbline.section import to_json
from plumbline.skew import WatchReport, table

JUDGED, NOTHING_JUDGED, ANOMALY = 0, 1, 3
"""Exit statuses."""


def monitor(session: Session, *, hours: float, until: str, now: Callable[[], dt.datetime] = utc) -> int:
    """Says how far each feature and each answer has moved; the exit status is 3 on an anomaly.

    It is 1 where nothing could be judged, since nothing has passed then, and otherwise 0.

    Args:
        session: Where, and what.
        hours: How long the window is; 0: as long as monitoring's interval.
        until: The end of the window, ISO 8601, in UTC unless it says otherwise; empty: now.
        now: Gives the time.

    Raises:
        PlumblineError: There is no endpoint that is monitored and logs its requests, or BigQuery refuses.
    """
    config, clients = session.loaded.config, session.clients
    period = _period(until, hours or config.monitoring.interval_hours, now())
    found, report = compare(
        clients, config.name, config.data, config.monitoring, endpoint=config.serving.endpoint, period=period
    )
    _tell(session, report, period, found)
    if report.anomalies:
        return ANOMALY
    return JUDGED if len(report.not_judged) < len(report.distances) else NOTHING_JUDGED


def _period(until: str, hours: float, now: dt.datetime) -> Period:
    try:
        end = dt.datetime.fromisoformat(until) if until else now
    except ValueError as error:
        raise PlumblineError(f"wanted a time as 2026-03-02T06:00, got {until!r}") from error
    end = end.astimezone(dt.UTC) if end.tzinfo else end.replace(tzinfo=dt.UTC)
    if hours <= 0:
        raise PlumblineError(f"a window of {hours:g} hours is none")
    return Period(start=end - dt.timedelta(hours=hours), end=end)


def _tell(session: Session, report: WatchReport, window: Period, found: Watched) -> None:
    say = session.say
    say(f"{window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC, {found.log_table}")
    say(f"against {found.training_table}, and the {window.end - window.start} before")
    for line in table(report):
        say(line)
    path = session.state / "monitoring" / f"{window.end:%Y%m%dT%H%M%SZ}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_json(report) + "\n", encoding="utf-8")
    say(f"  {'report':<12} {path}")
    anomalies, left_out = len(report.anomalies), len(report.not_judged)
    say(f"{len(report.distances)} distances: {anomalies} above the threshold, {left_out} not judged")
