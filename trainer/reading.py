"""A split's raw rows, a stretch of them at a time: how much memory that takes does not grow with the split."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from plumbline.dataset import SplitName, split_path
from plumbline.features import Arrays, columns, from_table
from plumbline.ingestion import is_positive
from plumbline.signature import Signature

STRETCH = 1 << 16
"""Rows of a stretch: enough for the work on them to outweigh its start, and some tens of megabytes."""
_BUFFER = 1 << 20
"""Bytes of a column that are read ahead; left to itself, Arrow reads a row group as a whole."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some rows of a split, n of them."""

    arrays: Arrays
    """The raw columns, each of shape (n,)."""
    labels: npt.NDArray[np.float32]
    """1 for a positive row and 0 for any other, shape (n,)."""


def read(dataset: Path, split: SplitName, signature: Signature, *, rows: int = STRETCH) -> Iterator[Stretch]:
    """All rows of a split in their order, at most `rows` at a time.

    Raises:
        DataError: A column is not there, or the label cannot be compared with its positive value.
    """
    wanted = {*columns(signature.features), signature.label.column}
    with pq.ParquetFile(split_path(dataset, split), buffer_size=_BUFFER, pre_buffer=False) as file:
        # What is not there is missed by from_table, which says what is there instead.
        there = [name for name in file.schema_arrow.names if name in wanted]
        for batch in file.iter_batches(rows, columns=there):
            yield _stretch(pa.Table.from_batches([batch]), signature)


def row_count(dataset: Path, split: SplitName) -> int:
    """How many rows a split has."""
    return int(pq.read_metadata(split_path(dataset, split)).num_rows)


def _stretch(table: pa.Table, signature: Signature) -> Stretch:
    arrays = from_table(table, signature.features)
    positive = pc.fill_null(is_positive(table, signature.label), fill_value=False)
    return Stretch(arrays, positive.to_numpy(zero_copy_only=False).astype(np.float32))
