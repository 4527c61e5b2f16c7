"""The fast evaluation engine: every model and slice in one pass over the rows, with TFMA's numbers.

Confidence intervals come from the jackknife over `GROUPS` groups of rows: each metric is computed again without each
group, and the spread of the results gives the standard error. Source: Efron and Tibshirani, "An Introduction to the
Bootstrap" (1993), chapter 11; TFMA's own `jackknife.py` does the same with its partitions.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import stats

from plumbline.curves import curves
from plumbline.errors import DataError, ModelError
from plumbline.histogram import Floats, Ints, pr_area, roc_area, threshold_index
from plumbline.problem import Evaluation, Metric
from plumbline.scoreboard import Confusion, Estimate, Scoreboard, SliceKey, SliceResult

GROUPS = 20
_COARSE = 1_000
"""Thresholds for the jackknife: enough for a standard error."""
LABEL = "label"
_COUNTS: tuple[Metric, ...] = ("example_count", "positives")


@dataclass(frozen=True, slots=True)
class _Slices:
    """The slices of one entry of the config."""

    keys: Sequence[SliceKey]
    codes: Ints
    """Slice of each row, -1 for a row that lacks a value."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """A model's scores with the truth, each of shape (n,)."""

    scores: Floats
    positive: Ints
    group: Ints


Counts = Mapping[str, Floats]
"""Sums by slice, or by slice and group: rows, positives, scores, and the four cells of the confusion matrix."""


def evaluate_vectorised(table: pa.Table, evaluation: Evaluation, models: Sequence[str]) -> Scoreboard:
    """The scoreboard of several models on the same rows.

    Args:
        table: Column `label` (0 or 1), a column of scores a model, and the slicing columns.
        evaluation: Slices, threshold, confidence.
        models: Names of the score columns.

    Raises:
        DataError: A label is neither 0 nor 1.
        ModelError: A score is not a number in [0, 1].
    """
    positive = _labels(table)
    group = np.arange(table.num_rows) % GROUPS
    rows = {name: _Rows(_scores(table, name), positive, group) for name in models}
    results: list[SliceResult] = []
    for by in evaluation.slices:
        slices = _slices(table, by)
        for name, of_model in rows.items():
            results += _results(name, of_model, slices, evaluation)
    drawn = [curve for name, of_model in rows.items() for curve in curves(name, of_model.scores, positive)]
    return Scoreboard(
        threshold=evaluation.threshold,
        confidence=evaluation.confidence,
        engine="vectorised",
        results=tuple(results),
        curves=tuple(drawn),
    )


def _labels(table: pa.Table) -> Ints:
    labels = pc.fill_null(pc.cast(table.column(LABEL), pa.int64()), -1).to_numpy()
    wrong = (labels != 0) & (labels != 1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(f"the label of row {row} must be 0 or 1, got {table.column(LABEL)[row].as_py()}")
    return labels


def _scores(table: pa.Table, name: str) -> Floats:
    scores = pc.fill_null(pc.cast(table.column(name), pa.float64()), np.nan).to_numpy()
    wrong = ~((scores >= 0) & (scores <= 1))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ModelError(f"the score of {name} in row {row} must be in [0, 1], got {scores[row]}")
    return scores


def _slices(table: pa.Table, by: Sequence[str]) -> _Slices:
    codes = np.zeros(table.num_rows, np.int64)
    missing = np.zeros(table.num_rows, np.bool_)
    values: list[list[str]] = []
    for name in by:
        column = pc.cast(table.column(name), pa.string()).combine_chunks().dictionary_encode()
        words = column.dictionary.to_pylist()
        index = pc.fill_null(column.indices, 0).to_numpy().astype(np.int64)
        missing |= pc.is_null(column.indices).to_numpy(zero_copy_only=False)
        codes = codes * max(1, len(words)) + index
        values.append(words)
    present, dense = np.unique(np.where(missing, -1, codes), return_inverse=True)
    shift = int(present.size > 0 and present[0] == -1)
    keys = [_key(int(code), by, values) for code in present[shift:]]
    order = sorted(range(len(keys)), key=lambda i: tuple(sortable(value) for _, value in keys[i]))
    place = np.full(len(keys) + 1, -1, np.int64)
    place[order] = np.arange(len(keys))
    return _Slices([keys[i] for i in order], np.where(dense - shift < 0, -1, place[dense - shift]))


def _key(code: int, by: Sequence[str], values: Sequence[Sequence[str]]) -> SliceKey:
    found: list[tuple[str, str]] = []
    for name, words in zip(reversed(by), reversed(values), strict=True):
        code, index = divmod(code, len(words))
        found.append((name, words[index]))
    return tuple(reversed(found))


def sortable(value: str) -> tuple[int, str]:
    """What to sort a slice's value by: numbers in the order of their size."""
    return (len(value), value) if value.isdigit() else (0, value)


def _results(model: str, rows: _Rows, slices: _Slices, evaluation: Evaluation) -> Iterator[SliceResult]:
    kept = slices.codes >= 0
    codes, of_kept = slices.codes[kept], _Rows(rows.scores[kept], rows.positive[kept], rows.group[kept])
    number = len(slices.keys)
    totals = _counts(of_kept, codes, number, evaluation.threshold)
    exact = _metrics(totals, _areas(of_kept, codes, number))
    without = _leave_one_out(of_kept, codes, number, evaluation.threshold)
    wide = float(stats.t.ppf((1 + evaluation.confidence) / 2, GROUPS - 1))
    for i, key in enumerate(slices.keys):
        estimates = {name: _estimate(name, exact[name][i], without[name][i], wide) for name in exact}
        cells = {name: int(totals[name][i]) for name in ("tp", "fp", "tn", "fn")}
        yield SliceResult(
            model=model,
            slice=key,
            count=int(totals["rows"][i]),
            positives=int(totals["positives"][i]),
            metrics=estimates,
            confusion=Confusion(
                true_positives=cells["tp"],
                false_positives=cells["fp"],
                true_negatives=cells["tn"],
                false_negatives=cells["fn"],
            ),
        )


def _counts(rows: _Rows, codes: Ints, number: int, threshold: float) -> Counts:
    """Sums by slice, each of shape (number,). A score is a positive decision when it exceeds the threshold."""
    decided = rows.scores > threshold
    truth = rows.positive == 1
    weights = {
        "rows": np.ones(codes.size),
        "positives": truth,
        "scores": rows.scores,
        "tp": decided & truth,
        "fp": decided & ~truth,
        "tn": ~decided & ~truth,
        "fn": ~decided & truth,
    }
    return {name: np.bincount(codes, weights=w, minlength=number).astype(np.float64) for name, w in weights.items()}


def _areas(rows: _Rows, codes: Ints, number: int) -> tuple[Floats, Floats]:
    """Areas under the ROC and the precision-recall curve by slice, each of shape (number,)."""
    return _by_slice(*_histograms(rows, codes, number, coarse=False))


def _histograms(rows: _Rows, codes: Ints, number: int, *, coarse: bool) -> tuple[Floats, Floats]:
    """Histograms (number, t) of positive and negative rows by threshold index."""
    size = _COARSE if coarse else 10_000
    index = codes * size + threshold_index(rows.scores, size)
    counted = (np.bincount(index[rows.positive == truth], minlength=number * size) for truth in (1, 0))
    positives, negatives = (counts.reshape(number, size).astype(np.float64) for counts in counted)
    return positives, negatives


def _by_slice(positives: Floats, negatives: Floats) -> tuple[Floats, Floats]:
    return roc_area(positives, negatives), pr_area(positives, negatives)


def _leave_one_out(rows: _Rows, codes: Ints, number: int, threshold: float) -> Mapping[Metric, Floats]:
    """Every metric without each of the groups, shape (number, GROUPS)."""
    by_group = codes * GROUPS + rows.group
    parts = {
        name: counts.reshape(number, GROUPS)
        for name, counts in _counts(rows, by_group, number * GROUPS, threshold).items()
    }
    totals = {name: counts.sum(axis=1, keepdims=True) - counts for name, counts in parts.items()}
    shape = (number, GROUPS, _COARSE)
    fine = (part.reshape(shape) for part in _histograms(rows, by_group, number * GROUPS, coarse=True))
    positives, negatives = (part.sum(axis=1, keepdims=True) - part for part in fine)
    return _metrics(totals, _by_slice(positives, negatives))


def _metrics(totals: Counts, areas: tuple[Floats, Floats]) -> Mapping[Metric, Floats]:
    """The metrics from sums; NaN where one is not defined."""
    one_class = (totals["positives"] == 0) | (totals["positives"] == totals["rows"])
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "auc": np.where(one_class, np.nan, areas[0]),
            "auc_pr": np.where(one_class, np.nan, areas[1]),
            "precision": totals["tp"] / (totals["tp"] + totals["fp"]),
            "recall": totals["tp"] / totals["positives"],
            "calibration": totals["scores"] / totals["positives"],
            "example_count": totals["rows"],
            "positives": totals["positives"],
        }


def _estimate(metric: Metric, value: float, without: Floats, wide: float) -> Estimate:
    """A value with its interval: `wide` standard errors to each side by the jackknife, as far as the metric can go."""
    if not np.isfinite(value):
        return Estimate(value=None)
    known = without[np.isfinite(without)]
    # A count is what it is, and a group whose absence leaves nothing to compute says nothing of the spread.
    if metric in _COUNTS or known.size < GROUPS:
        return Estimate(value=float(value))
    error = wide * float(np.sqrt((GROUPS - 1) / GROUPS * np.sum((known - known.mean()) ** 2)))
    highest = np.inf if metric == "calibration" else 1.0
    return Estimate(value=float(value), low=float(max(value - error, 0.0)), high=float(min(value + error, highest)))
