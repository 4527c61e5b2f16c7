"""What was known when, of the flights of 2013."""

import datetime as dt

import pyarrow as pa
import pyarrow.compute as pc

from plumbline.adapters.replay import known_at
from plumbline.adapters.sample_data import read_sample


def flights(**columns: object) -> pa.Table:
    """One flight at 10:15 UTC."""
    usual = {"time_hour": dt.datetime(2013, 1, 1, 10, tzinfo=dt.UTC), "minute": 15, "dep_delay": 5.0, "air_time": 100.0}
    given = {**usual, "arr_delay": 3.0, **columns}
    types = {"time_hour": pa.timestamp("us", tz="UTC"), "minute": pa.int64()}
    return pa.table({name: pa.array([value], types.get(name, pa.float64())) for name, value in given.items()})


def test_a_label_is_known_two_hours_after_landing() -> None:
    """10:15, five minutes late, 100 in the air and 20 on the ground: landed at 12:20."""
    assert known_at(flights()).to_pylist() == [dt.datetime(2013, 1, 1, 14, 20, tzinfo=dt.UTC)]


def test_a_cancelled_or_diverted_flight_is_known_a_day_later() -> None:
    """It never lands, or not where it should."""
    next_day = [dt.datetime(2013, 1, 2, 10, 15, tzinfo=dt.UTC)]
    assert known_at(flights(dep_delay=None, air_time=None, arr_delay=None)).to_pylist() == next_day
    assert known_at(flights(arr_delay=None)).to_pylist() == next_day


def test_the_year_is_known_after_it() -> None:
    """Every flight, none before it departs, and all of them by 3 January."""
    table = read_sample("flights")
    known = known_at(table)
    assert known.null_count == 0
    assert pc.all(pc.greater(known, table.column("time_hour"))).as_py()
    assert pc.max(known).as_py() < dt.datetime(2014, 1, 3, tzinfo=dt.UTC)
