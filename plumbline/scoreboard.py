"""What an evaluation found: every model, on the same rows, by the same metrics, slice by slice."""

from collections.abc import Mapping

from plumbline.problem import Metric
from plumbline.section import section

OVERALL = ()
SliceKey = tuple[tuple[str, str], ...]
"""Column and value, in the order of the config's entry; empty for all rows together."""


@section
class Estimate:
    """A metric's value with its confidence interval; None where it is not defined (no rows, one class, NaN)."""

    value: float | None
    low: float | None = None
    high: float | None = None


@section
class Confusion:
    """Counts at the decision threshold."""

    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int


@section
class SliceResult:
    """One model on one slice."""

    model: str
    """candidate, champion, today, prevalence, or a prototype."""
    slice: SliceKey
    count: int
    positives: int
    metrics: Mapping[Metric, Estimate]
    confusion: Confusion


@section
class Curve:
    """A curve of one model over all rows: points (x, y) from left to right."""

    model: str
    kind: str
    """precision_recall (x recall, y precision), roc (x false positive rate, y recall), calibration (score, rate),
    precision and recall (x threshold)."""
    x: tuple[float, ...]
    y: tuple[float, ...]


@section
class Scoreboard:
    """All of an evaluation."""

    threshold: float
    """The candidate's; the confusion matrix of every other model is at that model's own."""
    confidence: float
    engine: str
    results: tuple[SliceResult, ...]
    curves: tuple[Curve, ...]


def find(board: Scoreboard, model: str, key: SliceKey) -> SliceResult | None:
    """The result of a model on a slice, None where the evaluation has no such slice."""
    return next((result for result in board.results if (result.model, result.slice) == (model, key)), None)


def slices(board: Scoreboard, by: tuple[str, ...]) -> tuple[SliceKey, ...]:
    """The slices of these columns that the evaluation saw, in order."""
    keys = {result.slice: None for result in board.results}
    return tuple(key for key in keys if frozenset(name for name, _ in key) == frozenset(by))
