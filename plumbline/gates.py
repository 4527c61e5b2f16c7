"""The gates: whether a model may ship. They fail closed: what cannot be judged is not passed.

TFMA's own thresholds do not serve for this: they take a small slice for a failure of another, and an absent slicing
column for none at all. Source: TFMA 0.52, `metrics_validator.py`.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

from plumbline.operating_point import OperatingPoint
from plumbline.problem import Evaluation, Gate, Metric
from plumbline.scoreboard import OVERALL, Scoreboard, SliceKey, SliceResult, find, slices
from plumbline.section import section

CANDIDATE = "candidate"
Relation = Literal[">=", "<="]
Result = Literal["passed", "failed", "too small to judge", "no champion yet"]


@section
class GateResult:
    """What one gate said of one slice."""

    metric: Metric
    slice: SliceKey
    against: str
    """The model that it is compared with; empty for a bound."""
    value: float | None
    """The candidate's."""
    bound: float | None
    """What the value must reach, or not exceed: the limit, or the other model's value plus the margin."""
    relation: Relation
    result: Result
    reason: str


@section
class Verdict:
    """Whether the model may ship, and what every gate said."""

    passed: bool
    summary: str
    results: tuple[GateResult, ...]


def decide(
    board: Scoreboard, evaluation: Evaluation, expected: Sequence[SliceKey], point: OperatingPoint | None = None
) -> Verdict:
    """The verdict on the candidate.

    Args:
        board: What the evaluation found.
        evaluation: The gates, and how large a slice must be to be judged.
        expected: The slices that the test split has, by the data and not by the evaluation.
        point: The candidate's threshold: a rule that could not be met on the validation split blocks the model.
    """
    unmet = () if point is None or point.reached else (_unmet(point),)
    results = unmet + tuple(result for gate in evaluation.gates for result in _gate(gate, board, evaluation, expected))
    failed = [result for result in results if result.result == "failed"]
    judged = [result for result in results if result.result == "passed"]
    passed = bool(judged) and not failed
    return Verdict(passed=passed, summary=_summary(failed, judged, len(results)), results=results)


def describe(key: SliceKey) -> str:
    """A slice in words."""
    return "all rows" if key == OVERALL else ", ".join(f"{name} {value}" for name, value in key)


def relation(gate: Gate) -> Relation:
    """What a value must be to its bound."""
    return "<=" if gate.maximum is not None or gate.gap is not None else ">="


def _unmet(point: OperatingPoint) -> GateResult:
    return GateResult(
        metric="precision",
        slice=OVERALL,
        against="",
        value=None,
        bound=None,
        relation=">=",
        result="failed",
        reason=f"the decision threshold is not what evaluation.threshold asks for: {point.explanation}",
    )


def _gate(gate: Gate, board: Scoreboard, evaluation: Evaluation, expected: Sequence[SliceKey]) -> Iterator[GateResult]:
    """The gate's results: one a slice, and one more where there is nothing to judge."""
    keys = [key for key in expected if frozenset(name for name, _ in key) == frozenset(gate.by)]
    if gate.against == "champion" and not any(result.model == "champion" for result in board.results):
        yield _result(gate, (), None, None, "no champion yet", "the first model has no champion to beat")
        return
    if not keys or not slices(board, gate.by):
        yield _result(gate, (), None, None, "failed", f"there is no slice by {list(gate.by) or 'all rows'}")
        return
    if gate.gap is not None:
        yield from _gap(gate, gate.gap, keys, board, evaluation)
        return
    found = [_slice(gate, key, board, evaluation) for key in keys]
    yield from found
    if all(result.result == "too small to judge" for result in found):
        yield _result(gate, (), None, None, "failed", f"every slice by {list(gate.by)} is too small to judge")


def _gap(
    gate: Gate, most: float, keys: Sequence[SliceKey], board: Scoreboard, evaluation: Evaluation
) -> Iterator[GateResult]:
    """One result of all slices that are large enough together, and one of each that is too small.

    Source: Hardt, Price, Srebro, "Equality of opportunity in supervised learning", 2016: of recall, the gap is how far
    a model is from equal opportunity.
    """
    found = {key: find(board, CANDIDATE, key) for key in keys}
    small = {key: each for key, each in found.items() if each is not None and _too_small(each, evaluation)}
    for key, each in small.items():
        rows = f"{each.count} rows, {each.positives} positive"
        yield _result(gate, key, _value(each, gate.metric), None, "too small to judge", rows)
    values = {
        key: None if each is None else _value(each, gate.metric) for key, each in found.items() if key not in small
    }
    undefined = [key for key, value in values.items() if value is None]
    known = {key: value for key, value in values.items() if value is not None}
    if undefined or len(known) < 2:
        what = (
            f"{gate.metric} of {describe(undefined[0])} has no value"
            if undefined
            else "fewer than two are large enough"
        )
        yield _result(gate, (), None, most, "failed", f"the slices by {list(gate.by)} cannot be compared: {what}")
        return
    low, high = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
    gap = known[high] - known[low]
    text = (
        f"{gate.metric} is {known[low]:.4g} for {describe(low)} and {known[high]:.4g} for {describe(high)}: "
        f"a gap of {gap:.4g}, wanted at most {most:g}"
    )
    yield _result(gate, low, gap, most, "passed" if gap <= most else "failed", text)


def _slice(gate: Gate, key: SliceKey, board: Scoreboard, evaluation: Evaluation) -> GateResult:
    candidate = find(board, CANDIDATE, key)
    if candidate is None:
        return _result(gate, key, None, None, "failed", "the slice is missing from the evaluation")
    if gate.by and _too_small(candidate, evaluation):
        found = f"{candidate.count} rows, {candidate.positives} positive"
        return _result(gate, key, _value(candidate, gate.metric), None, "too small to judge", found)
    if not 0 < candidate.positives < candidate.count:
        reason = f"there is only one class ({candidate.positives} of {candidate.count} rows are positive)"
        return _result(gate, key, None, None, "failed", reason)
    value, bound = _value(candidate, gate.metric), _bound(gate, key, board)
    if value is None or bound is None:
        missing = CANDIDATE if value is None else gate.against
        return _result(gate, key, value, bound, "failed", f"{gate.metric} of {missing} has no value")
    met = value <= bound if gate.maximum is not None else value >= bound
    return _result(gate, key, value, bound, "passed" if met else "failed", "")


def _too_small(result: SliceResult, evaluation: Evaluation) -> bool:
    return result.count < evaluation.minimum_count or result.positives < evaluation.minimum_positives


def _value(result: SliceResult, metric: Metric) -> float | None:
    estimate = result.metrics.get(metric)
    return None if estimate is None else estimate.value


def _bound(gate: Gate, key: SliceKey, board: Scoreboard) -> float | None:
    if gate.margin is None:
        return gate.minimum if gate.minimum is not None else gate.maximum
    other = find(board, gate.against, key)
    value = None if other is None else _value(other, gate.metric)
    return None if value is None else value + gate.margin


def _result(  # noqa: PLR0913, PLR0917 - one argument a field
    gate: Gate, key: SliceKey, value: float | None, bound: float | None, result: Result, reason: str
) -> GateResult:
    return GateResult(
        metric=gate.metric,
        slice=key,
        against=gate.against,
        value=value,
        bound=bound,
        relation=relation(gate),
        result=result,
        reason=reason or _sentence(gate, value, bound),
    )


def _sentence(gate: Gate, value: float | None, bound: float | None) -> str:
    limit = f"{bound:.4g}" + (f" ({gate.against} {gate.margin:+g})" if gate.margin is not None else "")
    return f"{gate.metric} {value:.4g}, wanted {'at most' if gate.maximum is not None else 'at least'} {limit}"


def _summary(failed: Sequence[GateResult], judged: Sequence[GateResult], count: int) -> str:
    if failed:
        first = failed[0]
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        return f"blocked: {first.metric} on {describe(first.slice)}: {first.reason}{more}"
    if not judged:
        return f"blocked: none of the {count} gate results is a judgement"
    return f"passed: {len(judged)} of {count} gate results passed, none failed"
