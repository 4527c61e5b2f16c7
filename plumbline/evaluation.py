"""Evaluation: every model scored once on the same rows, judged slice by slice, and the verdict of the gates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from plumbline.errors import GateError
from plumbline.features import derived
from plumbline.gates import CANDIDATE, Verdict
from plumbline.ingestion import is_positive
from plumbline.problem import Data, Evaluation
from plumbline.scoreboard import Scoreboard, SliceKey

LABEL = "label"
BASELINES = ("today", "prevalence")
Scores = Mapping[str, npt.NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Judged:
    """What an evaluation leaves."""

    table: pa.Table
    """Keys, label, scores and slicing columns of the test rows."""
    board: Scoreboard
    verdict: Verdict


def scored_table(test: pa.Table, baselines: pa.Table, scores: Scores, data: Data, evaluation: Evaluation) -> pa.Table:
    """The test rows with keys, label, the scores of every model, and the slicing columns.

    Args:
        test: The test split.
        baselines: Keys and scores of the baselines, in the order of the split.
        scores: Scores (n,) of the other models by name.
        data: The columns.
        evaluation: The slices.

    Raises:
        GateError: The baselines were scored on other rows, a label is missing, or a name stands for two things.
    """
    if not test.select(list(data.key)).equals(baselines.select(list(data.key))):
        raise GateError(f"the baselines were not scored on the test rows: their {list(data.key)} differ")
    positive = is_positive(test, data.label)
    if positive.null_count:
        raise GateError(f"{positive.null_count} test rows have no {data.label.column}")
    columns = {name: test.column(name) for name in data.key}
    columns[LABEL] = pc.cast(positive, pa.int64())
    columns |= {name: baselines.column(name) for name in BASELINES}
    columns |= {name: pa.chunked_array([values]) for name, values in scores.items()}
    known = {**data.features, **data.attributes}
    for name in sorted({name for by in evaluation.slices for name in by}):
        values = derived(test, name, known[name])
        if name in columns and not values.equals(columns[name]):
            raise GateError(f"{name} is a slicing column and a model or key at once")
        columns[name] = values
    return pa.table(columns)


def expected_slices(table: pa.Table, evaluation: Evaluation) -> Sequence[SliceKey]:
    """The slices that the rows have, found without the evaluation's engine."""
    found: list[SliceKey] = []
    for by in evaluation.slices:
        if not by:
            found.append(())
            continue
        columns = pa.table({name: pc.cast(table.column(name), pa.string()) for name in by}).drop_null()
        rows = columns.group_by(list(by)).aggregate([]).to_pylist()
        found += sorted(tuple((name, row[name]) for name in by) for row in rows)
    return found


def models(table: pa.Table) -> Sequence[str]:
    """The models whose scores a table has, the candidate first."""
    return [name for name in (CANDIDATE, *BASELINES, "champion") if name in table.column_names]


def headline(board: Scoreboard) -> Mapping[str, float]:
    """Metrics of each model over all rows, for the run's list of metrics."""
    return {
        f"{result.model}_{name}": estimate.value
        for result in board.results
        if not result.slice
        for name, estimate in result.metrics.items()
        if estimate.value is not None and name not in {"example_count", "positives"}
    }


def write_scores(table: pa.Table, folder: Path) -> None:
    """The scored rows, for the smoke test and for whoever wants to look."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "scores.parquet", compression="zstd")
