"""A dataset artifact: one Parquet file a split, and what is known of how it came about."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from plumbline.section import from_json, section, to_json

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)
SCORED: tuple[SplitName, ...] = ("validation", "test")
"""The splits that every model is scored on: thresholds are chosen on the first, and the gates look at the second."""
PART = 1 << 16
"""Rows that are looked at at once: a row group."""
_REPEATED = 8
"""How often a value must come, on average, for a dictionary to pay: measured, in bytes and in time."""


@section
class SplitSummary:
    """One split in numbers."""

    rows: int
    positives: int
    start: str
    """First time in it, ISO 8601; empty for no rows."""
    end: str


@section
class Summary:
    """Where a dataset came from."""

    table: str
    """The features table, project.dataset.table."""
    training_table: str
    """Its rows of the training split alone: the baseline of monitoring."""
    bytes_processed: int
    """By the query."""
    source_changed: str
    """When a source table last changed, ISO 8601."""
    splits: Mapping[SplitName, SplitSummary]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that are read a part at a time, so that they need not fit into memory."""

    schema: pa.Schema
    parts: Callable[[Sequence[str]], Iterator[pa.Table]]
    """Some columns of all rows, in order."""


def split_path(dataset: Path, split: SplitName) -> Path:
    """The Parquet file of a split."""
    return dataset / f"{split}.parquet"


def read_split(dataset: Path, split: SplitName, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a split, all columns or some."""
    return pq.read_table(split_path(dataset, split), columns=None if columns is None else list(columns))


def stored_rows(dataset: Path, split: SplitName) -> Rows:
    """The rows of a split, a row group at a time."""
    return file_rows(split_path(dataset, split))


def file_rows(path: Path) -> Rows:
    """The rows of a Parquet file, a row group at a time."""

    def parts(columns: Sequence[str]) -> Iterator[pa.Table]:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=list(columns))

    return Rows(pq.read_schema(path), parts)


def stored(parts: Iterator[pa.Table], path: Path, *, statistics: Sequence[str] | bool = True) -> Iterator[pa.Table]:
    """The parts as they are, each given on once it is a row group of a Parquet file; no part, no file.

    Args:
        parts: The rows.
        path: The file.
        statistics: The columns whose bounds stand beside each row group; all of them, unless some are named.
    """
    first = next(parts, None)
    if first is None:
        return
    repetitive = [name for name in first.column_names if _is_repetitive(first.column(name))]
    with pq.ParquetWriter(
        path, first.schema, compression="zstd", use_dictionary=repetitive, write_statistics=statistics
    ) as file:
        for part in chain([first], parts):
            file.write_table(part, row_group_size=max(part.num_rows, 1))
            yield part


def _is_repetitive(values: pa.ChunkedArray) -> bool:
    """Whether a dictionary makes a column smaller, and faster to write: its values come again and again."""
    return len(pc.unique(values)) * _REPEATED <= len(values)


def table_rows(table: pa.Table, *, size: int = PART) -> Rows:
    """The rows of a table in memory, `size` at a time."""

    def parts(columns: Sequence[str]) -> Iterator[pa.Table]:
        for start in range(0, table.num_rows, size):
            yield table.select(list(columns)).slice(start, size)

    return Rows(table.schema, parts)


def write_summary(dataset: Path, summary: Summary) -> None:
    """Put the summary beside the splits."""
    (dataset / "summary.json").write_text(to_json(summary), encoding="utf-8")


def read_summary(dataset: Path) -> Summary:
    """The summary that lies beside the splits."""
    return from_json(Summary, (dataset / "summary.json").read_text(encoding="utf-8"))
