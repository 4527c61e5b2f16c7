"""The fast evaluation engine: TFMA's numbers by arithmetic on histograms, several models in one pass over the rows.

Values equal TensorFlow Model Analysis's to rounding. What TFMA reports as a number where there is none (the area of
a slice with one class: 0.0) or as NaN is None here, so that no gate mistakes it for a result. Intervals are the same on
every run of the same rows: analytic (Wilson's for shares, the infinitesimal jackknife for areas and calibration), or
by the jackknife over parts of the rows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from plumbline.decisions import Decision, decisions
from plumbline.drawing import draw
from plumbline.errors import GateError
from plumbline.measured import Interest, Measured, measure
from plumbline.problem import Evaluation, Metric
from plumbline.scoreboard import Confusion, Estimate, Scoreboard, SliceResult
from plumbline.sums import PARTS, Request, sum_up

ENGINE = "vectorised"


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What the engine found."""

    board: Scoreboard
    decisions: tuple[Decision, ...]
    """At the further thresholds."""
    measured: tuple[Measured, ...]
    """Every metric, by model and entry of the config's slices."""


def evaluate_batches(
    batches: Iterable[pa.Table | pa.RecordBatch],
    evaluation: Evaluation,
    models: Sequence[str],
    *,
    thresholds: Mapping[str, float] | None = None,
) -> Evaluated:
    """Every model on every slice that has a row.

    Args:
        batches: Rows with `label` (boolean, or 0 and 1), a column of scores for each model, the slicing columns and
            that of the weights. A row without value in a slicing column is in none of that column's slices.
        evaluation: Slices, threshold (a score above it, not at it, is a positive decision, as in TFMA), confidence,
            weight, further thresholds.
        models: The names of the score columns.
        thresholds: Of each model; that of the evaluation for all, where it is a number and nothing is given.

    Raises:
        DataError: A label is neither 0 nor 1, or a weight is not a finite number of at least 0.
        ModelError: A score is not a number in [0, 1].
    """
    measures, at = evaluation.measures, thresholds or same_threshold(evaluation, models)
    counted = sum_up(batches, request(evaluation, models, at))
    interest = Interest(measures.intervals, evaluation.confidence)
    found = tuple(
        measure(model, counted.sliced(model, names), interest) for model in models for names in evaluation.slices
    )
    board = Scoreboard(
        threshold=at[models[0]],
        confidence=evaluation.confidence,
        engine=ENGINE,
        results=tuple(result for measured in found for result in _results(measured, at[measured.model])),
        curves=tuple(curve for model in models for curve in draw(model, counted.overall(model))),
    )
    return Evaluated(board, tuple(each for one in found for each in decisions(one, measures.thresholds)), found)


def same_threshold(evaluation: Evaluation, models: Sequence[str]) -> Mapping[str, float]:
    """The evaluation's threshold for each model.

    Raises:
        GateError: It is a rule, by which each model has to be given its own.
    """
    if not isinstance(evaluation.threshold, float):
        raise GateError("evaluation.threshold is a rule: each model needs the threshold that was chosen by it")
    return dict.fromkeys(models, evaluation.threshold)


def request(evaluation: Evaluation, models: Sequence[str], thresholds: Mapping[str, float]) -> Request:
    """What must be summed for an evaluation, with the threshold of each model."""
    measures = evaluation.measures
    return Request(
        models={model: model for model in models},
        slices=evaluation.slices,
        thresholds=tuple(sorted({*thresholds.values(), *measures.thresholds})),
        weight=measures.weight,
        parts=PARTS if measures.intervals == "jackknife" else 1,
    )


def _results(measured: Measured, threshold: float) -> Iterator[SliceResult]:
    """A model's results on one set of slices; rows are counted, metrics are weighted."""
    i = measured.thresholds.index(threshold)
    areas: Sequence[Metric] = ("auc_pr", "auc", "calibration", "calibration_error")
    shares: Sequence[Metric] = ("precision", "recall")
    columns = {name: measured.columns[name] for name in areas} | {name: measured.shares[i][name] for name in shares}
    for place, key in enumerate(measured.keys):
        tn, fp, fn, tp = (int(cell) for cell in measured.rows[place, i])
        _, _, missed, found = (float(cell) for cell in measured.weights[place, i])
        counts: dict[Metric, Estimate] = {
            "example_count": Estimate(value=float(measured.weights[place, i].sum())),
            "positives": Estimate(value=found + missed),
        }
        yield SliceResult(
            model=measured.model,
            slice=key,
            count=tn + fp + fn + tp,
            positives=tp + fn,
            metrics={name: column.estimate(place) for name, column in columns.items()} | counts,
            confusion=Confusion(true_positives=tp, false_positives=fp, true_negatives=tn, false_negatives=fn),
        )
