"""Evaluation before the engine: the test rows are scored in parts, and their slices found apart from it."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plumbline.dataset import file_rows, stored, table_rows
from plumbline.errors import GateError, ModelError
from plumbline.evaluation import Floats, expected_slices, models_of, operating_points, scored_parts
from plumbline.measures import Measures
from plumbline.operating_point import OperatingPoint, Rule
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
    slices=((), ("line",)),
    gates=(Gate(metric="auc", minimum=0.5),),
    minimum_count=5,
    minimum_positives=2,
    measures=Measures(weight="weight"),
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
    return pa.concat_tables(scored_parts(rows, [others], {"candidate": by_number}, SCORED, EVALUATION))


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
    with pytest.raises(GateError, match="not scored on these rows"):
        scored(TEST, baselines(known), known_size=size)


def test_no_rows_block() -> None:
    """Nothing is said of a model by nothing."""
    with pytest.raises(GateError, match="no rows to judge by"):
        scored(TEST.slice(0, 0), baselines(TEST.slice(0, 0)))


def test_a_missing_label_blocks() -> None:
    """The row is not left out."""
    late = pa.array([True, None, False, True, False])
    with pytest.raises(GateError, match="1 of 2 rows have no late"):
        scored(TEST.set_column(2, "late", late), baselines(TEST))


def test_several_sources_of_scores_are_put_together() -> None:
    """Baselines and prototypes come in files of their own; whoever is scored already is listed."""
    trees = TEST.select(["id"]).append_column("boosted_trees", pa.array([0.5] * 5))
    known = [table_rows(baselines(TEST), size=2), table_rows(trees, size=2)]
    rows = table_rows(TEST, size=2)
    found = pa.concat_tables(scored_parts(rows, known, {"candidate": by_number}, SCORED, EVALUATION))
    assert found.column("boosted_trees").to_pylist() == [0.5] * 5
    assert models_of(known, SCORED) == ["today", "prevalence", "boosted_trees"]


def points(rule: float | Rule, champion: float | None, rows: pa.Table = TEST) -> dict[str, OperatingPoint]:
    """The thresholds of four models."""
    models = ["candidate", "today", "prevalence", "champion"]
    evaluation = dataclasses.replace(EVALUATION, threshold=rule, measures=Measures())
    scorers = {"candidate": by_number, "champion": by_number}
    parts = scored_parts(table_rows(rows), [table_rows(baselines(rows))], scorers, SCORED, evaluation)
    found = operating_points(models, evaluation, champion, parts)
    assert [point.model for point in found.points] == models
    return {point.model: point for point in found.points}


def test_each_model_has_the_threshold_that_the_rule_chooses_for_it() -> None:
    """The late rows are the first and the fourth: above 0.25 the candidate has the fourth, and one that is not."""
    found = points(Rule(precision=0.5), None)
    assert found["candidate"].threshold == pytest.approx(0.25)
    assert found["candidate"].reached
    assert found["candidate"].source == found["champion"].source == "rule"
    # All rows have one score: the rule cannot be met, and the nearest is to warn of every row.
    assert not found["today"].reached
    assert found["today"].threshold == pytest.approx(0.1)


def test_the_champion_is_judged_at_what_it_serves_with() -> None:
    """Whatever the rule would choose for it."""
    found = points(Rule(precision=0.5), 0.42)
    assert (found["champion"].threshold, found["champion"].source) == (0.42, "registry")


def test_a_number_is_every_model_s_but_the_champion_s() -> None:
    """Nothing is chosen, so the validation rows are not looked at."""

    def unread() -> Iterator[pa.Table]:
        pytest.fail("the validation rows were read")
        yield TEST  # type: ignore[unreachable] # makes it an iterator

    evaluation = dataclasses.replace(EVALUATION, threshold=0.3)
    found = operating_points(["candidate", "champion"], evaluation, 0.7, unread())
    assert [(point.threshold, point.source) for point in found.points] == [(0.3, "config"), (0.7, "registry")]


def test_a_small_validation_split_meets_no_rule() -> None:
    """Four rows where a slice needs five to be judged."""
    found = points(Rule(precision=0.5), None, TEST.slice(0, 4))["candidate"]
    assert not found.reached
    assert "on too few rows: 2 of 4 validation rows are positive, wanted 2 of 5" in found.explanation


def test_weights_count_for_the_threshold() -> None:
    """Both late rows are found among the first four, which weigh 5, since the second counts twice."""
    weighted = dataclasses.replace(EVALUATION, threshold=Rule(recall=0.9))
    falling = {"candidate": lambda part, first: 0.9 - by_number(part, first)}
    parts = scored_parts(table_rows(TEST, size=2), [], falling, SCORED, weighted)
    [point] = operating_points(["candidate"], weighted, None, parts).points
    assert "precision 0.400, recall 1.000" in point.explanation


@pytest.mark.parametrize("wrong", [np.nan, -0.1, 1.1])
def test_a_validation_score_that_is_none_is_refused(wrong: float) -> None:
    """As on the test split: a model that says nothing of a row is broken."""
    broken = {"candidate": lambda part, first: np.where(np.arange(first, first + len(part)) == 3, wrong, 0.5)}
    parts = scored_parts(table_rows(TEST, size=2), [], broken, SCORED, EVALUATION)
    with pytest.raises(ModelError, match=r"score of candidate in row 3 must be in \[0, 1\]"):
        operating_points(["candidate"], dataclasses.replace(EVALUATION, threshold=Rule(recall=0.5)), None, parts)


def test_slices_are_those_of_all_parts(tmp_path: Path) -> None:
    """Each value once, sorted, wherever it occurs; a missing one is none."""
    path = tmp_path / "scores.parquet"
    parts = (TEST.slice(start, 2) for start in (0, 2, 4))
    assert sum(part.num_rows for part in stored(parts, path)) == 5
    assert pq.ParquetFile(path).num_row_groups == 3
    assert expected_slices(file_rows(path), EVALUATION) == [(), (("line", "A"),), (("line", "B"),)]
