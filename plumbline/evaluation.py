"""Evaluation: every model scored once on the same rows, judged slice by slice, and the verdict of the gates."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.dataset import Rows
from plumbline.errors import GateError
from plumbline.features import derived
from plumbline.gates import Verdict
from plumbline.ingestion import is_positive
from plumbline.problem import Data, Evaluation
from plumbline.scoreboard import OVERALL, Scoreboard, SliceKey
from plumbline.section import Names

LABEL = "label"
BASELINES = ("today", "prevalence")
Floats = npt.NDArray[np.float64]
Scores = Mapping[str, Floats]
Score = Callable[[pa.Table, int], Floats]
"""Scores (n,) of a part (n rows) of the test split, which begins at that row."""
_OTHER_ROWS = "the baselines were not scored on the test rows: their keys differ"


@dataclass(frozen=True, slots=True)
class Judged:
    """What an evaluation leaves."""

    board: Scoreboard
    verdict: Verdict


def scored_parts(
    test: Rows, baselines: Rows, models: Mapping[str, Score], data: Data, evaluation: Evaluation
) -> Iterator[pa.Table]:
    """`scored_table` of each part of the test split, so that the rows need not fit into memory.

    Args:
        test: The test split.
        baselines: Keys and scores of the baselines, in the order of the split and in the same parts.
        models: How the other models score.
        data: The columns.
        evaluation: The slices, and the weight.

    Raises:
        GateError: There is no row, or as `scored_table` says.
    """
    first = 0
    parts = zip_longest(test.parts(test.schema.names), baselines.parts(baselines.schema.names))
    for part, known in parts:
        if part is None or known is None:
            raise GateError(_OTHER_ROWS)
        scores = {name: score(part, first) for name, score in models.items()}
        yield scored_table(part, known, scores, data, evaluation)
        first += part.num_rows
    if not first:
        raise GateError("there are no test rows, so nothing can be said of the model")


def scored_table(test: pa.Table, baselines: pa.Table, scores: Scores, data: Data, evaluation: Evaluation) -> pa.Table:
    """The test rows with keys, label, the scores of every model, the slicing columns and that of the weights.

    Args:
        test: The test split.
        baselines: Keys and scores of the baselines, in the order of the split.
        scores: Scores (n,) of the other models by name.
        data: The columns.
        evaluation: The slices, and the weight.

    Raises:
        GateError: The baselines were scored on other rows, a label is missing, or a name stands for two things.
    """
    if not test.select(list(data.key)).equals(baselines.select(list(data.key))):
        raise GateError(_OTHER_ROWS)
    positive = is_positive(test, data.label)
    if positive.null_count:
        raise GateError(f"{positive.null_count} of {test.num_rows} test rows have no {data.label.column}")
    columns = {name: test.column(name) for name in data.key}
    columns[LABEL] = pc.cast(positive, pa.int64())
    columns |= {name: baselines.column(name) for name in BASELINES}
    columns |= {name: pa.chunked_array([values]) for name, values in scores.items()}
    known, weight = {**data.features, **data.attributes}, evaluation.measures.weight
    for name in sorted({name for by in evaluation.slices for name in by} | ({weight} if weight else set())):
        values = derived(test, name, known[name])
        if name in columns and not values.equals(columns[name]):
            raise GateError(f"{name} is a slicing column or weight and a model or key at once")
        columns[name] = values
    return pa.table(columns)


def expected_slices(rows: Rows, evaluation: Evaluation) -> Sequence[SliceKey]:
    """The slices that the scored rows have, found without the evaluation's engine."""
    found: dict[Names, set[SliceKey]] = {by: set() if by else {OVERALL} for by in evaluation.slices}
    for part in rows.parts(sorted({name for by in evaluation.slices for name in by})):
        for by in filter(None, found):
            found[by] |= _keys(part, by)
    return [key for keys in found.values() for key in sorted(keys)]


def _keys(part: pa.Table, by: Names) -> set[SliceKey]:
    """The slices that a part has a row of."""
    columns = pa.table({name: pc.cast(part.column(name), pa.string()) for name in by}).drop_null()
    grouped = columns.group_by(list(by)).aggregate([])
    values = zip(*(grouped.column(name).to_pylist() for name in by), strict=True)
    return {tuple(zip(by, each, strict=True)) for each in values}


def headline(board: Scoreboard) -> Mapping[str, float]:
    """Metrics of each model over all rows, for the run's list of metrics."""
    return {
        f"{result.model}_{name}": estimate.value
        for result in board.results
        if not result.slice
        for name, estimate in result.metrics.items()
        if estimate.value is not None and name not in {"example_count", "positives"}
    }
