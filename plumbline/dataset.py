"""A dataset artifact: one Parquet file a split, and what is known of how it came about."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.section import from_json, section, to_json

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)


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


def split_path(dataset: Path, split: SplitName) -> Path:
    """The Parquet file of a split."""
    return dataset / f"{split}.parquet"


def read_split(dataset: Path, split: SplitName, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a split, all columns or some."""
    return pq.read_table(split_path(dataset, split), columns=None if columns is None else list(columns))


def write_summary(dataset: Path, summary: Summary) -> None:
    """Put the summary beside the splits."""
    (dataset / "summary.json").write_text(to_json(summary), encoding="utf-8")


def read_summary(dataset: Path) -> Summary:
    """The summary that lies beside the splits."""
    return from_json(Summary, (dataset / "summary.json").read_text(encoding="utf-8"))
