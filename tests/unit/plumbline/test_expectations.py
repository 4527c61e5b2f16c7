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
from plumbline.ingestion import check_columns, wanted_columns
from plumbline.problem import Column, Data, TimePart, Validation
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


@pytest.mark.parametrize(
    ("factor", "said"),
    [(1 / 60, "60 times as much is usual"), (60.0, "1/60 of it is usual"), (1 / 2, "")],
    ids=["hours", "seconds", "no unit"],
)
def test_the_unit_that_would_explain_it_is_named(factor: float, said: str) -> None:
    """A deviation of 28.9 minutes is one of 0.48 hours, and of 1,732 seconds; half of it is no other unit."""
    rows = case.rows()
    place = rows.column_names.index("price")
    other = case.splits(rows.set_column(place, "price", pc.multiply(rows.column("price"), factor)))
    (found,) = [check for check in checks(other, data(price=PRICE)) if check.name == "scale" and check.split == "test"]
    assert not found.passed
    assert (
        found.found.endswith(f": in other units? {said}") if said else found.found.isdecimal() or ":" not in found.found
    )


def checks(splits: Splits, declared: Data, limits: Validation | None = None) -> tuple[validation.Check, ...]:
    """All checks, with the limits that sound rows keep or with others."""
    rows = {split: table_rows(table, size=500) for split, table in splits.items()}
    return validation.validate(rows, declared, limits or case.validation()).checks


def daytime() -> pa.Table:
    """The rows from 6 to 22 o'clock."""
    rows = case.rows()
    hours = pc.hour(rows.column("ordered_at"))
    return rows.filter(pc.and_(pc.greater_equal(hours, 6), pc.less_equal(hours, 22)))


@pytest.mark.parametrize("part", ["hour", "minute_of_day"])
@pytest.mark.parametrize("hours", [-2, 2])
def test_a_split_on_another_clock_is_found(part: TimePart, hours: int) -> None:
    """Of 17 hours with 5.9 % of the rows each, some are without a row; no bounds are needed for that."""
    declared = data(hour=Column(type="timestamp", column="ordered_at", part=part))
    limits = dataclasses.replace(case.validation(), maximum_time_shift=0.05)
    sound = case.splits(daytime())
    assert all(check.passed for check in checks(sound, declared, limits))
    test = sound["test"]
    place = test.column_names.index("ordered_at")
    moved = pc.add(test.column("ordered_at"), pa.scalar(dt.timedelta(hours=hours)))
    shifted = test.set_column(place, "ordered_at", moved)
    found = {c.split: c for c in checks({**sound, "test": shifted}, declared, limits) if c.name == "time shift"}
    assert (found["validation"].passed, found["test"].passed) == (True, False)
    assert found["test"].found.startswith("0.059 (")


def test_days_moved_by_one_are_found_in_a_month_but_not_in_a_week() -> None:
    """A shop that rests on Sundays seems to rest on Mondays; of a week's weekdays chance says more than the clock."""
    rows = case.rows()
    rows = rows.filter(pc.not_equal(pc.day_of_week(rows.column("ordered_at")), 6))
    place = rows.column_names.index("ordered_at")
    late = rows.set_column(place, "ordered_at", pc.add(rows.column("ordered_at"), pa.scalar(dt.timedelta(days=1))))
    declared = data(weekday=Column(type="timestamp", column="ordered_at", part="weekday"))
    whole, moved = table_rows(rows, size=500), table_rows(late, size=500)
    week = table_rows(late.slice(0, 24 * 7), size=500)
    for test, wanted in ((whole, [True]), (moved, [False]), (week, [])):
        report = validation.validate({"train": whole, "validation": whole, "test": test}, declared, case.validation())
        found = [c.passed for c in report.checks if (c.name, c.column, c.split) == ("time shift", "weekday", "test")]
        assert found == wanted


def busy(factor: float) -> Validation:
    """Limits that allow a day so many times the usual rows."""
    return dataclasses.replace(case.validation(), maximum_day_factor=factor)


def test_a_day_with_many_more_rows_than_others_is_found() -> None:
    """Each day has 24; one has 72, all of them different, so that nothing else tells."""
    rows = case.rows()
    day = rows.slice(0, 24)
    more = [
        day.set_column(0, "order_id", pc.binary_join_element_wise(day.column("order_id"), f"{time}", "-")).set_column(
            1, "ordered_at", pc.add(day.column("ordered_at"), pa.scalar(dt.timedelta(minutes=time)))
        )
        for time in (1, 2)
    ]
    splits = case.splits(pa.concat_tables([rows, *more]))
    assert all(check.passed for check in checks(splits, data()))
    (found,) = [check for check in checks(splits, data(), busy(2.5)) if not check.passed]
    assert (found.name, found.split) == ("rows of a day", "train")
    assert found.found == "2020-01-01 has 72, the median day 24"
    assert all(check.passed for check in checks(splits, data(), busy(3.0)))


def test_a_shift_says_what_has_moved() -> None:
    """The mean of a number, the share of the category that changed most."""
    splits = case.splits()
    test = splits["test"]
    other = {"price": pc.divide(test.column("price"), 10.0), "shop": pa.array(["north"] * test.num_rows)}
    for name, values in other.items():
        test = test.set_column(test.column_names.index(name), name, values)
    found = {c.column: c.found for c in checks({**splits, "test": test}, data()) if not c.passed}
    before, now = (float(pc.mean(table.column("price")).as_py()) for table in (splits["train"], test))
    assert found["price"].endswith(f"(mean {before:.4g}, now {now:.4g})")
    north = float(np.mean([shop == "north" for shop in splits["train"].column("shop").to_pylist()]))
    assert f"(north {north:.1%} of the rows, now 100.0%)" in found["shop"]


@pytest.mark.parametrize("kind", ["boolean", "part of a time"])
def test_a_flag_or_a_time_that_gives_the_answer_away_is_found(kind: str) -> None:
    """Whatever type the column has."""
    rows = case.rows()
    late = pc.equal(rows.column("outcome"), "returned")
    column, values = "gift", late
    if kind == "part of a time":
        column, values = "sent_at", pc.if_else(late, pa.scalar(dt.datetime(2020, 1, 1, 3)), pa.scalar(case.START))  # noqa: DTZ001 - a wall clock
    other = rows.set_column(rows.column_names.index("gift"), column, values)
    features = (
        {"gift": Column(type="boolean")}
        if kind == "boolean"
        else {"gift": Column(type="timestamp", column="sent_at", part="hour")}
    )
    assert ("gives the answer away", "gift", "train") in failed(case.splits(other), data(**features))


def test_weights_for_a_class_that_is_absent_are_never_made() -> None:
    """A split without a positive row stops before training, whichever split it is."""
    rows = case.rows()
    kept = rows.set_column(rows.column_names.index("outcome"), "outcome", pa.array(["kept"] * rows.num_rows))
    for split in ("train", "validation", "test"):
        spoilt: Splits = {**case.splits(), split: case.splits(kept)[split]}
        assert {("label classes", "outcome", split), ("positives", "outcome", split)} <= failed(spoilt, data())


def test_a_column_known_afterwards_is_refused_in_the_query() -> None:
    """With other advice than a column that was only forgotten."""
    declared = dataclasses.replace(case.data(), known_afterwards=("returned_at",))
    have = ["order_id", "ordered_at", "outcome", "price", "shop", "gift", "returned_at"]
    with pytest.raises(
        DataError, match=r"gives \['returned_at'\], which .*: leave \['returned_at'\], known only afterwards .*SELECT$"
    ):
        check_columns(declared, have)


def test_all_undeclared_columns_are_told_at_once() -> None:
    """Those known only afterwards have no place in the config; the others may have one."""
    declared = dataclasses.replace(case.data(), known_afterwards=("returned_at",))
    have = [*wanted_columns(declared), "remark", "returned_at"]
    with pytest.raises(
        DataError, match=r"gives \['remark', 'returned_at'\].* leave \['returned_at'\].*; name the others"
    ):
        check_columns(declared, have)
