"""A run of the pipeline as it stands, and what became of it."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

STEPS = (
    "snapshot",
    "ingest",
    "validate",
    "baseline",
    "signal",
    "prototype",
    "tune",
    "train",
    "evaluate",
    "explain",
    "card",
    "register",
    "deploy",
    "monitor",
    "report",
)
"""The steps of the graph, in the order in which a reader thinks of them."""
OBSERVING = ("observe", "judge", "alert", "drift", "decide", "launch")
"""The steps of the evaluation pipeline, in their order."""
ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
"""The states of a pipeline job that do not change any more."""
CACHED = "SKIPPED"
"""Vertex AI's word for a task whose result was taken from the cache."""
DONE = frozenset(("SUCCEEDED", CACHED))
_BROKEN = frozenset(("FAILED", "CANCELLED"))
Metadata = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Output:
    """An artifact that a step has made."""

    uri: str
    metadata: Metadata


@dataclass(frozen=True, slots=True)
class Step:
    """One step as it stands."""

    name: str
    state: str
    """PENDING, RUNNING, SUCCEEDED, SKIPPED (taken from the cache), FAILED, NOT_TRIGGERED, CANCELLED."""
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    error: str = ""
    outputs: Mapping[str, Output] = field(default_factory=dict)

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return (self.end - self.start).total_seconds() if self.start and self.end else None


@dataclass(frozen=True, slots=True)
class Run:
    """A pipeline job as it stands."""

    name: str
    """Resource name."""
    state: str
    error: str
    start: dt.datetime | None
    steps: Mapping[str, Step]

    @property
    def run_id(self) -> str:
        """The last part of its name."""
        return self.name.rpartition("/")[2]

    def metadata(self, step: str, output: str) -> Metadata:
        """What a step says of an output; empty where it has not made it."""
        found = self.steps.get(step)
        return found.outputs[output].metadata if found and output in found.outputs else {}

    def uri(self, step: str, output: str) -> str:
        """Where an output lies; empty where it has not been made."""
        found = self.steps.get(step)
        return found.outputs[output].uri if found and output in found.outputs else ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a run."""

    kind: Literal["shipped", "blocked", "failed"]
    where: str
    """The step that decided it."""
    reason: str

    @property
    def exit_status(self) -> int:
        """Of the command that made the run: 0 shipped, 3 blocked by a gate, 1 failed."""
        return {"shipped": 0, "blocked": 3, "failed": 1}[self.kind]


def outcome(run: Run) -> Outcome:
    """What became of a run, judged by its steps: also while the last of them, the report, still runs."""
    broken = [run.steps[name] for name in STEPS if name in run.steps and run.steps[name].state in _BROKEN]
    if broken:
        return Outcome("failed", broken[0].name, first_line(broken[0].error) or broken[0].state.lower())
    if blocked := next(_blocked(run), None):
        return blocked
    verdict = run.metadata("evaluate", "verdict")
    monitor = run.steps.get("monitor")
    if monitor and monitor.state in DONE:
        return Outcome("shipped", "monitor", str(verdict.get("summary", "")))
    return Outcome("failed", "run", run.error or "the run ended before the model was watched")


def _blocked(run: Run) -> Iterator[Outcome]:
    """What has blocked a run, in the order of its steps."""
    checks, signal = run.metadata("validate", "report"), run.metadata("signal", "report")
    verdict, card = run.metadata("evaluate", "verdict"), run.metadata("card", "card")
    if checks and not checks["passed"]:
        yield Outcome("blocked", "validate", f"the data is not fit to train on: {_listed(checks['failed'])}")
    if signal and not signal["passed"]:
        yield Outcome("blocked", "signal", str(signal["summary"]))
    if verdict and not verdict["passed"]:
        yield Outcome("blocked", "evaluate", str(verdict["summary"]))
    if card and not card["complete"]:
        yield Outcome("blocked", "card", f"the model card lacks {_listed(card['missing'])}")


def first_line(text: str) -> str:
    """The first line of a message; what follows is the log."""
    return text.strip().splitlines()[0] if text.strip() else ""


def _listed(values: object, most: int = 3) -> str:
    names = [str(value) for value in values] if isinstance(values, Sequence) and not isinstance(values, str) else []
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(names[:most]) + more
