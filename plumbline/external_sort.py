"""Sorting more rows than memory should hold: sorted runs in a temporary file, merged.

Memory is a few times the size of a run, and up to two small batches of each run while they are merged: some 150 MB, and
1.6 % of the rows' own size at most. Rows are sorted by all of their columns, the given ones first, so equal rows give
an equal result whatever order they came in.

Source: Knuth, The Art of Computer Programming, volume 3, 5.4 (external sorting).
"""

import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is held at once."""

    run: int = 1 << 24
    """Bytes of the rows that are sorted in memory."""
    batch: int = 1 << 17
    """Bytes that are read at once from a run."""
    merged: int = 1 << 17
    """Rows that are merged at once."""
    rows: int = 1 << 16
    """Rows of a batch of the result, all but the last."""


SIZES = Sizes()


def sorted_rows(
    batches: Iterable[pa.RecordBatch], order: Sequence[str], sizes: Sizes = SIZES
) -> Iterator[pa.RecordBatch]:
    """The rows in the order of the given columns, then of all others; missing values last. So stand the columns.

    Args:
        batches: The rows, of one schema, without dictionary-encoded columns.
        order: The columns that decide first.
        sizes: What is held in memory at once; every batch of the result but the last has `sizes.rows` rows.
    """
    # The disk comes into it only where there is more than one run.
    with tempfile.TemporaryFile() as file:
        runs = _runs(batches, order, file, sizes)
        yield from _even(_merged(runs, order, sizes), sizes.rows)


@dataclass(slots=True)
class _Run:
    """Sorted rows: the next ones in memory, the rest not read yet."""

    rest: Iterator[pa.RecordBatch]
    held: deque[pa.RecordBatch] = field(default_factory=deque)
    ended: bool = False
    """Nothing is left but what is held."""

    def fill(self, rows: int) -> None:
        """Reads on until so many rows are held, or all that are left."""
        held = sum(batch.num_rows for batch in self.held)
        while held < rows and not self.ended:
            batch = next(self.rest, None)
            if batch is None:
                self.ended = True
            else:
                self.held.append(batch)
                held += batch.num_rows

    def take(self, bound: pa.RecordBatch | None) -> Iterator[pa.RecordBatch]:
        """Gives up what is held and comes no later than a row; all that is held for None."""
        while self.held:
            batch = self.held.popleft()
            count = batch.num_rows if bound is None else _up_to(batch, bound)
            if count:
                yield batch.slice(0, count)
            if count < batch.num_rows:
                self.held.appendleft(batch.slice(count))
                return


def _runs(batches: Iterable[pa.RecordBatch], order: Sequence[str], file: IO[bytes], sizes: Sizes) -> Sequence[_Run]:
    """Sorted runs; the last one stays in memory."""
    futures: list[Future[_Run]] = []
    last: list[pa.RecordBatch] = []
    # One run is sorted while the rows of the next one come in.
    with ThreadPoolExecutor(1) as sorter:
        for group in _grouped(batches, sizes.run):
            if last:
                wait(futures)
                futures.append(sorter.submit(_spill, last, order, file, sizes))
            last = group
    runs = [future.result() for future in futures]
    return [*runs, _Run(_sorted(last, order, sizes.rows))] if last else runs


def _grouped(batches: Iterable[pa.RecordBatch], size: int) -> Iterator[list[pa.RecordBatch]]:
    """The rows in groups of about so many bytes."""
    group: list[pa.RecordBatch] = []
    held = 0
    for batch in (piece for whole in batches if whole.num_rows for piece in _pieces(whole, size)):
        group.append(batch)
        held += batch.nbytes
        if held >= size:
            yield group
            group, held = [], 0
    if group:
        yield group


def _pieces(batch: pa.RecordBatch, size: int) -> Iterator[pa.RecordBatch]:
    """A batch in slices of about so many bytes."""
    rows = max(1, batch.num_rows * size // max(1, batch.nbytes))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


def _spill(batches: list[pa.RecordBatch], order: Sequence[str], file: IO[bytes], sizes: Sizes) -> _Run:
    """A run that lies in the file."""
    schema = batches[0].select(_columns(batches[0], order)).schema
    places: list[tuple[int, int]] = []
    for rows in _sorted(batches, order, sizes.rows):
        for piece in _pieces(rows, sizes.batch):
            message = piece.serialize()
            places.append((file.tell(), message.size))
            file.write(message)
    return _Run(_read(file, places, schema))


def _read(file: IO[bytes], places: Sequence[tuple[int, int]], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for start, size in places:
        file.seek(start)
        yield pa.ipc.read_record_batch(pa.py_buffer(file.read(size)), schema)


def _merged(runs: Sequence[_Run], order: Sequence[str], sizes: Sizes) -> Iterator[pa.RecordBatch]:
    """The rows of all runs in order, in batches of any size."""
    waiting = deque(_by_first_row(runs))
    active: list[_Run] = []
    while waiting or active:
        for run in active:
            run.fill(max(1, sizes.merged // len(active)))
        bound = _bound(active)
        # A run takes part once what it begins with may come out: rows that came in order are read one run at a time.
        while waiting and (bound is None or _up_to(waiting[0].held[0].slice(0, 1), bound)):
            active.append(waiting.popleft())
            bound = _bound(active)
        pieces = [piece for run in active for piece in run.take(bound)]
        active = [run for run in active if run.held or not run.ended]
        # There is none where the one run that was left turns out to have ended.
        if pieces:
            yield from _sorted(pieces, order, sizes.rows) if len(pieces) > 1 else pieces


def _by_first_row(runs: Sequence[_Run]) -> Sequence[_Run]:
    for run in runs:
        run.fill(1)
    if not runs:
        return []
    heads = pa.Table.from_batches([run.held[0].slice(0, 1) for run in runs])
    return [runs[place] for place in _places(heads, heads.column_names).to_pylist()]


def _bound(active: Sequence[_Run]) -> pa.RecordBatch | None:
    """The row up to which everything is in memory; None where that is so for all of these runs."""
    lasts = [run.held[-1].slice(run.held[-1].num_rows - 1) for run in active if not run.ended]
    if len(lasts) < 2:
        return lasts[0] if lasts else None
    rows = pa.Table.from_batches(lasts)
    return lasts[_places(rows, rows.column_names)[0].as_py()]


def _up_to(rows: pa.RecordBatch, bound: pa.RecordBatch) -> int:
    """How many of the rows, which are sorted, come no later than the one row `bound`."""
    start, stop = 0, rows.num_rows
    for place in range(rows.num_columns):
        less, equal = _compare(rows.column(place).slice(start, stop - start), bound.column(place)[0])
        start, stop = start + less, start + less + equal
        if not equal:
            break
    return stop


def _compare(values: pa.Array, limit: pa.Scalar) -> tuple[int, int]:
    """How many of the values, in Arrow's order, come before one value and how many equal it."""
    if not limit.is_valid:
        return len(values) - values.null_count, values.null_count
    if pa.types.is_floating(values.type) and pc.is_nan(limit).as_py():
        odd = _count(pc.is_nan(values))
        return len(values) - values.null_count - odd, odd
    return _count(pc.less(values, limit)), _count(pc.equal(values, limit))


def _count(flags: pa.Array) -> int:
    return pc.sum(flags).as_py() or 0


def _columns(rows: pa.RecordBatch, order: Sequence[str]) -> Sequence[str]:
    """All columns, those that decide first."""
    return [*order, *(name for name in rows.schema.names if name not in order)]


def _sorted(batches: list[pa.RecordBatch], order: Sequence[str], count: int) -> Iterator[pa.RecordBatch]:
    """All rows, sorted, so many at a time; the list is empty then, so that no row is in memory twice."""
    names = _columns(batches[0], order)
    rows = _joined([batch.select(names) for batch in batches])
    batches.clear()
    places = _places(rows, order)
    # To compare all columns costs as much again, and only rows that are alike in the deciding ones need it.
    if _repeats(rows.select(order).take(places), order):
        places = _places(rows, names)
    for start in range(0, rows.num_rows, count):
        yield rows.take(places.slice(start, count))


def _repeats(rows: pa.RecordBatch, order: Sequence[str]) -> bool:
    """Whether a row may be equal in these columns to the one before; a missing value, or NaN, may equal anything."""
    alike = pa.scalar(value=True)
    for name in order:
        before, after = rows.column(name).slice(0, rows.num_rows - 1), rows.column(name).slice(1)
        alike = pc.and_(alike, pc.invert(pc.fill_null(pc.less(before, after), fill_value=False)))
    return bool(pc.any(alike).as_py())


def _places(rows: pa.RecordBatch | pa.Table, order: Sequence[str]) -> pa.Array:
    return pc.sort_indices(rows, sort_keys=[(name, "ascending") for name in order])


def _even(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of `rows`, but for the last."""
    held: list[pa.RecordBatch] = []
    missing = rows
    for batch in batches:
        start = 0
        while batch.num_rows - start >= missing:
            yield _joined([*held, batch.slice(start, missing)])
            held, start, missing = [], start + missing, rows
        if start < batch.num_rows:
            held.append(batch.slice(start))
            missing -= batch.num_rows - start
    if held:
        yield _joined(held)


def _joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)
