"""Evaluation: every model scored once on the same rows, judged slice by slice, and the verdict of the gates."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.choosing import Division, choose
from plumbline.dataset import Rows
from plumbline.errors import GateError
from plumbline.features import derived
from plumbline.gates import Verdict
from plumbline.ingestion import is_positive
from plumbline.operating_point import OperatingPoint, OperatingPoints, Rule
from plumbline.problem import Data, Evaluation
from plumbline.scoreboard import OVERALL, Scoreboard, SliceKey
from plumbline.section import Names
from plumbline.sums import scores_of, weights_of

LABEL = "label"
CHAMPION = "champion"
Floats = npt.NDArray[np.float64]
Scores = Mapping[str, Floats]
Score = Callable[[pa.Table, int], Floats]
"""Scores (n,) of a part (n rows) of a split, which begins at that row."""
_OTHER_ROWS = "baselines or prototypes were not scored on these rows: their keys differ"


@dataclass(frozen=True, slots=True)
class Judged:
    """What an evaluation leaves."""

    board: Scoreboard
    verdict: Verdict


def scored_parts(
    split: Rows, known: Sequence[Rows], models: Mapping[str, Score], data: Data, evaluation: Evaluation
) -> Iterator[pa.Table]:
    """`scored_table` of each part of a split, so that the rows need not fit into memory.

    Args:
        split: The test split, or the validation split.
        known: Keys and scores of models that are scored already, in the order of the split and in the same parts.
        models: How the other models score.
        data: The columns.
        evaluation: The slices, and the weight.

    Raises:
        GateError: There is no row, or as `scored_table` says.
    """
    first = 0
    for part, *scored in zip_longest(*(rows.parts(rows.schema.names) for rows in (split, *known))):
        if part is None or any(each is None for each in scored):
            raise GateError(_OTHER_ROWS)
        scores = {name: score(part, first) for name, score in models.items()}
        yield scored_table(part, scored, scores, data, evaluation)
        first += part.num_rows
    if not first:
        raise GateError("there are no rows to judge by, so nothing can be said of the model")


def scored_table(
    test: pa.Table, known: Sequence[pa.Table], scores: Scores, data: Data, evaluation: Evaluation
) -> pa.Table:
    """Rows with keys, label, the scores of every model, the slicing columns and that of the weights.

    Args:
        test: The rows.
        known: Keys and scores of models that are scored already, in the order of the rows.
        scores: Scores (n,) of the other models by name.
        data: The columns.
        evaluation: The slices, and the weight.

    Raises:
        GateError: The baselines were scored on other rows, a label is missing, or a name stands for two things.
    """
    keys = list(data.key)
    if not all(test.select(keys).equals(each.select(keys)) for each in known):
        raise GateError(_OTHER_ROWS)
    positive = is_positive(test, data.label)
    if positive.null_count:
        raise GateError(f"{positive.null_count} of {test.num_rows} rows have no {data.label.column}")
    columns = {name: test.column(name) for name in keys}
    columns[LABEL] = pc.cast(positive, pa.int64())
    for each in known:
        columns |= {name: each.column(name) for name in each.column_names if name not in keys}
    columns |= {name: pa.chunked_array([values]) for name, values in scores.items()}
    declared, weight = {**data.features, **data.attributes}, evaluation.measures.weight
    for name in sorted({name for by in evaluation.slices for name in by} | ({weight} if weight else set())):
        values = derived(test, name, declared[name])
        if name in columns and not values.equals(columns[name]):
            raise GateError(f"{name} is a slicing column or weight and a model or key at once")
        columns[name] = values
    return pa.table(columns)


def models_of(known: Sequence[Rows], data: Data) -> Sequence[str]:
    """The models that are scored already."""
    return [name for rows in known for name in rows.schema.names if name not in data.key]


def operating_points(
    models: Sequence[str], evaluation: Evaluation, champion: float | None, validation: Iterable[pa.Table]
) -> OperatingPoints:
    """The threshold of each model: the config's number, the champion's own, or by the rule on the validation split.

    Args:
        models: The candidate first.
        evaluation: Number or rule.
        champion: The threshold that the champion serves with, None where that is not known.
        validation: `scored_parts` of the validation split; not read where nothing has to be chosen.
    """
    rule = evaluation.threshold
    own = {CHAMPION: champion} if champion is not None and CHAMPION in models else {}
    if isinstance(rule, float):
        given = f"{rule:g} for every model, by the config"
        found = {
            name: OperatingPoint(model=name, threshold=rule, source="config", explanation=given) for name in models
        }
    else:
        found = _chosen([name for name in models if name not in own], rule, evaluation, validation)
    for name, threshold in own.items():
        text = "what it serves with"
        found[name] = OperatingPoint(model=name, threshold=threshold, source="registry", explanation=text)
    return OperatingPoints(points=tuple(found[name] for name in models))


def _chosen(
    models: Sequence[str], rule: Rule, evaluation: Evaluation, validation: Iterable[pa.Table]
) -> dict[str, OperatingPoint]:
    """By the rule, from the scores of all validation rows: as many as a slice needs to be judged, of both classes."""
    weight = evaluation.measures.weight
    divisions, seen = {name: Division() for name in models}, 0
    for part in validation:
        positive = part.column(LABEL).to_numpy() > 0
        weights = weights_of(part, weight, seen) if weight else None
        for name, division in divisions.items():
            division.add(scores_of(part, name, name, seen), positive, weights)
        seen += part.num_rows
    return {name: _point(name, division, rule, evaluation) for name, division in divisions.items()}


def _point(model: str, division: Division, rule: Rule, evaluation: Evaluation) -> OperatingPoint:
    choice = choose(division, rule, rows=evaluation.minimum_count, positives=evaluation.minimum_positives)
    return OperatingPoint(
        model=model,
        threshold=choice.threshold,
        source="rule",
        explanation=choice.explanation,
        reached=choice.reached,
    )


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
