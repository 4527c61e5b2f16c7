"""What the steps of a run have left, read from under the mount of Cloud Storage."""

import json
from pathlib import Path
from typing import TypeVar

from plumbline.canary import Stage
from plumbline.dataset import Summary
from plumbline.explanation import ImportanceReport
from plumbline.gates import Verdict
from plumbline.load import MeasuredRate
from plumbline.mount import local_path
from plumbline.operating_point import POINTS, OperatingPoints
from plumbline.prototype import PrototypeReport
from plumbline.report import Findings
from plumbline.runs import Run
from plumbline.scoreboard import Scoreboard
from plumbline.section import from_json
from plumbline.signal import SignalReport
from plumbline.training import History
from plumbline.tuning import TuningReport
from plumbline.validation import ValidationReport

T = TypeVar("T")


def find(run: Run, mount: Path) -> Findings:
    """The findings that are there: a run may have ended anywhere."""
    return Findings(
        summary=_read(Summary, run.uri("ingest", "dataset"), mount, "summary.json"),
        validation=_read(ValidationReport, run.uri("validate", "report"), mount),
        signal=_read(SignalReport, run.uri("signal", "report"), mount),
        prototype=_read(PrototypeReport, run.uri("prototype", "report"), mount),
        tuning=_read(TuningReport, run.uri("tune", "report"), mount),
        history=_read(History, run.uri("train", "history"), mount),
        board=_read(Scoreboard, run.uri("evaluate", "evaluation_result"), mount, "scoreboard.json"),
        points=_read(OperatingPoints, run.uri("evaluate", "evaluation_result"), mount, POINTS),
        verdict=_read(Verdict, run.uri("evaluate", "verdict"), mount),
        importance=_read(ImportanceReport, run.uri("explain", "importance"), mount),
        rate=_rate(run),
        stages=_stages(run),
    )


def _rate(run: Run) -> MeasuredRate | None:
    """What `deploy` measured; it writes 0 where it did not."""
    facts = run.metadata("deploy", "endpoint")
    names = ("replicaRate", "replicaRateLow", "replicaRateHigh")
    rate, low, high = (float(str(facts.get(name) or 0)) for name in names)
    return MeasuredRate(rate, low, high) if rate else None


def _stages(run: Run) -> tuple[Stage, ...]:
    """What `deploy` saw while the traffic moved; nothing where no version had it before."""
    told = run.metadata("deploy", "endpoint").get("stages")
    return tuple(Stage(**stage) for stage in json.loads(str(told))) if told else ()


def _read(kind: type[T], uri: str, mount: Path, *inside: str) -> T | None:
    if not uri:
        return None
    path = local_path(uri, mount).joinpath(*inside)
    return from_json(kind, path.read_text(encoding="utf-8")) if path.is_file() else None
