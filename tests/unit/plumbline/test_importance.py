"""What a column is worth on average: what the model loses without it, and where it helps on training rows only."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plumbline.adapters.explaining import area
from plumbline.attribution import Attribution, Floats
from plumbline.background import ROWS, read_background, write_background
from plumbline.dataset import split_path
from plumbline.errors import ModelError
from plumbline.features import Arrays, from_table
from plumbline.importance import Loss, importances, permutation_losses
from plumbline.problem import Column
from tests.unit.plumbline import data_case as case

FEATURES = case.data().features


def by_price(rows: Arrays) -> Floats:
    """A model that looks at the price alone."""
    return np.nan_to_num(rows["price"].astype(np.float64), nan=50.0) / 100


def test_a_shuffled_column_costs_what_it_gave() -> None:
    """The price decides: without it the area falls to the prevalence. The shop does nothing."""
    random = np.random.default_rng(0)
    rows = {"price": random.uniform(0, 100, 2000), "shop": np.array(["a", "b"] * 1000, object)}
    positive = rows["price"] > 80
    found = permutation_losses(by_price, rows, positive, area, seed=1)
    assert found["price"].mean == pytest.approx(1 - positive.mean(), abs=0.05)
    assert found["price"].is_seen
    assert found["shop"] == Loss(0.0, 0.0)
    assert not found["shop"].is_seen


@pytest.mark.parametrize(
    ("train", "test", "overfits"),
    [
        (Loss(0.1, 0.001), Loss(0.0, 0.001), True),
        (Loss(0.1, 0.001), Loss(-0.02, 0.001), True),
        # It helps on both.
        (Loss(0.1, 0.001), Loss(0.05, 0.001), False),
        # It helps hardly anywhere, or no more than shuffling itself explains.
        (Loss(0.004, 0.0001), Loss(0.0, 0.001), False),
        (Loss(0.1, 0.06), Loss(0.0, 0.001), False),
        (Loss(-0.1, 0.001), Loss(0.0, 0.001), False),
    ],
)
def test_what_helps_on_training_rows_only_is_named(train: Loss, test: Loss, overfits: bool) -> None:
    """More than two standard errors and 0.005 there, and nothing seen on test rows."""
    attribution = Attribution(("price",), np.array([[0.5], [-1.5]]), -2.0)
    (found,) = importances(attribution, {"price": test}, {"price": train}, {"price": Column(type="numeric")})
    assert found.overfits is overfits
    assert (found.attribution, found.permutation, found.permutation_train) == (1.0, test.mean, train.mean)


def test_the_largest_comes_first_with_its_group() -> None:
    """A timestamp of which several parts are features is one column, of its first part's group."""
    features = {
        "price": Column(type="numeric", group="money"),
        "hour": Column(type="timestamp", column="at", part="hour", group="time"),
        "weekday": Column(type="timestamp", column="at", part="weekday", group="time"),
    }
    losses = dict.fromkeys(("price", "at"), Loss(0.0, 0.0))
    found = importances(Attribution(("price", "at"), np.array([[0.1, -0.4]]), 0.0), losses, losses, features)
    assert [(each.feature, each.group) for each in found] == [("at", "time"), ("price", "money")]


def written(folder: Path) -> Path:
    """A dataset with training rows."""
    (folder / "dataset").mkdir()
    pq.write_table(case.splits()["train"], split_path(folder / "dataset", "train"), row_group_size=100)
    return folder / "dataset"


def test_background_rows_are_those_of_the_training_split(tmp_path: Path) -> None:
    """A hundred, from the first to the last, as arrays; NULLs among them."""
    write_background(tmp_path, written(tmp_path), FEATURES)
    found = read_background(tmp_path, FEATURES)
    train = case.splits()["train"]
    rows = np.unique(np.linspace(0, train.num_rows - 1, ROWS).round().astype(int))
    wanted = from_table(train.take(pa.array(rows)), FEATURES)
    for name, values in wanted.items():
        np.testing.assert_array_equal(found[name], values)
    assert len(read_background(tmp_path, FEATURES, rows=7)["price"]) == 7


def test_a_model_without_background_rows_is_told(tmp_path: Path) -> None:
    """With what to do."""
    with pytest.raises(ModelError, match="cannot be explained: train it anew"):
        read_background(tmp_path, FEATURES)
