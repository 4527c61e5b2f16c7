"""The page of a run: one self-contained HTML file, for shipped, blocked and failed runs alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from plumbline.advice import advise
from plumbline.canary import Stage
from plumbline.charts import curve_chart, history_chart, importance_chart, slice_chart, threshold_chart
from plumbline.dataset import Summary
from plumbline.evidence import Evidence
from plumbline.explanation import ImportanceReport
from plumbline.gates import CANDIDATE, GateResult, Verdict, describe
from plumbline.load import MeasuredRate
from plumbline.operating_point import OperatingPoints
from plumbline.problem import Metric
from plumbline.prototype import PrototypeReport
from plumbline.runs import STEPS, Run, outcome
from plumbline.scoreboard import Estimate, Scoreboard, SliceResult
from plumbline.signal import SignalReport
from plumbline.training import History, balanced
from plumbline.tuning import TuningReport
from plumbline.validation import ValidationReport

TEMPLATES = Path(__file__).parent / "templates"
_HEADLINE: Sequence[Metric] = ("auc_pr", "auc", "precision", "recall", "calibration", "calibration_error")
_WORST = 12
"""Slices that the page lists; the card has all."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What the steps of a run have left; None where a run did not get that far."""

    summary: Summary | None = None
    validation: ValidationReport | None = None
    signal: SignalReport | None = None
    prototype: PrototypeReport | None = None
    tuning: TuningReport | None = None
    history: History | None = None
    board: Scoreboard | None = None
    points: OperatingPoints | None = None
    verdict: Verdict | None = None
    importance: ImportanceReport | None = None
    rate: MeasuredRate | None = None
    """What one replica was measured to hold; None where it was not measured."""
    stages: tuple[Stage, ...] = ()
    """What was seen while the traffic moved; none where no version had it before."""


def render(run: Run, findings: Findings, *, title: str, links: Mapping[str, str], why: Evidence | None = None) -> str:
    """The page.

    Args:
        run: The pipeline job.
        findings: What its steps have left.
        title: Of the problem.
        links: Addresses by what they lead to.
        why: Why the run was started by itself; None where somebody has started it.
    """
    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template("report.html.j2").render(
        run=run,
        outcome=outcome(run),
        steps=[run.steps[name] for name in STEPS if name in run.steps],
        title=title,
        why=why,
        links={name: address for name, address in links.items() if address},
        findings=findings,
        failed_checks=[c for c in findings.validation.checks if not c.passed] if findings.validation else [],
        advise=advise,
        headline=_HEADLINE,
        models=_overall(findings.board),
        charts=_charts(findings),
        worst=_worst(findings.board),
        gates=_gates(findings.verdict),
        value=_value,
        describe=describe,
        balanced=balanced,
    )


def _overall(board: Scoreboard | None) -> Sequence[SliceResult]:
    return [result for result in board.results if not result.slice] if board else []


def _worst(board: Scoreboard | None) -> Sequence[SliceResult]:
    """The candidate's slices with the lowest AUC-PR."""
    if board is None:
        return []
    slices = [r for r in board.results if r.model == CANDIDATE and r.slice]
    return sorted(slices, key=lambda r: _sortable(r.metrics.get("auc_pr", Estimate(value=None))))[:_WORST]


def _sortable(estimate: Estimate) -> float:
    return 2.0 if estimate.value is None else estimate.value


def _gates(verdict: Verdict | None) -> Sequence[GateResult]:
    """The failed ones first."""
    order = {"failed": 0, "no champion yet": 1, "passed": 2, "too small to judge": 3}
    return sorted(verdict.results, key=lambda result: order[result.result]) if verdict else []


def _charts(findings: Findings) -> Mapping[str, str]:
    """SVG by title."""
    charts: dict[str, str] = {}
    if board := findings.board:
        for kind in ("precision_recall", "roc", "calibration"):
            charts[kind.replace("_", " ")] = curve_chart([c for c in board.curves if c.kind == kind], kind)
        own = [c for c in board.curves if c.model == CANDIDATE and c.kind in {"precision", "recall"}]
        charts["precision and recall by threshold"] = threshold_chart(own, board.threshold)
        for name in dict.fromkeys(r.slice[0][0] for r in board.results if len(r.slice) == 1):
            results = [r for r in board.results if r.model == CANDIDATE and [n for n, _ in r.slice] == [name]]
            charts[f"AUC-PR by {name}"] = slice_chart(results, "auc_pr")
    if importance := findings.importance:
        charts["what the model looks at"] = importance_chart(importance.features)
    if history := findings.history:
        charts["loss"] = history_chart({n: v for n, v in history.epochs.items() if n in {"loss", "val_loss"}}, "loss")
        shown = {n: v for n, v in history.epochs.items() if n.endswith("auc_pr")}
        charts["AUC-PR"] = history_chart(shown, "AUC-PR")
    return charts


def _value(estimate: Estimate | None) -> str:
    """A metric as it is printed, with its interval on a line of its own."""
    if estimate is None or estimate.value is None:
        return "not defined"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.4f}"
    return f"{estimate.value:.4f}\n({estimate.low:.3f} to {estimate.high:.3f})"
