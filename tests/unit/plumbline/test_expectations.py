"""What a config expects of its columns: scale, parts of times, rows that are there once, a feature that is none."""

import dataclasses
import datetime as dt
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from plumbline import validation
from plumbline.dataset import SplitName, table_rows
from plumbline.errors import DataError
from plumbline.ingestion import check_columns
from plumbline.problem import Column, Data
from plumbline.tally import NumberTally, deviation
from tests.unit.plumbline import data_case as case

Splits = Mapping[SplitName, pa.Table]


def data(**features: Column) -> Data:
    """The small problem with some features described otherwise."""
    found = case.data()
    return dataclasses.replace(found, features={**found.features, **features})


def failed(splits: Splits, declared: Data) -> set[tuple[str, str, str]]:
    """Name, column and split of the checks that fail."""
    rows = {split: table_rows(table, size=500) for split, table in splits.items()}
    report = validation.validate(rows, declared, case.validation())
    return {(check.name, check.column, check.split) for check in report.checks if not check.passed}


PRICE = Column(type="numeric", minimum=0, maximum=100, deviation=(20, 40))
HOUR = Column(type="timestamp", column="ordered_at", part="hour", minimum=6, maximum=22)


def test_a_number_of_the_usual_scale_passes() -> None:
    """Evenly from 0 to 100: a standard deviation of 28.9."""
    assert failed(case.splits(), data(price=PRICE)) == set()


@pytest.mark.parametrize("factor", [1 / 60, 1 / 2])
def test_another_unit_is_found(factor: float) -> None:
    """In every split, although the range still holds and nothing has shifted between them."""
    rows = case.rows()
    place = rows.column_names.index("price")
    other = rows.set_column(place, "price", pc.multiply(rows.column("price"), factor))
    assert failed(case.splits(other), data(price=PRICE)) == {
        ("scale", "price", split) for split in ("train", "validation", "test")
    }


def test_a_column_without_a_number_has_no_usual_scale() -> None:
    """NaN is no standard deviation between two bounds."""
    rows = case.rows()
    place = rows.column_names.index("price")
    empty = rows.set_column(place, "price", pa.nulls(rows.num_rows, pa.float64()))
    assert ("scale", "price", "train") in failed(case.splits(empty), data(price=PRICE))


def at(rows: pa.Table, hour: int) -> pa.Table:
    """The rows whose time has an hour, or later."""
    return rows.filter(pc.greater_equal(pc.hour(rows.column("ordered_at")), hour))


def test_the_hours_of_a_day_are_bounded() -> None:
    """From 6 to 22 is right; on a clock that is five hours ahead, some are at night."""
    rows = case.rows()
    hours = pc.hour(rows.column("ordered_at"))
    day = rows.filter(pc.and_(pc.greater_equal(hours, 6), pc.less_equal(hours, 22)))
    assert not {name for name, _, _ in failed(case.splits(day), data(hour=HOUR))} & {"range"}
    place = day.column_names.index("ordered_at")
    ahead = day.set_column(place, "ordered_at", pc.add(day.column("ordered_at"), pa.scalar(dt.timedelta(hours=5))))
    assert ("range", "hour", "train") in failed(case.splits(ahead), data(hour=HOUR))


def again(rows: pa.Table, count: int) -> pa.Table:
    """The rows, and the first of them once more under new keys."""
    first = rows.slice(0, count)
    keys = pc.binary_join_element_wise(first.column("order_id"), "again", "-")
    return pa.concat_tables([rows, first.set_column(0, "order_id", keys)])


def test_rows_imported_twice_under_new_keys_are_found() -> None:
    """Two of a thousand are too many, one is not: there are 1,440 rows in the training split."""
    assert ("duplicate rows", "", "train") in failed(case.splits(again(case.rows(), 3)), data())
    assert failed(case.splits(again(case.rows(), 1)), data()) == set()


def test_rows_that_differ_in_one_value_are_not_the_same() -> None:
    """Each column counts: the time, the label, a number that is missing in one of them."""
    rows = case.rows().slice(0, 1)
    for name, value in (("outcome", "kept"), ("price", None), ("gift", None), ("shop", "elsewhere")):
        before = rows.column(name)[0].as_py()
        if before == value:
            continue
        place = rows.column_names.index(name)
        other = rows.set_column(place, name, pa.array([value], rows.schema.field(name).type))
        other = other.set_column(0, "order_id", pa.array(["x"]))
        both = case.splits(pa.concat_tables([case.rows(), other]))
        assert failed(both, data()) == set(), name


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (["order_id", "ordered_at", "outcome", "price", "shop", "gift"], ""),
        (["order_id", "ordered_at", "outcome", "price", "shop"], r"does not give \['gift'\]"),
        (
            ["order_id", "ordered_at", "outcome", "price", "shop", "gift", "note"],
            r"gives \['note'\], which .* leave it out",
        ),
    ],
)
def test_a_query_gives_the_declared_columns_and_no_other(found: list[str], wanted: str) -> None:
    """In any order."""
    if not wanted:
        check_columns(case.data(), found[::-1])
        return
    with pytest.raises(DataError, match=wanted):
        check_columns(case.data(), found)


def test_a_deviation_by_numpy() -> None:
    """Missing numbers do not count."""
    numbers, tally = np.array([1.0, 2.0, 2.0, 5.0, np.nan]), NumberTally()
    tally.add(numbers, np.zeros(5, bool), 0)
    assert deviation(tally.result()) == pytest.approx(np.nanstd(numbers))
