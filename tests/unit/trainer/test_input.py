"""Batches: every row once an epoch, in an order that the seed alone decides, also after a restart."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trainer.input import evaluation_batches, training_batches
from trainer.rows import Layout, Rows, Share, hold, store

ALL = Share(worker=0, workers=1, batches=1000)
COUNT = 24
LAYOUT = Layout(numbers=2, codes=1)


@pytest.fixture(params=["held", "stored", "stored in small windows"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Rows:
    """Rows that carry their number in each of their parts."""
    numbers = np.arange(COUNT, dtype=np.float32)
    columns = numbers[:, None] * np.array([[1, 10]], np.float32), numbers[:, None].astype(np.int32)
    records = LAYOUT.pack(columns, numbers, numbers + 0.5)
    kept: dict[str, Callable[[], Rows]] = {
        "held": lambda: hold([records], LAYOUT),
        "stored": lambda: store([records], LAYOUT, tmp_path / "rows", memory=1_000_000),
        "stored in small windows": lambda: store([records], LAYOUT, tmp_path / "rows", memory=100),
    }
    return kept[str(request.param)]()


def order(data: Rows, *, batch: int, epochs: range, seed: int = 7, share: Share = ALL) -> list[list[int]]:
    """The numbers of the rows, batch by batch."""
    batches = training_batches(data, batch=batch, epochs=epochs, seed=seed, share=share)
    return [labels.numpy()[:, 0].astype(int).tolist() for _, labels, _ in batches]


def flat(batches: list[list[int]]) -> list[int]:
    """The batches in one."""
    return list(itertools.chain.from_iterable(batches))


def test_every_row_comes_once_an_epoch_in_a_new_order(data: Rows) -> None:
    """Two epochs hold every row twice, each in its own order."""
    batches = order(data, batch=6, epochs=range(2))
    first, second = flat(batches[:4]), flat(batches[4:])
    assert sorted(first) == sorted(second) == list(range(COUNT))
    assert first != second
    assert first != list(range(COUNT))


def test_a_row_s_parts_stay_together(data: Rows) -> None:
    """Numbers, code, label and weight of a batch belong to the same rows."""
    for (numbers, codes), labels, weights in training_batches(data, batch=5, epochs=range(1), seed=7, share=ALL):
        numbered = labels.numpy()
        np.testing.assert_array_equal(numbers.numpy(), numbered * [[1, 10]])
        np.testing.assert_array_equal(codes.numpy(), numbered)
        np.testing.assert_array_equal(weights.numpy(), numbered + 0.5)


def test_the_seed_decides_the_order(data: Rows) -> None:
    """The same seed gives the same batches, another one others."""
    assert order(data, batch=6, epochs=range(2)) == order(data, batch=6, epochs=range(2))
    assert order(data, batch=6, epochs=range(2)) != order(data, batch=6, epochs=range(2), seed=8)


def test_a_restart_goes_on_with_the_batches_that_would_have_come(data: Rows) -> None:
    """A job that starts at the third epoch sees what one that ran through sees there."""
    assert order(data, batch=5, epochs=range(2, 4)) == order(data, batch=5, epochs=range(4))[8:]


def test_workers_share_an_epoch(data: Rows) -> None:
    """No row is two workers' and all rows are somebody's."""
    taken = [flat(order(data, batch=4, epochs=range(1), share=Share(i, 3, 2))) for i in range(3)]
    assert [len(rows) for rows in taken] == [8, 8, 8]
    assert sorted(flat(taken)) == list(range(COUNT))


def test_workers_with_unequal_shares_end_an_epoch_together(data: Rows) -> None:
    """The first of five workers has a row more than the last, and takes no more batches."""
    batches = [order(data, batch=1, epochs=range(2), share=Share(i, 5, 4)) for i in range(5)]
    assert [len(taken) for taken in batches] == [8] * 5


def test_evaluation_takes_all_rows_in_their_order(data: Rows) -> None:
    """The last batch is as small as it needs to be."""
    batches = [labels.numpy()[:, 0].tolist() for _, labels in evaluation_batches(data, batch=10)]
    assert batches == [list(range(10)), list(range(10, 20)), list(range(20, 24))]
