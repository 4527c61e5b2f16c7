"""The fast evaluation engine: TFMA's numbers by arithmetic on histograms, several models on the same rows.

Values equal TensorFlow Model Analysis's to rounding. What TFMA reports as a number where there is none (the area of
a slice with one class: 0.0) or as NaN is None here, so that no gate mistakes it for a result. Intervals are analytic,
hence the same on every run: Wilson's for shares, the infinitesimal jackknife for areas and calibration.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from plumbline import interval
from plumbline.curves import curves
from plumbline.errors import DataError, ModelError
from plumbline.histogram import Area, Floats, count, pr_area, roc_area, segments
from plumbline.problem import Evaluation, Metric
from plumbline.scoreboard import Confusion, Curve, Estimate, Scoreboard, SliceResult
from plumbline.slicing import Slices, slice_rows

ENGINE = "vectorised"
LABEL = "label"
_BLOCK = 2**18
"""Rows that stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class _Scored:
    """One model's view of n rows."""

    model: str
    scores: Floats
    segment: npt.NDArray[np.int16]
    positive: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Column:
    """A metric of every slice, shape (slices,); NaN where it is not defined."""

    value: Floats
    low: Floats
    high: Floats

    def estimate(self, place: int) -> Estimate:
        """The metric of one slice."""
        found = (float(values[place]) for values in (self.value, self.low, self.high))
        value, low, high = (number if np.isfinite(number) else None for number in found)
        return Estimate(value=value, low=low, high=high)


def evaluate_vectorised(table: pa.Table, evaluation: Evaluation, models: Sequence[str]) -> Scoreboard:
    """Every model on every slice that has a row.

    Args:
        table: `label` (boolean, or 0 and 1), a column of scores for each model, the slicing columns. A row without
            value in a slicing column is in none of that column's slices. n rows.
        evaluation: Slices, threshold (a score above it, not at it, is a positive decision, as in TFMA), confidence.
        models: The names of the score columns.

    Raises:
        DataError: A label is neither 0 nor 1.
        ModelError: A score is not a number in [0, 1].
    """
    positive = _labels(table)
    slicings = tuple(slice_rows(table, by) for by in evaluation.slices)
    results: list[SliceResult] = []
    lines: list[Curve] = []
    for model in models:
        scores = _scores(table, model)
        scored = _Scored(model, scores, segments(scores), positive)
        results += [result for slices in slicings for result in _results(scored, slices, evaluation)]
        lines += curves(model, scores, positive)
    return Scoreboard(
        threshold=evaluation.threshold,
        confidence=evaluation.confidence,
        engine=ENGINE,
        results=tuple(results),
        curves=tuple(lines),
    )


def _labels(table: pa.Table) -> npt.NDArray[np.bool_]:
    labels = pc.fill_null(pc.cast(table.column(LABEL), pa.int8()), -1).to_numpy()
    wrong = (labels != 0) & (labels != 1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(f"the label of row {row} must be 0 or 1, got {table.column(LABEL)[row].as_py()}")
    return labels.astype(np.bool_)


def _scores(table: pa.Table, model: str) -> Floats:
    scores = pc.cast(table.column(model), pa.float64()).to_numpy()
    # A null becomes NaN, which compares as false.
    fit = (scores >= 0) & (scores <= 1)
    if not fit.all():
        row = int(np.argmin(fit))
        raise ModelError(f"the score of {model} in row {row} must be in [0, 1], got {scores[row]}")
    return scores


def _results(scored: _Scored, slices: Slices, evaluation: Evaluation) -> Iterator[SliceResult]:
    """The model's results on one set of slices."""
    sums = _sums(scored, slices, evaluation.threshold)
    confidence = evaluation.confidence
    metrics = _areas(scored, slices, confidence) | _shares(sums, confidence) | _calibration(sums, confidence)
    for place, key in enumerate(slices.keys):
        tn, fp, fn, tp = (int(cell) for cell in sums.rows[place])
        counts: dict[Metric, Estimate] = {
            "example_count": Estimate(value=float(tn + fp + fn + tp)),
            "positives": Estimate(value=float(tp + fn)),
        }
        yield SliceResult(
            model=scored.model,
            slice=key,
            count=tn + fp + fn + tp,
            positives=tp + fn,
            metrics={name: column.estimate(place) for name, column in metrics.items()} | counts,
            confusion=Confusion(true_positives=tp, false_positives=fp, true_negatives=tn, false_negatives=fn),
        )


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums over the true negatives, false positives, false negatives and true positives of each slice."""

    rows: npt.NDArray[np.int64]
    """How many; shape (slices, 4), as the others."""
    scores: Floats
    squares: Floats
    """Of the squared scores."""


def _sums(scored: _Scored, slices: Slices, threshold: float) -> _Sums:
    size = 4 * (len(slices.keys) + 1)
    rows, scores, squares = np.zeros(size, np.int64), np.zeros(size), np.zeros(size)
    for start in range(0, scored.scores.size, _BLOCK):
        cut = slice(start, start + _BLOCK)
        score, positive = scored.scores[cut], scored.positive[cut]
        keys = slices.codes[cut].astype(np.int64) * 4 + positive * np.int64(2) + (score > threshold)
        rows += np.bincount(keys, minlength=size)
        scores += np.bincount(keys, score, minlength=size)
        squares += np.bincount(keys, score * score, minlength=size)
    # The last four are those of rows that are in none of the slices.
    return _Sums(rows[:-4].reshape(-1, 4), scores[:-4].reshape(-1, 4), squares[:-4].reshape(-1, 4))


def _areas(scored: _Scored, slices: Slices, confidence: float) -> dict[Metric, _Column]:
    histogram = count(slices.codes, scored.segment, scored.positive, slices=len(slices.keys))
    areas: dict[Metric, Area] = {"auc_pr": pr_area(histogram), "auc": roc_area(histogram)}
    return {
        name: _column(area.value, interval.area(area.value, area.error, confidence=confidence))
        for name, area in areas.items()
    }


def _shares(sums: _Sums, confidence: float) -> dict[Metric, _Column]:
    """Precision and recall."""
    _, fp, fn, tp = sums.rows.T.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return {
            "precision": _column(tp / (tp + fp), interval.share(tp, tp + fp, confidence=confidence)),
            "recall": _column(tp / (tp + fn), interval.share(tp, tp + fn, confidence=confidence)),
        }


def _calibration(sums: _Sums, confidence: float) -> dict[Metric, _Column]:
    """The sum of the scores over the positives, as TFMA's Calibration; not defined without positives.

    A row with score x and label y moves the ratio r by (x - r y) / positives: the infinitesimal jackknife again.
    """
    positives, of_positives = sums.rows[:, 2:].sum(axis=1), sums.scores[:, 2:].sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(positives > 0, sums.scores.sum(axis=1) / positives, np.nan)
        variance = sums.squares.sum(axis=1) - 2 * ratio * of_positives + ratio * ratio * positives
        error = np.sqrt(np.maximum(variance, 0)) / positives
    return {"calibration": _column(ratio, interval.ratio(ratio, error, confidence=confidence))}


def _column(value: Floats, ends: interval.Interval) -> _Column:
    return _Column(value, ends.low, ends.high)
