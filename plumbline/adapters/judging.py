"""Continuous evaluation: each version that has answered in a window is judged, and who must know is told."""

import datetime as dt
import sys
from collections.abc import Sequence
from pathlib import Path

from plumbline.adapters.clients import Clients
from plumbline.adapters.observing import deployed_in, read_observed, read_summary, served
from plumbline.adapters.series import unraised, write_alerts, write_quality
from plumbline.alerts import Alert, log_line
from plumbline.problem import Data, Evaluation
from plumbline.quality import Judgements, judge_period, points


def judge(  # noqa: PLR0913 - what is judged, and where it lies
    clients: Clients, name: str, data: Data, evaluation: Evaluation, *, endpoint: str, observed: Path
) -> Judgements:
    """What the gates say of each version, also written into the time series.

    Args:
        clients: Google's clients.
        name: Of the problem.
        data: The columns.
        evaluation: Slices and gates.
        endpoint: Its id.
        observed: The folder that `observe` has written.
    """
    rows, period = read_observed(observed), read_summary(observed).period
    versions = served(clients, name, endpoint, deployed_in(rows))
    found = judge_period(rows, versions, period, data, evaluation)
    write_quality(clients, name, period, tuple(points(found)))
    return found


def raise_alerts(
    clients: Clients, name: str, alerts: Sequence[Alert], *, emails: Sequence[str], now: dt.datetime
) -> Sequence[Alert]:
    """Those of the alerts that are new, after each was told.

    A line of JSON on the standard output is an entry of Cloud Logging with severity ERROR; a row in the table of alerts
    is what starts a training. The line comes first: a step that dies in between says it twice, and not never.
    """
    new = unraised(clients, name, alerts)
    for alert in new:
        sys.stdout.write(f"{log_line(alert, problem=name, emails=emails)}\n")
    sys.stdout.flush()
    write_alerts(clients, name, new, emails=emails, now=now)
    return new
