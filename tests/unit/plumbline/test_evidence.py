"""The evidence of a training that was started by itself, on the page of its run."""

import datetime as dt
import re

from plumbline.alerts import Alert
from plumbline.evidence import Evidence, read_evidence
from plumbline.problem import Split, Window
from plumbline.report import Findings, render
from plumbline.runs import Run
from plumbline.section import to_json

DAY = dt.datetime(2026, 3, 9, tzinfo=dt.UTC)
NEXT = DAY + dt.timedelta(days=1)
EVIDENCE = Evidence(
    reasons=("alert", "new rows"),
    text="1 alert(s) since the last training, the newest: auc is <low>; 21,000 new rows since 2026-01-20",
    decided_at="2026-03-10T13:00:00+00:00",
    champion="3",
    last_training="flights-20260201",
    new_rows=21000,
    alerts=(
        Alert(
            kind="quality", version="3", window_start=DAY, window_end=DAY + dt.timedelta(days=1), summary="auc is <low>"
        ),
    ),
    split=Split(
        train=Window(start=dt.date(2026, 1, 1), end=dt.date(2026, 2, 1)),
        validation=Window(start=dt.date(2026, 2, 1), end=dt.date(2026, 2, 15)),
        test=Window(start=dt.date(2026, 2, 20), end=dt.date(2026, 3, 1)),
    ),
)
RUN = Run("projects/p/locations/l/pipelineJobs/flights-1", "RUNNING", "", None, {})


def page(why: Evidence | None) -> str:
    """The page of a run, without its tags and line breaks."""
    return " ".join(re.sub(r"<[^>]+>", " ", render(RUN, Findings(), title="Late flights", links={}, why=why)).split())


def test_a_run_says_why_it_was_started() -> None:
    """Reason, numbers, alert and windows; text of others is escaped."""
    found = page(EVIDENCE)
    assert "Why this run It was started by itself at 2026-03-10T13:00:00+00:00: 1 alert(s)" in found
    assert "auc is &lt;low&gt;" in found
    assert "Version that serves: 3; 21,000 rows that it was not trained on; training before: flights-20260201" in found
    assert "training 2026-01-01 to 2026-02-01" in found
    assert "test 2026-02-20 to 2026-03-01" in found


def test_a_run_by_hand_says_nothing_of_it() -> None:
    """There is no reason but the one who has started it."""
    assert "Why this run" not in page(None)


def test_evidence_travels_as_a_parameter() -> None:
    """And a run by hand has an empty one."""
    assert read_evidence(to_json(EVIDENCE)) == EVIDENCE
    assert read_evidence("") is None
