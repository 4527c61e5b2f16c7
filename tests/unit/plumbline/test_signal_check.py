"""The signal check: something to learn passes, chance does not, and neither does what is too good to be true."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plumbline.dataset import SPLITS, SplitName, SplitSummary, Summary, read_summary, split_path, write_summary
from plumbline.design_matrix import categorical, matrix, needed, spread, vocabularies
from plumbline.ingestion import summarise
from plumbline.problem import Column
from plumbline.prototype import Prototype, PrototypeModel
from plumbline.signal import Signal, SignalReport
from plumbline.signal_check import look
from plumbline.simple_models import fit_simple
from plumbline.true_prevalence import at_true_prevalence
from tests.unit.plumbline import data_case as case

SIGNAL = Signal(rows=2000, shuffles=4)
Change = Callable[[pa.Table], pa.Table]


def written(folder: Path, rows: pa.Table) -> Path:
    """A dataset of rows."""
    splits = case.splits(rows)
    folder.mkdir(exist_ok=True)
    for split, table in splits.items():
        pq.write_table(table, split_path(folder, split), row_group_size=400)
    summaries = {split: summarise(splits[split], case.data()) for split in SPLITS}
    write_summary(
        folder,
        Summary(table="p.d.t", training_table="p.d.u", bytes_processed=1, source_changed="", splits=summaries),
    )
    return folder


def looked(tmp_path: Path, rows: pa.Table, signal: Signal = SIGNAL) -> SignalReport:
    """What the check says of rows."""
    return look(written(tmp_path / "dataset", rows), case.data(), signal)


def with_outcome(rows: pa.Table, returned: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> pa.Table:
    """The rows with another label."""
    place = rows.column_names.index("outcome")
    return rows.set_column(place, "outcome", pa.array(np.where(returned, "returned", "kept")))


def learnable() -> pa.Table:
    """Orders whose return depends on price and shop."""
    rows, random = case.rows(), np.random.default_rng(1)
    price = np.nan_to_num(rows.column("price").to_numpy(), nan=50.0)
    south = np.array(rows.column("shop").to_pylist()) == "south"
    return with_outcome(rows, random.random(rows.num_rows) < 1 / (1 + np.exp(4 - price / 20 - south)))


def test_something_to_learn_passes(tmp_path: Path) -> None:
    """Better than any of the shuffles, and told with both."""
    found = looked(tmp_path, learnable())
    assert found.passed
    assert found.auc_pr > max(found.shuffled) + 0.1
    assert len(found.shuffled) == 4
    assert found.rows == 1440
    assert found.summary.startswith("AUC-PR 0.")


def test_shuffled_labels_stop_the_run_with_advice(tmp_path: Path) -> None:
    """No better than chance."""
    rows = learnable()
    returned = np.array(rows.column("outcome").to_pylist()) == "returned"
    found = looked(tmp_path, with_outcome(rows, np.random.default_rng(2).permutation(returned)))
    assert not found.passed
    assert "no more of the label than chance" in found.summary
    assert "do not pay for a training" in found.summary


def test_features_that_give_the_answer_away_together_are_found(tmp_path: Path) -> None:
    """Neither price nor shop alone does: which of two halves of the prices is late depends on the shop."""
    rows = case.rows()
    price = np.nan_to_num(rows.column("price").to_numpy(), nan=50.0)
    south = np.array(rows.column("shop").to_pylist()) == "south"
    found = looked(tmp_path, with_outcome(rows, (price > 50) ^ south))
    assert not found.passed
    assert "the features together give the answer away" in found.summary
    assert "look at price first" in found.summary or "look at shop first" in found.summary


@pytest.mark.parametrize("value", [True, False])
def test_one_class_alone_stops_the_run(tmp_path: Path, value: bool) -> None:
    """There is nothing to learn, and nothing is raised."""
    rows = case.rows()
    found = looked(tmp_path, with_outcome(rows, np.full(rows.num_rows, value)))
    assert not found.passed
    assert "a class is absent" in found.summary


@pytest.mark.parametrize("empty", ["train", "validation"])
def test_an_empty_split_stops_the_run(tmp_path: Path, empty: SplitName) -> None:
    """An empty one has no file."""
    folder = written(tmp_path / "dataset", learnable())
    summary = read_summary(folder)
    none = SplitSummary(rows=0, positives=0, start="", end="")
    write_summary(folder, dataclasses.replace(summary, splits={**summary.splits, empty: none}))
    split_path(folder, empty).unlink()
    found = look(folder, case.data(), SIGNAL)
    assert not found.passed
    assert "a class is absent" in found.summary
    assert found.rows == 0


def test_a_few_rows_of_a_class_are_too_few_for_a_verdict(tmp_path: Path) -> None:
    """Three positive rows to learn from: a model can be lucky."""
    rows = case.rows()
    returned = np.zeros(rows.num_rows, np.bool_)
    returned[[10, 500, 1000, 1500, 1600, 1700]] = True
    found = looked(tmp_path, with_outcome(rows, returned))
    assert not found.passed
    assert found.summary == "a class has only 3 rows in the sample, and 10 are needed to tell: raise signal.rows"
    assert found.positives == 3


def test_features_without_any_value_say_nothing(tmp_path: Path) -> None:
    """All prices are absent, and all shops but those of validation, which nobody has seen before."""
    rows = learnable()
    place = rows.column_names.index("price")
    rows = rows.set_column(place, "price", pa.nulls(rows.num_rows, pa.float64()))
    shops = pa.array([None] * 1440 + ["new"] * (rows.num_rows - 1440), pa.string())
    rows = rows.set_column(rows.column_names.index("shop"), "shop", shops)
    found = looked(tmp_path, rows)
    assert not found.passed
    assert "no more of the label than chance" in found.summary


def test_the_same_rows_give_the_same_report(tmp_path: Path) -> None:
    """But for the seconds."""
    one, other = looked(tmp_path, learnable()), looked(tmp_path, learnable())
    assert dataclasses.replace(one, seconds=0.0) == dataclasses.replace(other, seconds=0.0)


@pytest.mark.parametrize(("rows", "wanted"), [(3, [0, 5, 9]), (10, list(range(10))), (99, list(range(10)))])
def test_a_sample_is_spread_over_all_parts(rows: int, wanted: list[int]) -> None:
    """From the first row to the last, however they are cut."""
    parts = [pa.table({"x": [0, 1, 2, 3]}), pa.table({"x": [4]}), pa.table({"x": [5, 6, 7, 8, 9]})]
    found = spread(iter(parts), rows, 10).column("x").to_pylist()
    assert found == wanted or (rows == 3 and found == [0, 4, 9])


def test_a_matrix_by_hand() -> None:
    """Numbers as they are, categories by how frequent they are, parts of times; NaN where nothing is known."""
    rows = pa.table(
        {
            "price": [1.5, None, 3.0],
            "shop": ["north", "south", "north"],
            "gift": [True, None, False],
            "ordered_at": pa.array([3600 * 10**6 * 5, None, 3600 * 10**6 * 30], pa.timestamp("us")),
            "outcome": ["returned", "kept", None],
        }
    )
    known = vocabularies(rows, case.data().features)
    assert known == {"shop": {"north": 0, "south": 1}}
    found = matrix(rows, case.data(), known)
    nan = np.nan
    np.testing.assert_array_equal(found.values, [[1.5, 0, 1, 5], [nan, 1, nan, nan], [3.0, 0, 0, 6]])
    assert found.positive.tolist() == [True, False, False]
    assert categorical(case.data().features) == [False, True, False, False]
    unseen = rows.set_column(1, "shop", pa.array(["east", None, "south"]))
    np.testing.assert_array_equal(matrix(unseen, case.data(), known).values[:, 1], [nan, nan, 1])
    assert set(needed(case.data())) == {"price", "shop", "gift", "ordered_at", "outcome"}


def test_integer_categories_are_texts() -> None:
    """As the model is given them."""
    features = {"department": Column(type="categorical")}
    assert vocabularies(pa.table({"department": [7, 3, 7]}), features) == {"department": {"7": 0, "3": 1}}


@pytest.mark.parametrize("model", ["logistic_regression", "boosted_trees"])
def test_a_simple_model_ranks_and_gives_probabilities(tmp_path: Path, model: PrototypeModel) -> None:
    """Once they are brought back to the true prevalence: classes weigh the same while it learns."""
    dataset = written(tmp_path / "dataset", learnable())
    scores = fit_simple(model, case.data(), Prototype(), dataset)
    test = pq.read_table(split_path(dataset, "test"))
    positive = np.array(test.column("outcome").to_pylist()) == "returned"
    found = scores(test)
    pairs = found[positive][:, None] - found[~positive][None, :]
    assert (np.sign(pairs) / 2 + 0.5).mean() > 0.7
    train = pq.read_table(split_path(dataset, "train"))
    prevalence = float((np.array(train.column("outcome").to_pylist()) == "returned").mean())
    assert at_true_prevalence(scores(train), prevalence).mean() == pytest.approx(prevalence, abs=0.05)


@pytest.mark.parametrize("model", ["logistic_regression", "boosted_trees"])
def test_a_feature_that_training_never_has_changes_no_score(tmp_path: Path, model: PrototypeModel) -> None:
    """A number that is absent everywhere is no error, and what it is later says nothing."""
    rows = learnable()
    place = rows.column_names.index("price")
    dataset = written(tmp_path / "dataset", rows.set_column(place, "price", pa.nulls(rows.num_rows, pa.float64())))
    scores = fit_simple(model, case.data(), Prototype(), dataset)
    test = pq.read_table(split_path(dataset, "test"))
    later = test.set_column(place, "price", pa.array(np.full(test.num_rows, 99.0)))
    np.testing.assert_allclose(scores(later), scores(test), atol=1e-6)


def test_the_true_prevalence_by_hand() -> None:
    """With one positive in ten, an even score of a balanced fit is one in ten; 0 and 1 stay."""
    np.testing.assert_allclose(at_true_prevalence(np.array([0.0, 0.5, 0.9, 1.0]), 0.1), [0.0, 0.1, 0.5, 1.0])


def test_a_summary_counts_the_rows() -> None:
    """What the samples are taken by."""
    summary = summarise(case.splits()["train"], case.data())
    assert isinstance(summary, SplitSummary)
    assert summary.rows == 1440
