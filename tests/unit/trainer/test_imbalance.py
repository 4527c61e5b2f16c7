"""How the rare class is made to count: which rows are trained on, and scores that are probabilities all the same."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from plumbline.adapters.savedmodel import load
from plumbline.errors import DataError, ModelError
from plumbline.features import from_table
from plumbline.imbalance import Imbalance, Method
from plumbline.section import from_json
from plumbline.training import History
from tests.unit.trainer import orders
from trainer.preparation import Prepared, prepare
from trainer.rows import Layout, Stored
from trainer.smote import require, smote
from trainer.task import parse, run


def prepared(folder: Path, method: Method, *, memory_gb: float = 1.0, share: float = 0.5) -> Prepared:
    """The small dataset, balanced."""
    if not (folder / "dataset").exists():
        orders.write_dataset(folder / "dataset")
    settings = orders.training(memory_gb=memory_gb, imbalance=Imbalance(method=method, share=share))
    return prepare(folder / "dataset", orders.SIGNATURE, settings, folder)


def labels(ready: Prepared) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Of the rows that are trained on."""
    rows = ready.splits.train
    together = next(iter(rows.in_order().rebatch(rows.count)))
    found: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = rows.layout.parts(together)[1].numpy()[:, 0]
    return found


def counted(folder: Path) -> tuple[int, int]:
    """Positive and negative rows of the training split, by plain Python."""
    positive = orders.returned(pq.read_table(folder / "dataset" / "train.parquet"))
    return int(positive.sum()), int((~positive).sum())


@pytest.mark.parametrize(("method", "share"), [("oversample", 0.5), ("undersample", 0.5), ("oversample", 0.4)])
def test_rows_are_repeated_or_left_out(tmp_path: Path, method: Method, share: float) -> None:
    """So that the positive ones have their share, to a row; validation rows stay as they are."""
    ready = prepared(tmp_path, method, share=share)
    positives, negatives = counted(tmp_path)
    found = labels(ready)
    kept = negatives if method == "oversample" else found.size - positives
    assert found.mean() == pytest.approx(share, abs=1 / found.size)
    assert int((found == 0).sum()) == kept
    assert ready.balance.rows == ready.splits.train.count == found.size
    assert ready.balance.trained == pytest.approx(found.mean())
    assert ready.balance.prevalence == positives / (positives + negatives)
    assert ready.splits.validation.count == 400


@pytest.mark.parametrize("method", ["oversample", "undersample"])
def test_rows_on_the_disk_are_balanced_too(tmp_path: Path, method: Method) -> None:
    """The same rows as in memory, and the right number of them is expected."""
    held, stored = prepared(tmp_path, method), prepared(tmp_path, method, memory_gb=1e-6)
    assert isinstance(stored.splits.train, Stored)
    np.testing.assert_array_equal(labels(stored), labels(held))
    assert stored.balance == held.balance


def test_smote_makes_rows_between_positive_rows(tmp_path: Path) -> None:
    """As many as are wanted; flags, booleans and codes occur, numbers lie within those of the others."""
    plain, ready = prepared(tmp_path, "none"), prepared(tmp_path, "smote")
    positives, negatives = counted(tmp_path)
    assert ready.balance.rows == ready.splits.train.count == pytest.approx(2 * negatives, abs=1)
    assert ready.balance.trained == pytest.approx(0.5, abs=0.001)
    before, after = (orders.inputs(each.splits.train) for each in (plain, ready))
    made = slice(positives + negatives, None)
    numbers, codes = after[0].numpy()[made], after[1].numpy()[made]
    assert len(numbers) == negatives - positives
    # price and whether it is missing, gift and whether it is missing
    assert ready.encoder.discrete == (1, 2, 3)
    assert set(np.unique(numbers[:, [1, 3]])) <= {0.0, 1.0}
    assert set(np.unique(numbers[:, 2])) <= set(np.unique(before[0].numpy()[:, 2]))
    assert (numbers <= before[0].numpy().max(axis=0) + 1e-6).all()
    assert (numbers >= before[0].numpy().min(axis=0) - 1e-6).all()
    for place in range(codes.shape[1]):
        assert set(codes[:, place]) <= set(before[1].numpy()[:, place])


def test_smote_needs_neighbours() -> None:
    """Five positive rows have four neighbours each."""
    layout = Layout(1, 0)
    records = layout.pack(
        (np.arange(20, dtype=np.float32)[:, None], np.zeros((20, 0), np.int32)),
        np.array([1] * 5 + [0] * 15, np.float32),
        np.ones(20, np.float32),
    )
    with pytest.raises(DataError, match="more than 5 positive rows .* there are 5: .*class_weight"):
        smote(records, layout, (), Imbalance(method="smote"), seed=1)


def test_smote_needs_memory(tmp_path: Path) -> None:
    """What would not fit is refused with how much it is, before it is tried."""
    with pytest.raises(ModelError, match=r"smote works in memory .*training\.memory_gb is 1e-06: raise it"):
        prepared(tmp_path, "smote", memory_gb=1e-6)


def test_a_category_of_many_values_makes_smote_dear() -> None:
    """45,000 new rows x 5 neighbours x 10,001 columns x 8 bytes x 1.5 are 27 GB; with ten values it is 0.2 GB."""
    known, imbalance, layout = (5_000, 50_000), Imbalance(method="smote"), Layout(1, 1)
    require(known, layout, (), (10,), imbalance, memory=400_000_000)
    with pytest.raises(ModelError, match=r"about 27 GB for 45,000 new rows"):
        require(known, layout, (), (10_000,), imbalance, memory=20_000_000_000)


def test_one_positive_row_is_refused_before_rows_are_encoded() -> None:
    """It has no neighbour."""
    with pytest.raises(DataError, match="there are 1"):
        require((1, 99), Layout(1, 0), (), (), Imbalance(method="smote"), memory=10**9)


@pytest.mark.parametrize("method", ["class_weight", "oversample", "undersample", "smote"])
def test_the_exported_model_gives_probabilities(tmp_path: Path, method: Method) -> None:
    """The mean score of the training rows is their prevalence; uncorrected it is about a half."""
    positives, means = 0.0, []
    for correct in (True, False):
        mount = tmp_path / str(correct)
        orders.write_dataset(mount / "bucket" / "dataset")
        imbalance = Imbalance(method=method, correct=correct)
        task = parse(orders.arguments(orders.training(epochs=6, imbalance=imbalance)), orders.environment(mount))
        run(task, {})
        rows = pq.read_table(task.dataset / "train.parquet")
        means.append(load(task.model).score(from_table(rows, orders.SIGNATURE.features)).mean())
        positives = float(orders.returned(rows).mean())
        history = from_json(History, task.history.read_text(encoding="utf-8"))
        assert history.balance is not None
        assert history.balance.method == method
    assert means[0] == pytest.approx(positives, abs=0.06)
    assert abs(means[0] - positives) < abs(means[1] - positives)
