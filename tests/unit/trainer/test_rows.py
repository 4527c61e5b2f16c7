"""Encoded rows, in memory and on the disk: what a row is, and how many are in memory at once."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from plumbline.errors import ModelError
from trainer.rows import Layout, Records, Share, hold, require_space, store

LAYOUT = Layout(numbers=2, codes=1)
ALL = Share(worker=0, workers=1, batches=1000)
SEED = tf.constant([7, 0])


def records(count: int, first: int = 0) -> Records:
    """Rows that carry their number in each of their parts."""
    numbers = np.arange(first, first + count, dtype=np.float32)
    codes = np.arange(first, first + count, dtype=np.int32)[:, None]
    return LAYOUT.pack((numbers[:, None] * np.array([[1, 10]], np.float32), codes), numbers, numbers + 0.5)


def order(windows: tf.data.Dataset) -> list[list[int]]:
    """The numbers of the rows, window by window."""
    return [window.numpy()[:, 0].astype(int).tolist() for window in windows]


def test_a_row_s_parts_come_back_bit_by_bit() -> None:
    """Codes are integers that no float32 holds, NaN and the smallest numbers among them."""
    numbers = np.array([[np.nan, 1e-45]], np.float32)
    codes = np.array([[2**31 - 1]], np.int32)
    (got, got_codes), label, weight = LAYOUT.parts(
        tf.constant(LAYOUT.pack((numbers, codes), np.ones(1, np.float32), np.full(1, 3, np.float32)))
    )
    np.testing.assert_array_equal(got.numpy().view(np.int32), numbers.view(np.int32))
    assert got_codes.dtype == tf.int32
    assert (got_codes.numpy().tolist(), label.numpy().tolist(), weight.numpy().tolist()) == (
        [[2**31 - 1]],
        [[1]],
        [[3]],
    )
    assert (LAYOUT.width, LAYOUT.size) == (5, 20)


@pytest.mark.parametrize("layout", [Layout(numbers=0, codes=2), Layout(numbers=3, codes=0)])
def test_rows_of_one_kind_alone(layout: Layout) -> None:
    """The other part has no columns, and as many rows."""
    encoded = np.ones((4, layout.numbers), np.float32), np.ones((4, layout.codes), np.int32)
    (numbers, codes), _, _ = layout.parts(
        tf.constant(layout.pack(encoded, np.ones(4, np.float32), np.ones(4, np.float32)))
    )
    assert (numbers.shape, codes.shape) == ((4, layout.numbers), (4, layout.codes))


def test_stored_rows_are_blocks_of_files(tmp_path: Path) -> None:
    """By hand: 8 x 128 rows of 20 bytes may be in memory, so a window has 128 rows and a block 2."""
    kept = store([records(5), records(4, first=5)], LAYOUT, tmp_path / "train", memory=8 * 128 * 20)
    assert (kept.count, kept.window, kept.blocks) == (9, 128, 5)
    sizes = [(tmp_path / "train" / str(number)).stat().st_size for number in range(kept.blocks)]
    assert sizes == [40, 40, 20, 40, 40]
    assert order(kept.in_order().rebatch(9)) == [list(range(9))]


def test_a_window_of_stored_rows_has_rows_of_many_places(tmp_path: Path) -> None:
    """Ten thousand rows in windows of about a thousand: each spans nearly all of them, and is mixed row by row."""
    kept = store([records(10_000)], LAYOUT, tmp_path / "train", memory=8 * 1024 * 20)
    windows = order(kept.shuffled(SEED, share=ALL, step=64))
    assert [len(window) for window in windows] == [1024] * 9 + [784]
    assert sorted(number for window in windows for number in window) == list(range(10_000))
    # Of uniform numbers the mean of a window of 64 blocks has a standard deviation of 360.
    assert all(abs(np.mean(window) - 5_000) < 2_000 for window in windows)
    # Neighbours of a mixed window lie a third of all rows apart on average; in the file they lie side by side.
    assert all(np.abs(np.diff(window)).mean() > 2_000 for window in windows)


def test_windows_are_whole_steps(tmp_path: Path) -> None:
    """Where memory is too small for a single step, a window is one step all the same."""
    kept = store([records(100)], LAYOUT, tmp_path / "train", memory=1)
    assert [len(window) for window in order(kept.shuffled(SEED, share=ALL, step=30))] == [30, 30, 30, 10]


def test_no_rows_at_all(tmp_path: Path) -> None:
    """Nothing comes out, and nothing fails."""
    assert hold([], LAYOUT).count == 0
    assert store([], LAYOUT, tmp_path / "train", memory=100).count == 0


def test_a_disk_without_room_is_refused(tmp_path: Path) -> None:
    """The message says how much is needed and which settings help."""
    require_space(tmp_path, 1000)
    with pytest.raises(ModelError, match=r"take 1000000000\.0 GB, .* raise training\.hardware\.disk_gb"):
        require_space(tmp_path, 10**18)
