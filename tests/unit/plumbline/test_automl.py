"""What AutoML needs, and what is read off its answers."""

import pyarrow as pa
import pytest

from plumbline.automl import check_rows, scores
from plumbline.bigquery_ml import rows_to_score, training_rows
from plumbline.dataset import SplitSummary
from plumbline.prototype import AutoML, training_limit_s
from tests.unit.plumbline import data_case as case

ANSWER = pa.struct({"classes": pa.list_(pa.string()), "scores": pa.list_(pa.float32())})


def predicted(*answers: tuple[list[str], list[float]] | None) -> pa.Table:
    """A table of predictions, as BigQuery gives it, with the keys 0, 1, ..."""
    rows = [None if answer is None else dict(zip(("classes", "scores"), answer, strict=True)) for answer in answers]
    return pa.table({"id": list(range(len(rows))), "predicted_is_positive": pa.array(rows, ANSWER)})


def test_the_score_is_that_of_the_positive_class_wherever_it_stands() -> None:
    """Classes come in any order; a row without an answer has no score, nor has one without the class."""
    found = scores(
        predicted((["yes", "no"], [0.25, 0.75]), (["no", "yes"], [0.5, 0.5]), None, (["no"], [1.0]), ([], [])), ["id"]
    )
    assert found.to_pydict() == {"id": [0, 1, 2, 3, 4], "score": [0.25, 0.5, None, None, None]}


def test_no_rows_have_no_scores() -> None:
    """And that is no error here: who wants a score for each row will say so."""
    assert scores(predicted(), ["id"]).num_rows == 0


def test_parts_of_a_table_are_one() -> None:
    """As several streams give it."""
    one = predicted((["yes", "no"], [0.25, 0.75]))
    assert scores(pa.concat_tables([one, one]), ["id"]).column("score").to_pylist() == [0.25, 0.25]


@pytest.mark.parametrize(("rows", "positives"), [(1000, 50), (1000, 950), (10**6, 500)])
def test_enough_rows_of_both_classes_pass(rows: int, positives: int) -> None:
    """At the limits, too."""
    check_rows(SplitSummary(rows=rows, positives=positives, start="", end=""))


def test_node_hours_are_not_hours() -> None:
    """Three of them may take eight hours."""
    assert training_limit_s(AutoML(budget_hours=3.0)) == 8 * 3600


FEATURES = """`price`,
  CAST(`shop` AS STRING) AS `shop`,
  `gift`,
  EXTRACT(HOUR FROM `ordered_at`) AS `hour`"""


def test_it_learns_from_the_features_of_the_training_window() -> None:
    """Neither the key nor the time is there; the label is a text of two values."""
    assert training_rows(case.data(), table="p.d.train") == (
        f"SELECT\n  {FEATURES},\n  IF(`outcome` = \"returned\", 'yes', 'no') AS is_positive\n"
        "FROM `p.d.train`\n"
        "WHERE ordered_at >= '2020-01-01 00:00:00' AND ordered_at < '2020-03-01 00:00:00'"
    )


def test_it_scores_rows_that_have_keys_and_no_label() -> None:
    """Of the validation and the test split."""
    assert rows_to_score(case.data(), table="p.d.features") == (
        f"SELECT\n  `order_id`,\n  {FEATURES}\n"
        "FROM `p.d.features`\n"
        "WHERE ordered_at >= '2020-03-01 00:00:00' AND ordered_at < '2020-03-31 00:00:00'"
    )
