"""Alerts: what is wrong with a model that serves, as a row, and as a line that Cloud Logging reads."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Literal

from plumbline.section import section

Kind = Literal["quality", "skew", "drift"]


@section
class Alert:
    """One thing that is wrong, of one version in one window. Who finds something makes such; one step raises them."""

    kind: Kind
    version: str
    """Of the model, by number."""
    window_start: dt.datetime
    window_end: dt.datetime
    summary: str


def log_line(alert: Alert, *, problem: str, emails: Sequence[str]) -> str:
    """The alert as one line of JSON with severity ERROR.

    Source: Cloud Logging, "Structured logging": `severity`, `message` and `logging.googleapis.com/labels` are its own
    fields, all others become the payload of the entry.
    """
    entry = {
        "severity": "ERROR",
        "message": f"{problem} version {alert.version}: {alert.kind}: {alert.summary}",
        "logging.googleapis.com/labels": {"problem": problem, "alert": alert.kind},
        "window_start": alert.window_start.isoformat(),
        "window_end": alert.window_end.isoformat(),
        "emails": list(emails),
    }
    return json.dumps(entry)
