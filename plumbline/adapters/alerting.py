"""Alerts: who must know that something is wrong with a model that serves is told, once."""

import datetime as dt
import sys
from collections.abc import Sequence

from plumbline.adapters.clients import Clients
from plumbline.adapters.series import unraised, write_alerts
from plumbline.alerts import Alert, log_line


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
