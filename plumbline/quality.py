"""The quality of a model that serves, window by window: judged by the slices and gates that it shipped by."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from plumbline.alerts import Alert
from plumbline.dataset import table_rows
from plumbline.evaluation import expected_slices, scored_table
from plumbline.evaluation import headline as overall_metrics
from plumbline.gates import CANDIDATE, Verdict, decide, describe
from plumbline.observation import DEPLOYED, SCORE, Period
from plumbline.problem import Data, Evaluation, Gate
from plumbline.scoreboard import OVERALL, Scoreboard, SliceResult, find
from plumbline.section import section
from plumbline.vectorised import evaluate_batches

Status = Literal["passed", "failed", "not judged"]


@dataclass(frozen=True, slots=True)
class Served:
    """A version that has answered, by what the log calls it."""

    number: str
    """Of the version; the deployed model's id where nobody knows its version any more."""
    threshold: float | None
    """That it decides by; None where that is not known."""


@section
class Judgement:
    """One version in one window."""

    version: str
    status: Status
    summary: str
    rows: int
    positives: int
    unjudged: tuple[str, ...] = ()
    """Gates that had too few rows in each of their slices."""
    board: Scoreboard | None = None
    verdict: Verdict | None = None


@section
class Judgements:
    """All versions that have answered in a window."""

    period: Period
    versions: tuple[Judgement, ...]

    @property
    def failed(self) -> tuple[Judgement, ...]:
        """Those that a gate has failed."""
        return tuple(judgement for judgement in self.versions if judgement.status == "failed")

    @property
    def summary(self) -> str:
        """All of them in a line."""
        said = [f"version {each.version} {each.status} ({each.summary})" for each in self.versions]
        return "; ".join(said) or "not judged: no labelled row has a prediction"


@section
class Point:
    """A point of the time series: one metric on one slice."""

    window_start: str
    """ISO 8601, as the end."""
    window_end: str
    version: str
    slice: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    rows: int


def judge_period(
    observed: pa.Table, served: Mapping[str, Served], period: Period, data: Data, evaluation: Evaluation
) -> Judgements:
    """Judges each version on its own rows.

    Args:
        observed: The scored and labelled rows of a window.
        served: What is known of each deployed model, by its id.
        period: The window.
        data: The columns.
        evaluation: Slices and gates. Left out are those that compare with another model, since it was not asked, and
            those that are not for a model in service.
    """
    numbers = sorted({each.number for each in served.values()})
    versions = []
    for number in numbers:
        ids = [deployed for deployed, each in served.items() if each.number == number]
        rows = observed.filter(pc.is_in(observed.column(DEPLOYED), pa.array(ids, pa.string())))
        versions.append(judge_version(rows, served[ids[0]], data, evaluation))
    return Judgements(period=period, versions=tuple(versions))


def judge_version(rows: pa.Table, served: Served, data: Data, evaluation: Evaluation) -> Judgement:
    """The judgement on one version: not judged where its rows are fewer than a slice must have.

    Args:
        rows: Its scored and labelled rows.
        served: The version.
        data: The columns.
        evaluation: Slices and gates.
    """
    threshold = served.threshold
    if threshold is None and isinstance(evaluation.threshold, float):
        threshold = evaluation.threshold
    scores = rows.column(SCORE).combine_chunks().to_numpy(zero_copy_only=False)
    scored = scored_table(rows, [], {CANDIDATE: scores}, data, evaluation) if rows.num_rows else None
    positives = int(pc.sum(scored.column("label")).as_py() or 0) if scored is not None else 0
    gates = tuple(gate for gate in evaluation.gates if gate.in_service and not gate.against)
    reason = _too_little(rows.num_rows, positives, evaluation)
    if not reason and threshold is None:
        reason = "the threshold that it decided by is not known any more"
    if not reason and not gates:
        reason = "no gate is for a model in service: they compare with another model, or say in_service: false"
    if reason or scored is None or threshold is None:
        return Judgement(
            version=served.number, status="not judged", summary=reason, rows=rows.num_rows, positives=positives
        )
    board = evaluate_batches([scored], evaluation, [CANDIDATE], thresholds={CANDIDATE: threshold}).board
    return _judged(board, scored, served.number, replace(evaluation, gates=gates))


def points(judgements: Judgements) -> Iterator[Point]:
    """The points of the time series that a window has; a version with too few rows for a board has none."""
    start, end = judgements.period.start.isoformat(), judgements.period.end.isoformat()
    for judgement in judgements.versions:
        for result in judgement.board.results if judgement.board else ():
            for metric, estimate in result.metrics.items():
                yield Point(
                    window_start=start,
                    window_end=end,
                    version=judgement.version,
                    slice=describe(result.slice),
                    metric=metric,
                    value=estimate.value,
                    low=estimate.low,
                    high=estimate.high,
                    rows=result.count,
                )


def headline(judgements: Judgements) -> Mapping[str, float]:
    """Metrics of each version over all rows, for the run's list of metrics."""
    found: dict[str, float] = {}
    for judgement in judgements.versions:
        for name, value in overall_metrics(judgement.board).items() if judgement.board else ():
            found[f"version_{judgement.version}_{name.removeprefix(f'{CANDIDATE}_')}"] = value
    return found


def alerts(judgements: Judgements) -> tuple[Alert, ...]:
    """An alert for each version that a gate has failed."""
    period = judgements.period
    return tuple(
        Alert(
            kind="quality",
            version=each.version,
            window_start=period.start,
            window_end=period.end,
            summary=each.summary,
        )
        for each in judgements.failed
    )


def _judged(board: Scoreboard, scored: pa.Table, number: str, evaluation: Evaluation) -> Judgement:
    large = tuple(gate for gate in evaluation.gates if _has_enough(gate, board, evaluation))
    small = tuple(f"{gate.metric} by {', '.join(gate.by)}" for gate in evaluation.gates if gate not in large)
    overall = find(board, CANDIDATE, OVERALL)
    rows, positives = (overall.count, overall.positives) if overall else (scored.num_rows, 0)
    if not large:
        reason = f"too few rows for {'; '.join(small)}"
        return Judgement(
            version=number,
            status="not judged",
            summary=reason,
            rows=rows,
            positives=positives,
            unjudged=small,
            board=board,
        )
    verdict = decide(board, replace(evaluation, gates=large), expected_slices(table_rows(scored), evaluation))
    return Judgement(
        version=number,
        status="passed" if verdict.passed else "failed",
        # "blocked" is said of candidates.
        summary=verdict.summary.partition(": ")[2],
        rows=rows,
        positives=positives,
        unjudged=small,
        board=board,
        verdict=verdict,
    )


def _has_enough(gate: Gate, board: Scoreboard, evaluation: Evaluation) -> bool:
    """Whether some slice of a gate can be judged, or two where it compares them.

    A window is shorter than a test split: a slice may be too small for weeks, which is not judged here, while a
    candidate would be blocked.
    """
    if not gate.by:
        return True
    wanted = 2 if gate.gap is not None else 1
    return sum(_is_large(result, gate, evaluation) for result in board.results) >= wanted


def _is_large(result: SliceResult, gate: Gate, evaluation: Evaluation) -> bool:
    by = {name for name, _ in result.slice}
    return by == set(gate.by) and not _too_little(result.count, result.positives, evaluation)


def _too_little(rows: int, positives: int, evaluation: Evaluation) -> str:
    """Why so many rows are too few to judge by; empty where they are not."""
    if rows >= evaluation.minimum_count and positives >= evaluation.minimum_positives and positives < rows:
        return ""
    wanted: Sequence[int] = (evaluation.minimum_count, evaluation.minimum_positives)
    return f"{rows} labelled rows, {positives} positive; wanted {wanted[0]} and {wanted[1]}"
