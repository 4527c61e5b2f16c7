"""Raw columns: the same value means the same in a table and in a request."""

import datetime as dt
import math

import numpy as np
import pyarrow as pa
import pytest
from pydantic import TypeAdapter

from plumbline.errors import DataError
from plumbline.features import MISSING_TIME, columns, derived, from_instances, from_table, to_instances
from plumbline.problem import Column

FEATURES = {
    "size": Column(type="numeric", unit="cm"),
    "colour": Column(type="categorical"),
    "code": Column(type="categorical"),
    "open": Column(type="boolean"),
    "hour": Column(type="timestamp", column="at", part="hour"),
    "weekday": Column(type="timestamp", column="at", part="weekday"),
}
TABLE = pa.table(
    {
        "size": pa.array([1.5, None]),
        "colour": pa.array(["red", None]),
        "code": pa.array([7, None], pa.int64()),
        "open": pa.array([True, None]),
        "at": pa.array([dt.datetime(2013, 11, 5, 17, 30), None], pa.timestamp("us")),  # noqa: DTZ001 - a wall clock
    }
)


def test_features_of_one_column_share_it() -> None:
    """Two parts of a timestamp need its column once."""
    assert list(columns(FEATURES)) == ["size", "colour", "code", "open", "at"]


def test_a_table_becomes_arrays_with_missing_values_marked() -> None:
    """Each type has its array and its own sign for a missing value."""
    arrays = from_table(TABLE, FEATURES)
    np.testing.assert_array_equal(arrays["size"], np.array([1.5, np.nan], np.float32))
    assert arrays["colour"].tolist() == ["red", ""]
    assert arrays["code"].tolist() == ["7", ""]
    np.testing.assert_array_equal(arrays["open"], np.array([1.0, np.nan], np.float32))
    # 2013-11-05 is day 16014 since 1970-01-01.
    assert arrays["at"].tolist() == [16014 * 86400 + 17 * 3600 + 30 * 60, MISSING_TIME]


def test_rows_sent_as_instances_come_back_as_the_same_arrays() -> None:
    """A row as JSON and the row itself are the same to the model."""
    arrays, again = from_table(TABLE, FEATURES), from_instances(to_instances(TABLE, FEATURES), FEATURES)
    for name, values in arrays.items():
        np.testing.assert_array_equal(values, again[name])
        assert values.dtype == again[name].dtype


def test_a_missing_column_is_named() -> None:
    """A table without one of the model's columns is refused."""
    with pytest.raises(DataError, match=r"needs the columns \['open'\]"):
        from_table(TABLE.drop_columns(["open"]), FEATURES)


@pytest.mark.parametrize(
    ("instance", "wanted"),
    [
        ({"size": "big"}, "instance 0: size must be a finite number, got 'big'"),
        ({"size": True}, "instance 0: size must be a finite number, got True"),
        ({"size": math.inf}, "instance 0: size must be a finite number, got inf"),
        ({"size": 1e300}, "instance 0: size must be a finite number"),
        ({"colour": 1.5}, "instance 0: colour must be a string or an integer, got 1.5"),
        ({"colour": True}, "instance 0: colour must be a string or an integer, got True"),
        ({"open": 1}, "instance 0: open must be true or false, got 1"),
        ({"at": "noon"}, "instance 0: at must be a local time"),
        ({"at": "2013-11-05T17:30:00+01:00"}, "instance 0: at must be a local time"),
        ({"at": 5}, "instance 0: at must be a local time"),
        ({"late": False}, r"instance 0: unknown \['late'\]"),
    ],
)
def test_a_wrong_value_is_named(instance: dict[str, object], wanted: str) -> None:
    """A request with a wrong value is told the instance, the field and what was wanted."""
    with pytest.raises(DataError, match=wanted):
        from_instances([instance], FEATURES)


def test_an_integer_category_may_come_as_a_whole_number() -> None:
    """JSON's 7.0, as a Struct gives it back, is the category 7."""
    assert from_instances([{"code": 7.0}, {"code": 7}, {"code": "7"}], FEATURES)["code"].tolist() == ["7", "7", "7"]


@pytest.mark.parametrize(
    ("part", "wanted"),
    [("minute_of_day", 1050), ("hour", 17), ("weekday", 1), ("month", 11), ("day_of_year", 309)],
)
def test_parts_of_a_time(part: str, wanted: int) -> None:
    """2013-11-05 17:30 was a Tuesday, the 309th day of its year."""
    column = TypeAdapter(Column).validate_python({"type": "timestamp", "column": "at", "part": part})
    assert derived(TABLE, "x", column).to_pylist() == [wanted, None]
