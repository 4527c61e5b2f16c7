"""What the rows give before fitting, wherever they are kept."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from plumbline.errors import DataError
from tests.unit.trainer import orders
from trainer.input import evaluation_batches
from trainer.preparation import Prepared, prepare
from trainer.rows import Held, Rows, Stored

# 8 numbers, 2 codes, label and weight, of 4 bytes each.
ROW_GB = 48e-9
NEEDED_GB = sum(orders.ROWS.values()) * ROW_GB


def prepared(folder: Path, memory_gb: float) -> Prepared:
    """The small dataset, with so much memory."""
    if not (folder / "dataset").exists():
        orders.write_dataset(folder / "dataset")
    return prepare(folder / "dataset", orders.SIGNATURE, orders.training(memory_gb=memory_gb), folder)


def all_of(rows: Rows) -> list[np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    """Numbers, codes and labels of rows."""
    ((numbers, codes), labels) = next(iter(evaluation_batches(rows, batch=rows.count)))
    return [numbers.numpy(), codes.numpy(), labels.numpy()]


def test_rows_are_in_memory_as_long_as_they_fit(tmp_path: Path) -> None:
    """Both splits together, to the byte; a thousandth less and both are on the disk."""
    fits, not_quite = prepared(tmp_path, NEEDED_GB * 1.0001).splits, prepared(tmp_path, NEEDED_GB * 0.999).splits
    assert (type(fits.train), type(fits.validation)) == (Held, Held)
    assert (type(not_quite.train), type(not_quite.validation)) == (Stored, Stored)
    assert (not_quite.train.count, not_quite.validation.count) == (600, 400)


def test_rows_on_the_disk_are_the_same_rows(tmp_path: Path) -> None:
    """Number by number, as are the weights and the share of positives."""
    held, stored = prepared(tmp_path, 1.0), prepared(tmp_path, NEEDED_GB / 3)
    assert (held.weights, held.positives) == (stored.weights, stored.positives)
    for split in ("train", "validation"):
        for wanted, got in zip(all_of(getattr(held.splits, split)), all_of(getattr(stored.splits, split)), strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_the_share_of_positives_is_counted(tmp_path: Path) -> None:
    """By plain Python: positive rows of all training rows."""
    found = prepared(tmp_path, 1.0)
    positives = int(orders.returned(pq.read_table(tmp_path / "dataset" / "train.parquet")).sum())
    assert found.positives == positives / 600


def test_training_without_a_row_is_refused(tmp_path: Path) -> None:
    """An empty split has nothing to teach."""
    orders.write_dataset(tmp_path / "dataset")
    path = tmp_path / "dataset" / "train.parquet"
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    with pytest.raises(DataError, match="the training split has no row"):
        prepared(tmp_path, 1.0)
