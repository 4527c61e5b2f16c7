"""An alert as Cloud Logging reads it."""

import datetime as dt
import json

from plumbline.alerts import Alert, log_line

DAY = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
ALERT = Alert(
    kind="quality", version="3", window_start=DAY, window_end=DAY + dt.timedelta(days=1), summary='auc "low"\nreally'
)


def test_an_alert_is_one_line_with_severity() -> None:
    """Cloud Logging takes severity, message and labels from a line of JSON; the addresses go with it."""
    line = log_line(ALERT, problem="flights", emails=("a@example.com", "b@example.com"))
    assert "\n" not in line
    assert json.loads(line) == {
        "severity": "ERROR",
        "message": 'flights version 3: quality: auc "low"\nreally',
        "logging.googleapis.com/labels": {"problem": "flights", "alert": "quality"},
        "window_start": "2026-03-01T00:00:00+00:00",
        "window_end": "2026-03-02T00:00:00+00:00",
        "emails": ["a@example.com", "b@example.com"],
    }
