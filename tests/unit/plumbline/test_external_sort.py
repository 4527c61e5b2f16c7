"""External sorting gives what sorting in memory gives, in even batches, whatever order the rows came in."""

import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.external_sort import Sizes, sorted_rows

SMALL = Sizes(run=1 << 10, batch=1 << 7, rows=16)
"""Runs of about forty rows, read five at a time."""
NUMBERS = st.one_of(st.none(), st.floats(width=16), st.integers(-3, 3).map(float))
ROW = st.tuples(st.integers(0, 5), st.one_of(st.none(), st.sampled_from(["", "a", "b", "ä"])), NUMBERS)


def table(rows: Sequence[tuple[int, str | None, float | None]]) -> pa.Table:
    """Rows of a time, a key and a value."""
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    kinds = (pa.int64(), pa.string(), pa.float64())
    arrays = [pa.array(values, kind) for values, kind in zip(columns, kinds, strict=True)]
    return pa.table(arrays, names=["time", "key", "value"])


def order(row: tuple[int, str | None, float | None]) -> tuple[object, ...]:
    """Where a row belongs: missing values last, NaN before them."""
    time, key, value = row
    rank = 2 if value is None else int(math.isnan(value))
    return (time, key is None, key or "", rank, 0.0 if rank else value)


def plain(rows: Sequence[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """Rows in which NaN equals itself."""
    return [tuple("NaN" if value != value else value for value in row) for row in rows]  # noqa: PLR0124 - NaN


def merged(rows: pa.Table, *, sizes: Sizes = SMALL, chunk: int = 7) -> list[pa.RecordBatch]:
    """The rows, which come a few at a time, sorted by time and key."""
    return list(sorted_rows(rows.to_batches(max_chunksize=chunk), ["time", "key"], sizes))


@settings(max_examples=40, deadline=None)
@given(st.lists(ROW, max_size=200), st.integers(1, 60))
def test_rows_are_in_the_order_of_all_columns(rows: list[tuple[int, str | None, float | None]], chunk: int) -> None:
    """As Python sorts them, whatever the runs and batches; nothing is lost and nothing is twice."""
    found = [tuple(row.values()) for batch in merged(table(rows), chunk=chunk) for row in batch.to_pylist()]
    wanted = sorted(rows, key=order)
    assert plain(found) == plain(wanted)


def test_all_batches_but_the_last_have_the_wanted_rows() -> None:
    """A batch becomes a row group, whose size must not depend on how the rows came."""
    found = merged(table([(i % 9, f"k{i}", None) for i in range(250)]))
    assert [batch.num_rows for batch in found] == [16] * 15 + [10]


@pytest.mark.parametrize("kind", ["shuffled", "sorted", "reversed"])
def test_the_order_of_arrival_does_not_matter(kind: str) -> None:
    """Rows that are in order, in none and in the opposite one give the same batches, duplicates of a key as well."""
    rows = table([(i // 20, f"k{i % 10}", float(i % 7)) for i in range(400)])
    places = {
        "shuffled": np.random.default_rng(1).permutation(400),
        "sorted": np.arange(400),
        "reversed": np.arange(399, -1, -1),
    }[kind]
    assert merged(rows.take(places), chunk=33) == merged(rows)


def test_no_rows_give_no_batch() -> None:
    """Neither do batches that are empty."""
    assert not merged(table([]))
    assert not list(sorted_rows([pa.RecordBatch.from_pydict({"time": [], "key": []})], ["time"]))


def test_many_equal_rows_are_no_trouble() -> None:
    """More of them than all that is held of a run at once."""
    found = merged(table([(1, "a", 0.5)] * 500))
    assert sum(batch.num_rows for batch in found) == 500


def test_what_breaks_the_source_breaks_the_sort() -> None:
    """The error of a reader is not lost in the thread that sorts."""

    def broken() -> object:
        yield from table([(i, "a", None) for i in range(100)]).to_batches(max_chunksize=10)
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        list(sorted_rows(broken(), ["time"], SMALL))  # type: ignore[arg-type] # a generator of batches
