"""What became of a run, judged by its steps."""

import datetime as dt

import pytest

from plumbline.runs import Outcome, Output, Run, Step, outcome

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
GOOD = {
    "validate": {"report": {"passed": True, "failed": []}},
    "evaluate": {"verdict": {"passed": True, "summary": "passed: 3 of 3"}},
    "card": {"card": {"complete": True, "missing": []}},
}


def run(states: dict[str, str], outputs: dict[str, dict[str, dict[str, object]]] | None = None, error: str = "") -> Run:
    """A run with steps in these states."""
    told = {**GOOD, **(outputs or {})}
    steps = {
        name: Step(
            name,
            state,
            START,
            START + dt.timedelta(seconds=2),
            error="boom\n  its log" if state == "FAILED" else "",
            outputs={key: Output("", metadata) for key, metadata in told.get(name, {}).items()},
        )
        for name, state in states.items()
    }
    return Run("projects/p/locations/l/pipelineJobs/flights-1", "RUNNING", error, START, steps)


DONE = dict.fromkeys(
    ("ingest", "validate", "baseline", "train", "evaluate", "card", "register", "deploy", "monitor"), "SUCCEEDED"
)


@pytest.mark.parametrize(
    ("found", "wanted", "status"),
    [
        (run({**DONE, "report": "RUNNING"}), Outcome("shipped", "monitor", "passed: 3 of 3"), 0),
        (run({**DONE, "ingest": "SKIPPED", "monitor": "SKIPPED"}), Outcome("shipped", "monitor", "passed: 3 of 3"), 0),
        (
            run(
                {"ingest": "SUCCEEDED", "validate": "SUCCEEDED"},
                {"validate": {"report": {"passed": False, "failed": ["a", "b", "c", "d"]}}},
            ),
            Outcome("blocked", "validate", "the data is not fit to train on: a; b; c and 1 more"),
            3,
        ),
        (
            run(
                {**DONE, "register": "NOT_TRIGGERED", "deploy": "NOT_TRIGGERED", "monitor": "NOT_TRIGGERED"},
                {"evaluate": {"verdict": {"passed": False, "summary": "blocked: auc"}}},
            ),
            Outcome("blocked", "evaluate", "blocked: auc"),
            3,
        ),
        (
            run(
                {**DONE, "register": "NOT_TRIGGERED", "monitor": "NOT_TRIGGERED"},
                {"card": {"card": {"complete": False, "missing": ["users"]}}},
            ),
            Outcome("blocked", "card", "the model card lacks users"),
            3,
        ),
        (run({**DONE, "deploy": "FAILED", "monitor": "NOT_TRIGGERED"}), Outcome("failed", "deploy", "boom"), 1),
        (run({**DONE, "report": "FAILED"}), Outcome("failed", "report", "boom"), 1),
        (run({"ingest": "CANCELLED"}), Outcome("failed", "ingest", "cancelled"), 1),
        (run({"ingest": "SUCCEEDED"}, error="stopped"), Outcome("failed", "run", "stopped"), 1),
        (run({}), Outcome("failed", "run", "the run ended before the model was watched"), 1),
    ],
)
def test_every_ending_has_its_outcome(found: Run, wanted: Outcome, status: int) -> None:
    """Shipped, blocked by data, gates or card, failed at a step, or ended early."""
    assert outcome(found) == wanted
    assert outcome(found).exit_status == status
