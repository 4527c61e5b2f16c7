"""Evaluation before the engine: the test rows are scored in parts, and their slices found apart from it."""

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plumbline.dataset import file_rows, stored, table_rows
from plumbline.errors import GateError
from plumbline.evaluation import Floats, expected_slices, scored_parts
from plumbline.measures import Measures
from plumbline.problem import Column, Evaluation, Gate
from tests.unit.plumbline.test_baseline import DATA

TEST = pa.table(
    {
        "id": [0, 1, 2, 3, 4],
        "line": ["A", None, "B", "A", "B"],
        "late": [True, False, False, True, False],
        "weight": [1.0, 2.0, 1.0, 1.0, 1.0],
    }
)
SCORED = dataclasses.replace(
    DATA, features={"line": Column(type="categorical")}, attributes={"weight": Column(type="numeric")}
)
EVALUATION = Evaluation(
    slices=((), ("line",)), gates=(Gate(metric="auc", minimum=0.5),), measures=Measures(weight="weight")
)


def baselines(test: pa.Table) -> pa.Table:
    """Scores of the baselines for the rows of a table."""
    return (
        test.select(["id"])
        .append_column("today", pa.array([0.2] * len(test)))
        .append_column("prevalence", pa.array([0.4] * len(test)))
    )


def by_number(part: pa.Table, first: int) -> Floats:
    """A model that scores a row by its place in the split."""
    return np.arange(first, first + part.num_rows) / 10


def scored(test: pa.Table, known: pa.Table, *, size: int = 2, known_size: int = 2) -> pa.Table:
    """The scored parts as one table."""
    rows, others = table_rows(test, size=size), table_rows(known, size=known_size)
    return pa.concat_tables(scored_parts(rows, others, {"candidate": by_number}, SCORED, EVALUATION))


def test_parts_are_scored_in_order() -> None:
    """Every row once, with label, weight and the scores of all models, however the rows are cut."""
    found = scored(TEST, baselines(TEST))
    assert found.to_pydict() == {
        "id": [0, 1, 2, 3, 4],
        "label": [1, 0, 0, 1, 0],
        "today": [0.2] * 5,
        "prevalence": [0.4] * 5,
        "candidate": [0.0, 0.1, 0.2, 0.3, 0.4],
        "line": ["A", None, "B", "A", "B"],
        "weight": [1.0, 2.0, 1.0, 1.0, 1.0],
    }
    assert scored(TEST, baselines(TEST), size=5, known_size=5).equals(found.combine_chunks())


@pytest.mark.parametrize(
    ("known", "size"), [(TEST.slice(0, 4), 2), (TEST.slice(0, 2), 2), (TEST.take([1, 0, 2, 3, 4]), 2), (TEST, 3)]
)
def test_baselines_of_other_rows_block(known: pa.Table, size: int) -> None:
    """Rows that lack, stand in another order or are cut otherwise are not compared."""
    with pytest.raises(GateError, match="not scored on the test rows"):
        scored(TEST, baselines(known), known_size=size)


def test_no_rows_block() -> None:
    """Nothing is said of a model by nothing."""
    with pytest.raises(GateError, match="no test rows"):
        scored(TEST.slice(0, 0), baselines(TEST.slice(0, 0)))


def test_a_missing_label_blocks() -> None:
    """The row is not left out."""
    late = pa.array([True, None, False, True, False])
    with pytest.raises(GateError, match="1 of 2 test rows have no late"):
        scored(TEST.set_column(2, "late", late), baselines(TEST))


def test_slices_are_those_of_all_parts(tmp_path: Path) -> None:
    """Each value once, sorted, wherever it occurs; a missing one is none."""
    path = tmp_path / "scores.parquet"
    parts = (TEST.slice(start, 2) for start in (0, 2, 4))
    assert sum(part.num_rows for part in stored(parts, path)) == 5
    assert pq.ParquetFile(path).num_row_groups == 3
    assert expected_slices(file_rows(path), EVALUATION) == [(), (("line", "A"),), (("line", "B"),)]
