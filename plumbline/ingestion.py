"""From a query to a dataset: one materialised features table, one Parquet file a split."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from plumbline.dataset import SplitName, SplitSummary, split_path, stored
from plumbline.errors import DataError
from plumbline.external_sort import sorted_rows
from plumbline.features import columns
from plumbline.problem import Data, Label, Window
from plumbline.streams import together


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
    """Nothing, when the query gives the columns that the config declares and no other.

    Raises:
        DataError: One is missing, or one is there that nobody has declared.
    """
    have, wanted = list(found), wanted_columns(data)
    if absent := [name for name in wanted if name not in have]:
        raise DataError(f"the query {data.query} does not give {absent}, which the config declares; it gives {have}")
    if more := [name for name in have if name not in wanted]:
        late = [name for name in more if name in data.known_afterwards]
        told = "name it under data.features or data.attributes, or leave it out of the SELECT"
        if late:
            told = f"leave {late}, known only afterwards (data.known_afterwards), out of the SELECT"
            told += (
                "; name the others under data.features or data.attributes, or leave them out too"
                if late != more
                else ""
            )
        raise DataError(f"the query {data.query} gives {more}, which the config does not declare: {told}")


def check_times(data: Data, splits: Mapping[SplitName, SplitSummary], changed: str) -> None:
    """Nothing, when no row is of a time after the sources last changed: nobody could have known its label.

    Args:
        data: Of the problem.
        splits: What was written.
        changed: When a source table last changed, ISO 8601.

    Raises:
        DataError: A row is of the future.
    """
    # A wall clock may be up to 14 hours ahead of the moment of the change.
    latest = dt.datetime.fromisoformat(changed).replace(tzinfo=None) + dt.timedelta(days=1)
    for split, summary in splits.items():
        if summary.end and dt.datetime.fromisoformat(summary.end).replace(tzinfo=None) > latest:
            raise DataError(
                f"the {split} split has a row of {summary.end} in {data.time}, but the source tables last changed at "
                f"{changed}: a label of the future is not known; look at the clock of {data.time}, and at data.split"
            )


def check_placed(data: Data, timeless: Iterable[pa.RecordBatch]) -> None:
    """Nothing, when each row has a time: one without would be in no split, and nobody would miss it.

    Args:
        data: Of the problem.
        timeless: The keys of the rows without a time.

    Raises:
        DataError: There is such a row.
    """
    rows, example = 0, dict[str, object]()
    for batch in timeless:
        rows += batch.num_rows
        example = example or next(iter(batch.slice(0, 1).to_pylist()), {})
    if rows:
        raise DataError(
            f"{rows} rows of the query {data.query} have no {data.time}, such as {example}: no split can hold "
            f"them; give them a time, or leave them out (WHERE {data.time} IS NOT NULL)"
        )


def within(window: Window, column: str) -> str:
    """The SQL condition for a half-open window."""
    return f"{column} >= '{window.start} 00:00:00' AND {column} < '{window.end} 00:00:00'"


def windows(data: Data) -> Mapping[SplitName, Window]:
    """The window of each split."""
    return {"train": data.split.train, "validation": data.split.validation, "test": data.split.test}


def write_split(dataset: Path, split: SplitName, batches: Iterable[pa.RecordBatch], data: Data) -> SplitSummary:
    """Writes the rows of a split in the order of time and key, and says what they are.

    BigQuery promises no order, and two runs must see the same one: the same rows give the same bytes. The split is
    never in memory as a whole.

    Raises:
        DataError: There is no row.
    """
    # BigQuery does not promise the order of the columns either, and says in their metadata where they came from.
    names = wanted_columns(data)
    rows = sorted_rows((_plain(batch.select(names)) for batch in batches), (data.time, *data.key))
    # Sorting goes on while a row group is compressed.
    ordered = (pa.Table.from_batches([batch.select(names)]) for batch in together([rows], ahead=1))
    written = stored(ordered, split_path(dataset, split), statistics=[data.time])
    summaries = [summarise(part, data) for part in written]
    if not summaries:
        window = windows(data)[split]
        raise DataError(f"no row of the query lies in the {split} split, {window.start} up to {window.end}")
    return SplitSummary(
        rows=sum(part.rows for part in summaries),
        positives=sum(part.positives for part in summaries),
        start=summaries[0].start,
        end=summaries[-1].end,
    )


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    fields = [pa.field(field.name, field.type, field.nullable) for field in batch.schema]
    return pa.RecordBatch.from_arrays(batch.columns, schema=pa.schema(fields))


def summarise(table: pa.Table, data: Data) -> SplitSummary:
    """A split, or a part of it, in numbers."""
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
