"""One pass over batches of rows: the sums that every metric of every model on every slice follows from.

Memory grows with slices and score segments, not with rows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.counters import Counters, Floats, Integers, Summed, add_up
from plumbline.errors import DataError, ModelError
from plumbline.histogram import SEGMENTS, Histogram, cells, gather, segments
from plumbline.scoreboard import SliceKey
from plumbline.section import Names
from plumbline.slicing import Grouping, Slices, slices_of, widest

LABEL = "label"
_SEED = 7
"""Of the parts that rows are dealt into: the same rows in the same order have the same intervals."""
PARTS = 20
"""That rows are dealt into for the jackknife. Source: TFMA 0.52, JackknifeOptions: its default."""
_BLOCK = 2**18
"""Rows that are worked on at once: batches may be of any size."""


_ORDER = {3: (0, 0, 0, 1, 1, 2), 6: (0, 1, 2, 3, 4, 5)}
"""Where the sums of `Sums` are among those that are kept for each row: three without weights, six with."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to sum."""

    models: Mapping[str, str]
    """The column of scores of each model."""
    slices: Sequence[Names]
    thresholds: tuple[float, ...]
    """Ascending. A score above a threshold, not at it, is a positive decision, as in TFMA."""
    label: str = LABEL
    weight: str = ""
    """The column of weights; rows weigh 1 where there is none."""
    parts: int = 1
    """How many parts rows are dealt into, to be summed apart."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums of one model on one set of slices, over rows of weight w and score x.

    The arrays have shape (slices, thresholds + 1, 2): rows whose score is above i thresholds, by class.
    """

    keys: tuple[SliceKey, ...]
    thresholds: tuple[float, ...]
    rows: Floats
    """How many."""
    weight: Floats
    """Of w."""
    weight_squares: Floats
    """Of w w."""
    scores: Floats
    """Of w x."""
    score_cross: Floats
    """Of w w x."""
    score_squares: Floats
    """Of w w x x."""
    histogram: Histogram


@dataclass(frozen=True, slots=True)
class Sliced:
    """The sums of one model on one set of slices: over all rows, and over all but each part of them."""

    whole: Sums
    without: tuple[Sums, ...]
    """Empty where rows are not dealt into parts."""


@dataclass(frozen=True, slots=True)
class Overall:
    """All rows of one model by segment."""

    histogram: Histogram
    """Of one slice, with the weights as counts."""
    scores: Floats
    """The weighted sum of the scores of each entry of the histogram."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """A block of n rows, checked."""

    positive: npt.NDArray[np.bool_]
    part: npt.NDArray[np.int32]
    weight: Floats | None
    """None where every row weighs 1."""


@dataclass(frozen=True, slots=True)
class _Scored:
    """A block of n rows as one model sees it, whatever they are grouped by; each array has shape (n,)."""

    cell: Integers
    """Segment and class: the part of a histogram's key that follows the code."""
    decision: Integers
    """How many thresholds the score is above, and class: likewise."""
    weights: Sequence[Floats | None]
    """What a histogram sums."""
    moments: Sequence[Floats | None]
    """What is summed by decision."""
    overall: Sequence[Floats]
    """Weight and weighted score."""


@dataclass(frozen=True, slots=True)
class _Counter:
    """One grouping of the rows, and what each model has of it."""

    grouping: Grouping
    histograms: Mapping[str, Counters]
    decisions: Mapping[str, Counters]


class Counted:
    """What a pass over the rows leaves."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self._counters = {names: _counter(names, request) for names in widest(request.slices)}
        self._overall = {model: Counters(2) for model in request.models}
        self._seen = 0
        self._random = np.random.default_rng(_SEED)

    def add(self, block: pa.Table) -> None:
        """Counts some rows: enough to outweigh the handling of a block, few enough for the processor's cache."""
        request = self.request
        rows = _rows(block, request, self._random, self._seen)
        codes = {names: counter.grouping.codes(block) for names, counter in self._counters.items()}
        codes = {names: code * np.int64(request.parts) + rows.part for names, code in codes.items()}
        width = 2 * (len(request.thresholds) + 1)
        starts = {names: (code * 2 * SEGMENTS, code * width) for names, code in codes.items()}
        for model, column in request.models.items():
            scored = _scored(scores_of(block, column, model, self._seen), rows, request.thresholds)
            self._overall[model].add(scored.cell, scored.overall, size=2 * SEGMENTS)
            for names, counter in self._counters.items():
                size, (cell, decision) = counter.grouping.size * request.parts, starts[names]
                counter.histograms[model].add(cell + scored.cell, scored.weights, size=2 * SEGMENTS * size)
                counter.decisions[model].add(decision + scored.decision, scored.moments, size=width * size)
        self._seen += block.num_rows

    def sliced(self, model: str, names: Names) -> Sliced:
        """The sums of a model on the slices of one of the request's entries."""
        counter = next(counter for wide, counter in self._counters.items() if set(names) <= set(wide))
        slices, parts = slices_of(counter.grouping, names), self.request.parts
        histogram, decisions = counter.histograms[model].total(), counter.decisions[model].total()
        whole = _sums(slices, histogram, decisions, self.request)
        without = (
            (_without(histogram, SEGMENTS, part, parts), _without(decisions, len(whole.thresholds) + 1, part, parts))
            for part in range(parts if parts > 1 else 0)
        )
        return Sliced(whole, tuple(_sums(slices, *left, self.request) for left in without))

    def overall(self, model: str) -> Overall:
        """All rows of a model."""
        keys, (weights, scores) = self._overall[model].total()
        histogram = gather(keys, np.stack([weights]), slices=1)
        of_segment = add_up(keys // 2, scores, size=SEGMENTS)
        return Overall(histogram, of_segment[histogram.segment])


def sum_up(batches: Iterable[pa.Table | pa.RecordBatch], request: Request) -> Counted:
    """The sums over all rows.

    Args:
        batches: Rows with the columns that the request names: labels boolean or 0 and 1, scores, weights, and slicing
            columns. A row without value in a slicing column is in none of that column's slices.
        request: What to sum.

    Raises:
        DataError: A label is neither 0 nor 1, or a weight is not a finite number of at least 0.
        ModelError: A score is not a number in [0, 1].
    """
    counted = Counted(request)
    for block in _blocks(batches):
        counted.add(block)
    return counted


def _counter(names: Names, request: Request) -> _Counter:
    weighted = bool(request.weight)
    return _Counter(
        Grouping(names),
        histograms={model: Counters(2 if weighted else 1) for model in request.models},
        decisions={model: Counters(6 if weighted else 3) for model in request.models},
    )


def _blocks(batches: Iterable[pa.Table | pa.RecordBatch]) -> Iterator[pa.Table]:
    """The rows in tables of at most _BLOCK."""
    for batch in batches:
        table = batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch])
        yield from (table.slice(start, _BLOCK) for start in range(0, table.num_rows, _BLOCK))


def _rows(block: pa.Table, request: Request, random: np.random.Generator, seen: int) -> _Rows:
    weight = weights_of(block, request.weight, seen) if request.weight else None
    part = np.zeros(block.num_rows, np.int32)
    if request.parts > 1:
        part = random.integers(0, request.parts, block.num_rows, dtype=np.int32)
    return _Rows(_labels(block, request.label, seen), part, weight)


def _labels(block: pa.Table, label: str, seen: int) -> npt.NDArray[np.bool_]:
    column = block.column(label)
    labels = pc.fill_null(column if pa.types.is_integer(column.type) else pc.cast(column, pa.int8()), -1).to_numpy()
    wrong = (labels != 0) & (labels != 1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(f"the label of row {seen + row} must be 0 or 1, got {column[row].as_py()}")
    return labels.astype(np.bool_)


def scores_of(block: pa.Table, column: str, model: str, seen: int) -> Floats:
    """The scores of a block of n rows, shape (n,).

    Args:
        block: The rows.
        column: Of the scores.
        model: Whose they are, for the message.
        seen: How many rows came before.

    Raises:
        ModelError: A score is not a number in [0, 1].
    """
    scores: Floats = pc.cast(block.column(column), pa.float64()).to_numpy()
    # A null becomes NaN, which compares as false.
    fit = (scores >= 0) & (scores <= 1)
    if not fit.all():
        row = int(np.argmin(fit))
        raise ModelError(f"the score of {model} in row {seen + row} must be in [0, 1], got {scores[row]}")
    return scores


def weights_of(block: pa.Table, column: str, seen: int) -> Floats:
    """The weights of a block of n rows, shape (n,), as `scores_of`.

    Raises:
        DataError: A weight is not a finite number of at least 0.
    """
    weights: Floats = pc.cast(block.column(column), pa.float64()).to_numpy()
    fit = (weights >= 0) & np.isfinite(weights)
    if not fit.all():
        row = int(np.argmin(fit))
        raise DataError(f"{column} of row {seen + row} must be a finite weight of at least 0, got {weights[row]}")
    return weights


def _above(scores: Floats, thresholds: tuple[float, ...]) -> Integers:
    """How many of the thresholds each score is above."""
    found = np.zeros(scores.size, np.int64)
    for threshold in thresholds:
        found += scores > threshold
    return found


def _scored(scores: Floats, rows: _Rows, thresholds: tuple[float, ...]) -> _Scored:
    cell = cells(np.zeros(1, np.int64), segments(scores), rows.positive)
    decision = _above(scores, thresholds) * 2 + rows.positive
    if rows.weight is None:
        moments: Sequence[Floats | None] = [None, scores, scores * scores]
        return _Scored(cell, decision, [None], moments, [np.ones(scores.size), scores])
    weight, squares, weighted = rows.weight, rows.weight**2, rows.weight * scores
    moments = [None, weight, squares, weighted, weight * weighted, weighted * weighted]
    return _Scored(cell, decision, [weight, squares], moments, [weight, weighted])


def _without(summed: Summed, width: int, part: int, parts: int) -> Summed:
    """Sums without the rows of one part."""
    keys, sums = summed
    left = keys // (2 * width) % parts != part
    return keys[left], sums[:, left]


def _sums(slices: Slices, histogram: Summed, decisions: Summed, request: Request) -> Sums:
    size, width = len(slices.keys), len(request.thresholds) + 1
    keys, found = _placed(decisions, slices, 2 * width, request.parts)
    each = [add_up(keys, sums, size=2 * width * size).reshape(size, width, 2) for sums in found]
    # Without weights w is 1: sums of w and of its square are counts.
    rows, weight, weight_squares, scores, score_cross, score_squares = (each[i] for i in _ORDER[len(each)])
    cell, amounts = _placed(histogram, slices, 2 * SEGMENTS, request.parts)
    return Sums(
        keys=slices.keys,
        thresholds=request.thresholds,
        rows=rows,
        weight=weight,
        weight_squares=weight_squares,
        scores=scores,
        score_cross=score_cross,
        score_squares=score_squares,
        histogram=gather(cell, amounts, slices=size),
    )


def _placed(summed: Summed, slices: Slices, width: int, parts: int) -> Summed:
    """Sums by slice in place of group and part, without the groups that are in no slice."""
    keys, sums = summed
    codes, rest = np.divmod(keys, width)
    place = slices.codes[codes // parts].astype(np.int64)
    inside = place < len(slices.keys)
    return place[inside] * width + rest[inside], sums[:, inside]
