"""From a query to a dataset: one materialised features table, one Parquet file a split."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from plumbline.dataset import SplitName, SplitSummary, split_path
from plumbline.errors import DataError
from plumbline.features import columns
from plumbline.problem import Data, Label, Window


@dataclass(frozen=True, slots=True)
class Names:
    """The tables that an ingestion makes, without project and dataset."""

    features: str
    training: str


def table_names(problem: str, key: str) -> Names:
    """Names that are the same for the same query over the same state of the sources, and no others'.

    Args:
        problem: Name of the problem.
        key: Digest, hexadecimal.
    """
    stem = f"{problem}_features_{key[:12]}"
    return Names(stem, f"{stem}_train")


def wanted_columns(data: Data) -> tuple[str, ...]:
    """The columns that the query must give: key, time, label, and what features and attributes are made from."""
    named = [*data.key, data.time, data.label.column, *columns(data.features), *columns(data.attributes)]
    return tuple(dict.fromkeys(named))


def check_columns(data: Data, found: Iterable[str]) -> None:
    """Nothing, when the query gives every column that the config declares.

    Raises:
        DataError: One is missing.
    """
    have = list(found)
    if absent := [name for name in wanted_columns(data) if name not in have]:
        raise DataError(f"the query {data.query} does not give {absent}, which the config declares; it gives {have}")


def within(window: Window, column: str) -> str:
    """The SQL condition for a half-open window."""
    return f"{column} >= '{window.start} 00:00:00' AND {column} < '{window.end} 00:00:00'"


def windows(data: Data) -> Mapping[SplitName, Window]:
    """The window of each split."""
    return {"train": data.split.train, "validation": data.split.validation, "test": data.split.test}


def write_split(dataset: Path, split: SplitName, batches: Iterator[pa.RecordBatch], data: Data) -> SplitSummary:
    """Writes the rows of a split in the order of time and key, and says what they are.

    Raises:
        DataError: There is no row.
    """
    rows = list(batches)
    if not sum(batch.num_rows for batch in rows):
        window = windows(data)[split]
        raise DataError(f"no row of the query lies in the {split} split, {window.start} up to {window.end}")
    # BigQuery promises no order; two runs must see the same one.
    order = [(name, "ascending") for name in (data.time, *data.key)]
    table = pa.Table.from_batches(rows).replace_schema_metadata(None).sort_by(order)
    pq.write_table(table, split_path(dataset, split), compression="zstd")
    return summarise(table, data)


def summarise(table: pa.Table, data: Data) -> SplitSummary:
    """A split in numbers."""
    times = pc.min_max(table.column(data.time)).as_py()
    return SplitSummary(
        rows=table.num_rows,
        positives=int(pc.sum(is_positive(table, data.label)).as_py() or 0),
        start=_iso(times["min"]),
        end=_iso(times["max"]),
    )


def is_positive(table: pa.Table, label: Label) -> pa.ChunkedArray:
    """Whether each row is positive; null where the label is null.

    Raises:
        DataError: The label cannot be compared with the positive value of the config.
    """
    values = table.column(label.column)
    try:
        return pc.equal(values, pa.scalar(label.positive).cast(values.type))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"{label.column} is {values.type}, label.positive is {label.positive!r}") from error


def _iso(moment: dt.datetime | None) -> str:
    return "" if moment is None else moment.isoformat()
