"""The statements for BigQuery ML: what is learnt from, what is asked, and that nothing else is."""

import dataclasses
import re

import pytest

from plumbline.bigquery_ml import fit_statement, score_statement
from plumbline.problem import Column, Label
from plumbline.prototype import Prototype, PrototypeModel
from tests.unit.plumbline import data_case as case

DATA = dataclasses.replace(
    case.data(),
    features={
        **case.data().features,
        "department": Column(type="categorical"),
        "cost": Column(type="numeric", column="price_paid"),
        "weekday": Column(type="timestamp", column="ordered_at", part="weekday"),
    },
)


def test_a_logistic_regression_by_its_text() -> None:
    """Every feature by its name, the label as 0 and 1, classes weighted, no row held back."""
    assert fit_statement("p.d.m", "logistic_regression", DATA, Prototype(l2=2.0), table="p.d.train") == (
        """CREATE OR REPLACE MODEL `p.d.m`
OPTIONS (
  MODEL_TYPE = 'LOGISTIC_REG',
  L2_REG = 2.0,
  INPUT_LABEL_COLS = ['is_positive'],
  AUTO_CLASS_WEIGHTS = TRUE,
  DATA_SPLIT_METHOD = 'NO_SPLIT'
) AS
SELECT
  `price`,
  CAST(`shop` AS STRING) AS `shop`,
  `gift`,
  EXTRACT(HOUR FROM `ordered_at`) AS `hour`,
  CAST(`department` AS STRING) AS `department`,
  `price_paid` AS `cost`,
  MOD(EXTRACT(DAYOFWEEK FROM `ordered_at`) + 5, 7) AS `weekday`,
  IF(`outcome` = "returned", 1, 0) AS is_positive
FROM `p.d.train`"""
    )


def test_boosted_trees_have_their_options() -> None:
    """As many trees as the config says, all of them."""
    text = fit_statement("p.d.m", "boosted_trees", DATA, Prototype(trees=30), table="p.d.train")
    assert "MODEL_TYPE = 'BOOSTED_TREE_CLASSIFIER',\n  MAX_ITERATIONS = 30,\n  EARLY_STOP = FALSE,\n" in text


@pytest.mark.parametrize("model", ["logistic_regression", "boosted_trees"])
def test_neither_key_nor_time_nor_label_is_learnt_from(model: PrototypeModel) -> None:
    """A key would be learnt by heart, and the label is the answer."""
    text = fit_statement("p.d.m", model, DATA, Prototype(), table="p.d.train")
    selected = text.partition("SELECT\n")[2].partition("IF(")[0]
    assert "order_id" not in selected
    assert "outcome" not in selected
    assert not re.search(r"^  `ordered_at`", selected, re.MULTILINE)


def test_both_splits_are_scored_by_the_same_features() -> None:
    """Keys go along; the window is that of validation and test."""
    assert score_statement("p.d.m", DATA, table="p.d.features") == (
        """SELECT
  `order_id`,
  (SELECT prob FROM UNNEST(predicted_is_positive_probs) WHERE label = 1) AS score
FROM ML.PREDICT(
  MODEL `p.d.m`,
  (
    SELECT
      `order_id`,
      `price`,
      CAST(`shop` AS STRING) AS `shop`,
      `gift`,
      EXTRACT(HOUR FROM `ordered_at`) AS `hour`,
      CAST(`department` AS STRING) AS `department`,
      `price_paid` AS `cost`,
      MOD(EXTRACT(DAYOFWEEK FROM `ordered_at`) + 5, 7) AS `weekday`
    FROM `p.d.features`
    WHERE ordered_at >= '2020-03-01 00:00:00' AND ordered_at < '2020-03-31 00:00:00'
  )
)"""
    )


@pytest.mark.parametrize(
    ("positive", "wanted"), [(True, "`outcome` = TRUE"), (3, "`outcome` = 3"), ('a "b"', '`outcome` = "a \\"b\\""')]
)
def test_a_label_of_any_type_is_compared(positive: bool | int | str, wanted: str) -> None:
    """As BigQuery writes a value of that type."""
    data = dataclasses.replace(DATA, label=Label(column="outcome", positive=positive))
    assert wanted in fit_statement("p.d.m", "boosted_trees", data, Prototype(), table="p.d.train")
