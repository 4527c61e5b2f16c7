"""One number a row that is the same for rows with the same values, to find rows that were imported twice."""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.dataset import Rows

COLUMN = "digest"
_Words = npt.NDArray[np.uint64]
_MISSING = -(2**62) + 1
"""Stands for a value that is not there: no time, and no count, is so small."""
_STEP = np.uint64(0x9E3779B97F4A7C15)


def digests(rows: Rows, columns: Sequence[str]) -> Rows:
    """The digest of each row's values in some columns, as rows of one column, int64."""

    def parts(_: Sequence[str]) -> Iterator[pa.Table]:
        for part in rows.parts(columns):
            yield pa.table({COLUMN: _digest(part, columns).view(np.int64)})

    return Rows(pa.schema([(COLUMN, pa.int64())]), parts)


def _digest(part: pa.Table, columns: Sequence[str]) -> _Words:
    found = np.zeros(part.num_rows, np.uint64)
    for name in columns:
        found = _mixed(found ^ _words(part.column(name)))
    return found


def _mixed(words: _Words) -> _Words:
    """Each bit of a word spread over all of it. Source: Steele, Lea, Flood, SplitMix64, 2014."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (words ^ (words >> np.uint64(31))) + _STEP


def _words(values: pa.ChunkedArray) -> _Words:
    """A word a value; a missing one has a word of its own, or that of a value that hardly occurs."""
    array = values.combine_chunks()
    if pa.types.is_floating(array.type) or pa.types.is_decimal(array.type):
        # Adding 0 makes the two zeros one.
        return (pc.fill_null(pc.cast(array, pa.float64()), np.nan).to_numpy(zero_copy_only=False) + 0.0).view(np.uint64)
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return _words_of_texts(array)
    whole = pc.cast(array, pa.int8()) if pa.types.is_boolean(array.type) else array
    return pc.fill_null(pc.cast(whole, pa.int64()), _MISSING).to_numpy(zero_copy_only=False).view(np.uint64)


def _words_of_texts(array: pa.Array) -> _Words:
    encoded = array.dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    known = [hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts]
    words = np.array([int.from_bytes(word, "little") for word in known] + [_MISSING & (2**64 - 1)], np.uint64)
    return words[pc.fill_null(encoded.indices, len(known)).to_numpy(zero_copy_only=False)]
