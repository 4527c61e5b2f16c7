"""The model card's content, in the schema of model-card-toolkit: every leaf is text.

Source: Mitchell et al., "Model Cards for Model Reporting" (arXiv:1810.03993); model-card-toolkit,
`schema/v0.0.2/model_card.schema.json`. The schema has no place for the decision threshold, which stands among the
metrics and in the overview, for factors, which stand among the limitations, for uses out of scope, which stand among
the use cases, and for what the model looks at, which is a graphic and stands in the description of the architecture.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from plumbline.charts import curve_chart, importance_chart, slice_chart
from plumbline.dataset import SPLITS, Summary, read_summary
from plumbline.explanation import ImportanceReport
from plumbline.gates import CANDIDATE, Verdict, describe
from plumbline.operating_point import OperatingPoint, read_points
from plumbline.problem import Data, Evaluation, Metric
from plumbline.scoreboard import OVERALL, Estimate, Scoreboard, SliceResult
from plumbline.section import from_json
from plumbline.statement import Statement
from plumbline.training import History, balanced

Content = Mapping[str, object]
_ALL_ROWS = describe(OVERALL)
_THRESHOLD = "decision threshold"
_OUT_OF_SCOPE = "Out of scope: "
_FACTOR = "Factor: "
_LOOKS_AT = "what the model looks at"
_TOP = 5
"""Columns that are named as what the model looks at most."""
_SHOWN: Sequence[Metric] = ("auc_pr", "auc", "precision", "recall", "calibration", "calibration_error")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a card is made from."""

    name: str
    version: str
    """The run that trained the model."""
    date: str
    """ISO 8601."""
    path: str
    """gs:// URI of the model."""
    code: str
    """Digest of the code."""
    statement: Statement
    data: Data
    evaluation: Evaluation
    summary: Summary
    history: History
    board: Scoreboard
    point: OperatingPoint
    """The candidate's threshold."""
    verdict: Verdict
    importance: ImportanceReport


def read_facts(  # noqa: PLR0913 - where each of the facts comes from
    name: str,
    sections: tuple[Statement, Data, Evaluation],
    folders: Mapping[str, Path],
    *,
    path: str,
    code: str,
    date: str,
) -> Facts:
    """The facts, from the config and from what the steps before have left.

    Args:
        name: Of the problem.
        sections: Of the config.
        folders: The artifacts `dataset`, `history`, `evaluation`, `verdict` and `importance`.
        path: gs:// URI of the model; the run that trained it stands in it.
        code: Digest of the code.
        date: ISO 8601.
    """
    statement, data, evaluation = sections
    scoreboard = (folders["evaluation"] / "scoreboard.json").read_text(encoding="utf-8")
    return Facts(
        name=name,
        version=path.rstrip("/").split("/")[-3],
        date=date,
        path=path,
        code=code,
        statement=statement,
        data=data,
        evaluation=evaluation,
        summary=read_summary(folders["dataset"]),
        history=from_json(History, folders["history"].read_text(encoding="utf-8")),
        board=from_json(Scoreboard, scoreboard),
        point=read_points(folders["evaluation"]).points[0],
        verdict=from_json(Verdict, folders["verdict"].read_text(encoding="utf-8")),
        importance=from_json(ImportanceReport, folders["importance"].read_text(encoding="utf-8")),
    )


def content(facts: Facts) -> Content:
    """The card of a model."""
    return {
        "model_details": _details(facts),
        "model_parameters": _parameters(facts),
        "quantitative_analysis": {
            "performance_metrics": [_threshold(facts), *(m for r in _of_candidate(facts.board) for m in _metrics(r))],
            "graphics": {"description": "On the test split", "collection": list(_graphics(facts))},
        },
        "considerations": _considerations(facts.statement),
    }


_MANDATORY: Mapping[str, tuple[str, ...]] = {
    "name": ("model_details", "name"),
    "overview": ("model_details", "overview"),
    "owners": ("model_details", "owners"),
    "version name": ("model_details", "version", "name"),
    "version date": ("model_details", "version", "date"),
    "licence": ("model_details", "licenses"),
    "lineage": ("model_details", "documentation"),
    "place of the files": ("model_details", "path"),
    "architecture": ("model_parameters", "model_architecture"),
    "training and evaluation data": ("model_parameters", "data"),
    "input format": ("model_parameters", "input_format_map"),
    "output format": ("model_parameters", "output_format"),
    "performance metrics": ("quantitative_analysis", "performance_metrics"),
    "curves": ("quantitative_analysis", "graphics", "collection"),
    "users": ("considerations", "users"),
    "use cases": ("considerations", "use_cases"),
    "limitations": ("considerations", "limitations"),
    "trade-offs": ("considerations", "tradeoffs"),
    "ethical considerations": ("considerations", "ethical_considerations"),
}
"""What must not be empty, and where it stands."""


def missing(card: Content) -> tuple[str, ...]:
    """The mandatory parts of a card that are empty."""
    absent = [name for name, path in _MANDATORY.items() if not _at(card, path)]
    metrics = _listed(card, ("quantitative_analysis", "performance_metrics"))
    slices = {metric.get("slice", "") for metric in metrics if metric.get("type") != _THRESHOLD}
    windows = {each.get("name") for each in _listed(card, ("model_parameters", "data")) if each.get("description")}
    uses, limits = (_listed(card, ("considerations", part)) for part in ("use_cases", "limitations"))
    drawn = {each.get("name") for each in _listed(card, ("quantitative_analysis", "graphics", "collection"))}
    there = {
        "a decision threshold": any(metric.get("type") == _THRESHOLD for metric in metrics),
        "a metric over all rows": _ALL_ROWS in slices,
        "a metric of a slice": bool(slices - {_ALL_ROWS}),
        "uses out of scope": any(use.get("description", "").startswith(_OUT_OF_SCOPE) for use in uses),
        "factors": any(limit.get("description", "").startswith(_FACTOR) for limit in limits),
        "the window of the training data": "train" in windows,
        "the window of the evaluation data": "test" in windows,
        _LOOKS_AT: _LOOKS_AT in drawn,
    }
    return (*absent, *(name for name, is_there in there.items() if not is_there))


def _at(card: object, path: Sequence[str]) -> object:
    for part in path:
        card = card.get(part) if isinstance(card, dict) else None
    return card.strip() if isinstance(card, str) else card


def _listed(card: object, path: Sequence[str]) -> Sequence[Mapping[str, str]]:
    found = _at(card, path)
    return found if isinstance(found, list) else []


def _details(facts: Facts) -> Content:
    statement = facts.statement
    overview = (
        f"{statement.overview} Goal: {statement.goal}. Today: {statement.today}. "
        f"A score above {facts.point.threshold:.4g} is a positive decision ({facts.point.explanation}). "
        f"{facts.verdict.summary.capitalize()}."
    )
    return {
        "name": statement.title,
        "overview": overview,
        "documentation": f"Code {facts.code[:12]}; features table {facts.summary.table}",
        "owners": [{"name": party.name, "contact": party.contact} for party in statement.owners],
        "version": {"name": facts.version, "date": facts.date},
        "licenses": [{"identifier": statement.licence}],
        "references": [{"reference": reference} for reference in statement.references],
        "path": facts.path,
    }


def _parameters(facts: Facts) -> Content:
    history, summary = facts.history, facts.summary
    most = ", ".join(each.feature for each in facts.importance.features[:_TOP])
    architecture = (
        f"Neural network on encoded features, trained with strategy {history.strategy}; classes {balanced(history)}. "
        f"It looks most at {most}"
    )
    data = [
        {
            "name": split,
            "description": (
                f"{found.rows:,} rows, {found.positives:,} positive, from {found.start} to {found.end}; "
                f"sources last changed {summary.source_changed}"
            ),
            "link": summary.table,
        }
        for split, found in ((name, summary.splits[name]) for name in SPLITS)
    ]
    inputs = [
        {"key": name, "value": _input(column.type, column.unit, column.description)}
        for name, column in facts.data.features.items()
    ]
    label = facts.data.label
    return {
        "model_architecture": architecture,
        "data": data,
        "input_format": "One JSON object an instance, a key a column; a missing key is a missing value",
        "input_format_map": inputs,
        "output_format": f"score: probability that {label.column} is {label.positive} ({label.description}); decision",
    }


def _input(kind: str, unit: str, description: str) -> str:
    return ", ".join(part for part in (kind, unit, description) if part)


def _considerations(statement: Statement) -> Content:
    scope = [f"{_OUT_OF_SCOPE}{use}" for use in statement.out_of_scope]
    factors = [f"{_FACTOR}{factor}" for factor in statement.factors]
    return {
        "users": _described(statement.users),
        "use_cases": _described([*statement.use_cases, *scope]),
        "limitations": _described([*statement.limitations, *factors]),
        "tradeoffs": _described(statement.tradeoffs),
        "ethical_considerations": [
            {"name": ethical.risk, "mitigation_strategy": ethical.mitigation} for ethical in statement.ethics
        ],
    }


def _described(texts: Sequence[str]) -> list[Content]:
    return [{"description": text} for text in texts]


def _of_candidate(board: Scoreboard) -> Iterator[SliceResult]:
    return (result for result in board.results if result.model == CANDIDATE)


def _metrics(result: SliceResult) -> Iterator[Content]:
    """The metrics of a slice that have a value."""
    for name in _SHOWN:
        estimate = result.metrics.get(name, Estimate(value=None))
        if estimate.value is None:
            continue
        metric: dict[str, object] = {"type": name, "value": f"{estimate.value:.4f}", "slice": describe(result.slice)}
        if estimate.low is not None and estimate.high is not None:
            bounds = {"lower_bound": f"{estimate.low:.4f}", "upper_bound": f"{estimate.high:.4f}"}
            metric["confidence_interval"] = bounds
        yield metric
    yield {"type": "rows", "value": str(result.count), "slice": describe(result.slice)}


def _threshold(facts: Facts) -> Content:
    return {"type": _THRESHOLD, "value": f"{facts.point.threshold:.4f}", "slice": _ALL_ROWS}


def _graphics(facts: Facts) -> Iterator[Content]:
    """Curves, slices and what the model looks at, as SVG, base64."""
    board = facts.board
    yield {"name": _LOOKS_AT, "image": _image(importance_chart(facts.importance.features))}
    for kind in ("precision_recall", "roc", "calibration"):
        drawn = [curve for curve in board.curves if curve.kind == kind and curve.model == CANDIDATE]
        yield {"name": kind.replace("_", " "), "image": _image(curve_chart(drawn, kind))}
    for by in dict.fromkeys(tuple(name for name, _ in r.slice) for r in board.results if len(r.slice) == 1):
        results = [r for r in _of_candidate(board) if tuple(name for name, _ in r.slice) == by]
        yield {"name": f"auc_pr by {by[0]}", "image": _image(slice_chart(results, "auc_pr"))}


def _image(svg: str) -> str:
    return base64.b64encode(svg.encode()).decode()
