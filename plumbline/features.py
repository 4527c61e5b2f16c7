"""The one definition of what a model is given: raw columns as arrays, from a table or from a request.

Training, offline scoring and serving all come through here, so a value means the same everywhere:

| column type | array | missing |
|---|---|---|
| numeric | float32 | NaN |
| boolean | float32, 0 or 1 | NaN |
| categorical | str (an integer category as its digits) | "" |
| timestamp | int64, seconds since 1970-01-01T00:00:00 in the column's own clock | `MISSING_TIME` |
"""

import datetime as dt
import math
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from typing import assert_never, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.errors import DataError
from plumbline.problem import Column, ColumnType, TimePart

Array = npt.NDArray[np.generic]
Arrays = Mapping[str, Array]
Features = Mapping[str, Column]

MISSING_TIME = np.iinfo(np.int64).min
"""Stands for a timestamp that is not there."""

PERIODS: Mapping[TimePart, int] = {"minute_of_day": 1440, "hour": 24, "weekday": 7, "month": 12, "day_of_year": 366}
"""How many values each part of a timestamp can take; weekdays count from Monday = 0, months and days from 1."""

_TOLD = 10
"""Wrong instances that a message names."""
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 100
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - the column's own clock, which has no zone


def columns(features: Features) -> Mapping[str, ColumnType]:
    """The raw columns behind the features, in order, each with its type."""
    return {column.column or name: column.type for name, column in features.items()}


def from_table(table: pa.Table, features: Features) -> Arrays:
    """The raw columns of a table (n rows) as arrays of shape (n,).

    Raises:
        DataError: A column is not there.
    """
    wanted = columns(features)
    if absent := [name for name in wanted if name not in table.column_names]:
        raise DataError(f"the model needs the columns {absent}, the table has {table.column_names}")
    return {name: _array(table.column(name), kind) for name, kind in wanted.items()}


def from_instances(instances: Sequence[Mapping[str, object]], features: Features) -> Arrays:
    """The raw columns of JSON instances (n objects) as arrays of shape (n,). A missing key is a missing value.

    Raises:
        DataError: Instances have keys that are no columns, or values of the wrong type; the message names each key and
            value of the first ten of them, and how many more there are.
    """
    wanted = columns(features)
    try:
        if not all(wanted.keys() >= instance.keys() for instance in instances):
            raise DataError("an instance has a key that is no column")
        return {
            name: np.array([_parse(row.get(name), kind) for row in instances], _DTYPES[kind])
            for name, kind in wanted.items()
        }
    except DataError as error:
        faults = list(_faults(instances, wanted))
        more = f"; {len(faults) - _TOLD} more instances are wrong" if len(faults) > _TOLD else ""
        raise DataError("; ".join(faults[:_TOLD]) + more) from error


def _faults(instances: Sequence[Mapping[str, object]], wanted: Mapping[str, ColumnType]) -> Iterator[str]:
    """For each wrong instance all that is wrong with it."""
    for position, instance in enumerate(instances):
        extra = sorted(set(instance) - set(wanted))
        found = [f"instance {position}: unknown {shown(extra)}; the model takes {sorted(wanted)}"] if extra else []
        for name, kind in wanted.items():
            try:
                _parse(instance.get(name), kind)
            except DataError as error:
                found.append(f"instance {position}: {name} {error}")
        if found:
            yield "; ".join(found)


def shown(value: object) -> str:
    """What came, for a message: as Python writes it, cut where it is long or deep."""
    return _SHORT.repr(value)


def to_instances(table: pa.Table, features: Features) -> tuple[Mapping[str, object], ...]:
    """The rows of a table as the JSON instances that `from_instances` takes back to the same arrays."""
    names = list(columns(features))
    rows = table.select(names).to_pylist()
    return tuple({name: _plain(value) for name, value in row.items() if value is not None} for row in rows)


def derived(table: pa.Table, name: str, column: Column) -> pa.ChunkedArray:
    """The values of a feature or attribute: the column itself, or the part of a timestamp (int64)."""
    values = table.column(column.column or name)
    return part(values, column.part) if column.part else values


def part(values: pa.ChunkedArray, which: TimePart) -> pa.ChunkedArray:
    """A part of each timestamp, int64. See `PERIODS` for how each counts."""
    match which:
        case "minute_of_day":
            return pc.add(pc.multiply(pc.hour(values), 60), pc.minute(values))
        case "hour":
            return pc.hour(values)
        case "weekday":
            return pc.day_of_week(values)
        case "month":
            return pc.month(values)
        case "day_of_year":
            return pc.day_of_year(values)
        case _:
            assert_never(which)


def _array(values: pa.ChunkedArray, kind: ColumnType) -> Array:
    match kind:
        case "numeric" | "boolean":
            return (
                pc.cast(values, pa.float32()).to_numpy(zero_copy_only=False) if values.null_count == 0 else _nan(values)
            )
        case "categorical":
            return pc.fill_null(pc.cast(values, pa.string()), "").to_numpy(zero_copy_only=False)
        case "timestamp":
            seconds = pc.cast(pc.cast(values, pa.timestamp("s"), safe=False), pa.int64())
            return pc.fill_null(seconds, MISSING_TIME).to_numpy()
        case _:
            assert_never(kind)


def _nan(values: pa.ChunkedArray) -> Array:
    return pc.fill_null(pc.cast(values, pa.float32()), math.nan).to_numpy()


def _parse(value: object, kind: ColumnType) -> object:
    """One JSON value as the array holds it. A Python bool is an int, so each case says which of the two it means."""
    if value is None:
        return _MISSING[kind]
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST
    match kind:
        case "boolean" if isinstance(value, bool):
            return float(value)
        case "numeric" if is_number:
            return value
        case "categorical" if isinstance(value, str):
            return _text(value)
        case "categorical" if is_number and value == int(cast("float", value)):
            return str(int(cast("float", value)))
        case "timestamp" if isinstance(value, str):
            return _seconds(value)
    raise DataError(f"must be {_WANTED[kind]}, got {shown(value)}")


_DTYPES: Mapping[ColumnType, np.dtype[np.generic]] = {
    "numeric": np.dtype(np.float32),
    "boolean": np.dtype(np.float32),
    "categorical": np.dtype(object),
    "timestamp": np.dtype(np.int64),
}
_LARGEST = float(np.finfo(np.float32).max)
_MISSING: Mapping[ColumnType, object] = {
    "numeric": math.nan,
    "boolean": math.nan,
    "categorical": "",
    "timestamp": MISSING_TIME,
}
_WANTED: Mapping[ColumnType, str] = {
    "numeric": "a finite number",
    "boolean": "true or false",
    "categorical": "a string or an integer",
    "timestamp": "a local time like 2013-11-05T17:30:00",
}


def _text(value: str) -> str:
    """The text. JSON's escapes can write half a pair of surrogates, which no encoding can."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"must be text, got {shown(value)}, which has half a pair of surrogates") from error
    return value


def _seconds(text: str) -> int:
    try:
        return (dt.datetime.fromisoformat(text) - _EPOCH) // dt.timedelta(seconds=1)
    except (ValueError, TypeError) as error:  # TypeError: an offset, which a column's own clock does not have
        raise DataError(f"must be {_WANTED['timestamp']}, got {shown(text)}") from error


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, dt.datetime) else value
