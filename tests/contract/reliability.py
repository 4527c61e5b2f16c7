"""The fault matrix: each fault at each call of each cloud step, and what is to come of it.

`python -m tests.contract.reliability docs/reliability.md` writes the page; tests/contract/test_reliability.py tries
every cell against the emulator and compares the page with what it tried.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Outcome = Literal["recovers", "stops", "stops, and the next run clears up"]
RECOVERS: Outcome = "recovers"
STOPS: Outcome = "stops"
LEAVES: Outcome = "stops, and the next run clears up"


@dataclass(frozen=True, slots=True)
class Fault:
    """A way in which a call goes wrong."""

    title: str
    kind: str
    code: str
    times: int | None
    """How many calls in a row; None: every one."""
    outcome: Outcome


BUSY = Fault("429, twice", "answer", "RESOURCE_EXHAUSTED", 2, RECOVERS)
AWAY = Fault("503, twice", "answer", "UNAVAILABLE", 2, RECOVERS)
LOST = Fault("done, but answered 503", "lost", "UNAVAILABLE", 1, RECOVERS)
DENIED = Fault("403", "answer", "PERMISSION_DENIED", None, STOPS)
FAILS = Fault("the operation fails", "operation_fails", "INTERNAL", None, STOPS)
HANGS = Fault("the operation hangs", "operation_hangs", "UNAVAILABLE", None, STOPS)
FAULTS = (BUSY, AWAY, LOST, DENIED, FAILS, HANGS)


@dataclass(frozen=True, slots=True)
class Call:
    """A call that a step makes."""

    step: str
    title: str
    method: str
    """As the emulator's faults.json names it."""
    operation: bool = False
    """Whether it starts something that goes on."""
    clears: bool = False
    """Whether it takes something away: where it cannot, that is still there, and said so."""


CALLS = (
    Call("images", "GetTag", "GetTag"),
    Call("images", "CreateBuild", "CreateBuild"),
    Call("images", "GetBuild", "GetBuild"),
    Call("submit", "CreatePipelineJob", "CreatePipelineJob"),
    Call("submit", "GetPipelineJob", "GetPipelineJob"),
    Call("snapshot", "GetModel", "GetModel"),
    Call("snapshot", "bigquery.tables.get", r"GET .*/tables/"),
    Call("ingest", "bigquery.jobs.insert", r"POST .*/jobs"),
    Call("tune", "CreateHyperparameterTuningJob", "CreateHyperparameterTuningJob", operation=True),
    Call("tune", "GetHyperparameterTuningJob", "GetHyperparameterTuningJob"),
    Call("train", "CreateCustomJob", "CreateCustomJob", operation=True),
    Call("train", "GetCustomJob", "GetCustomJob"),
    Call("register", "UploadModel", "UploadModel", operation=True),
    Call("register", "MergeVersionAliases", "MergeVersionAliases"),
    Call("deploy", "CreateEndpoint", "CreateEndpoint", operation=True),
    Call("deploy", "DeployModel", "DeployModel", operation=True),
    Call("deploy", "UpdateEndpoint (traffic)", "UpdateEndpoint"),
    Call("deploy", "Predict (smoke test)", "Predict"),
    Call("deploy", "MergeVersionAliases (champion)", "MergeVersionAliases"),
    Call("deploy", "UndeployModel", "UndeployModel", operation=True, clears=True),
    Call("deploy", "DeleteEndpoint (staging)", "DeleteEndpoint", operation=True, clears=True),
    Call("monitor", "CreateModelDeploymentMonitoringJob", "CreateModelDeploymentMonitoringJob"),
    Call("monitor", "GetEndpoint", "GetEndpoint"),
    Call("schedule", "CreateSchedule", "CreateSchedule"),
    Call("schedule", "ListSchedules", "ListSchedules"),
    Call("pages", "storage.objects.get", r"GET .*/o/"),
    Call("cancel", "CancelPipelineJob", "CancelPipelineJob"),
    Call("clean-cloud", "UndeployModel", "UndeployModel", operation=True, clears=True),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One fault at one call."""

    call: Call
    fault: Fault

    @property
    def outcome(self) -> Outcome:
        """What is to come of it."""
        return LEAVES if self.call.clears and self.fault.outcome == STOPS else self.fault.outcome

    @property
    def name(self) -> str:
        """For a test's id."""
        return f"{self.call.step}-{self.call.method}-{self.fault.title}".replace(" ", "_")


def cells() -> Iterator[Cell]:
    """Every fault at every call where there is such a fault."""
    for call in CALLS:
        yield from (Cell(call, fault) for fault in FAULTS if call.operation or not fault.kind.startswith("operation"))


_HEAD = """# What happens when Google Cloud fails

<!-- Written by `python -m tests.contract.reliability docs/reliability.md`; a test tries every cell and compares. -->

Each cell is a test: the fault is injected into the emulator, the step is run through Google's client, and then

- **recovers**: the step succeeds, and made everything exactly once;
- **stops**: the step fails with a message that says what was being done and what Google answered. Nothing it made is
  left running, nothing is there twice, and the traffic is where it was. The next run goes on from there and succeeds;
- **stops, and the next run clears up**: what could not be taken away is still there, without traffic; the message names
  it, `make janitor` lists it, and the next run takes it away.

"""
_TAIL = """
What is tried again is what Google says may be: 429 and 503 (and a connection that breaks), with growing pauses, for
three minutes. Any other answer would be the same the next time and stops the step at once. A request whose answer was
lost may have been carried out, so before it is made again we look for what it has made
([`plumbline/adapters/retries.py`](../plumbline/adapters/retries.py)).

Vertex AI runs the report of a pipeline whatever happened, so a run that stops has one that says where and why. To try a
fault yourself, write a rule into `.plumbline/emulator/faults.json` while a run goes on: [emulator.md](emulator.md).

None of this has been tried on Google Cloud, where faults cannot be ordered.
"""


def page() -> str:
    """The page's text."""
    lines = [
        "| step | call | " + " | ".join(fault.title for fault in FAULTS) + " |",
        "|---" * (2 + len(FAULTS)) + "|",
    ]
    by_call: dict[Call, dict[str, Outcome]] = {}
    for cell in cells():
        by_call.setdefault(cell.call, {})[cell.fault.title] = cell.outcome
    lines += [_row(call, outcomes) for call, outcomes in by_call.items()]
    return _HEAD + "\n".join(lines) + "\n" + _TAIL


def _row(call: Call, outcomes: Mapping[str, Outcome]) -> str:
    columns: Sequence[str] = [outcomes.get(fault.title, "") for fault in FAULTS]
    return f"| {call.step} | {call.title} | " + " | ".join(columns) + " |"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
