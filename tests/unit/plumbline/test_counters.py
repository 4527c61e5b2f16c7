"""Sums by key: the same whether they are held for every key or for those that occur."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.counters import Counters

batches = st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=12), max_size=6)


@settings(max_examples=50, deadline=None)
@given(batches, st.sampled_from([0, 5, 100]))
def test_sums_equal_those_of_a_dictionary(found: list[list[tuple[int, int]]], dense_keys: int) -> None:
    """However many counters there may be: none from the start, none once keys outgrow them, one for each key."""
    counters = Counters(2, dense_keys=dense_keys)
    expected: dict[int, tuple[int, int]] = {}
    size = 1
    for batch in found:
        size = max(size, *(key + 1 for key, _ in batch)) if batch else size
        keys, values = (np.array([row[i] for row in batch], np.int64) for i in (0, 1))
        counters.add(keys, [None, values.astype(np.float64)], size=size)
        for key, value in batch:
            rows, total = expected.get(key, (0, 0))
            expected[key] = rows + 1, total + value
    keys, sums = counters.total()
    assert {int(key): (int(a), int(b)) for key, a, b in zip(keys, *sums, strict=True)} == expected
    assert (np.diff(keys) > 0).all()


@pytest.mark.parametrize("dense_keys", [0, 10])
def test_a_key_whose_first_sum_is_0_does_not_occur(dense_keys: int) -> None:
    """A row that weighs nothing is not there."""
    counters = Counters(1, dense_keys=dense_keys)
    counters.add(np.array([3, 4]), [np.array([0.0, 2.0])], size=5)
    assert counters.total()[0].tolist() == [4]


def test_many_more_rows_than_keys_are_added_in_blocks() -> None:
    """The sum over a million rows of three keys."""
    counters = Counters(1)
    counters.add(np.arange(1_000_000) % 3, [None], size=3)
    assert counters.total()[1].tolist() == [[333_334, 333_333, 333_333]]
