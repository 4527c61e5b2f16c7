"""A split, read a stretch at a time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plumbline.errors import DataError
from plumbline.features import from_table
from plumbline.problem import Column, Label
from plumbline.signature import Signature
from tests.unit.trainer import orders
from trainer.reading import read, row_count

SIGNATURE = Signature(
    name="parts", features={"size": Column(type="numeric")}, label=Label(column="broken", positive="yes")
)


def write(folder: Path, broken: list[str | None], *, group: int = 1000) -> None:
    """A training split whose sizes count from 0, in row groups of a size."""
    sizes = [float(number) for number in range(len(broken))]
    table = pa.table({"size": sizes, "broken": pa.array(broken, pa.string()), "unused": sizes})
    pq.write_table(table, folder / "train.parquet", row_group_size=group)


@pytest.mark.parametrize("group", [2, 3, 1000])
def test_a_split_comes_in_its_order_a_few_rows_at_a_time(tmp_path: Path, group: int) -> None:
    """However the file is divided, no stretch is longer than was asked for; a row without label is no positive one."""
    write(tmp_path, ["yes", "no", None, "yes", "no", "no", "yes"], group=group)
    stretches = list(read(tmp_path, "train", SIGNATURE, rows=3))
    assert max(stretch.labels.size for stretch in stretches) <= 3
    np.testing.assert_array_equal(np.concatenate([stretch.labels for stretch in stretches]), [1, 0, 0, 1, 0, 0, 1])
    sizes = np.concatenate([stretch.arrays["size"] for stretch in stretches])
    np.testing.assert_array_equal(sizes, np.arange(7, dtype=np.float32))
    assert {name for stretch in stretches for name in stretch.arrays} == {"size"}


def test_stretches_together_are_the_table(tmp_path: Path) -> None:
    """Every type of column, NULLs included, is what it is when the table is read as a whole."""
    table = orders.table(100, seed=1)
    pq.write_table(table, tmp_path / "train.parquet")
    stretches = list(read(tmp_path, "train", orders.SIGNATURE, rows=7))
    for name, whole in from_table(table, orders.SIGNATURE.features).items():
        np.testing.assert_array_equal(np.concatenate([stretch.arrays[name] for stretch in stretches]), whole)


def test_rows_are_counted_without_reading_them(tmp_path: Path) -> None:
    """The number stands in the file's own description."""
    write(tmp_path, ["yes"] * 5)
    assert row_count(tmp_path, "train") == 5


def test_a_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The message names it."""
    write(tmp_path, ["yes"])
    wanted = replace(SIGNATURE, features={"weight": Column(type="numeric")})
    with pytest.raises(DataError, match=r"the model needs the columns \['weight'\]"):
        next(read(tmp_path, "train", wanted))
