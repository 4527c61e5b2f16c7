"""Parts of a timestamp: the trainer's arithmetic gives what Arrow's calendar gives."""

import datetime as dt
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from plumbline.features import PERIODS, part
from plumbline.problem import TimePart
from trainer.calendar import time_part

PARTS: tuple[TimePart, ...] = get_args(TimePart)
DAY = 86_400
# From 1600 to 2400: a whole cycle of the Gregorian calendar on each side of 2000, most of it before 1970.
FIRST, LAST = -11_676_096_000, 13_569_465_600


def arrow(seconds: np.ndarray[tuple[int], np.dtype[np.int64]], which: TimePart) -> list[int]:
    """The parts by Arrow."""
    return part(pa.chunked_array([pa.array(seconds, pa.timestamp("s"))]), which).to_pylist()


@pytest.mark.parametrize("which", PARTS)
def test_any_time_has_the_part_that_arrow_gives(which: TimePart) -> None:
    """Twenty thousand times over eight centuries, and each day of years around every kind of leap year."""
    random = np.random.default_rng(0).integers(FIRST, LAST, 20_000)
    years = [1600, 1700, 1896, 1900, 1968, 1969, 1970, 1972, 1999, 2000, 2013, 2020, 2100]
    starts = [(dt.date(year, 1, 1) - dt.date(1970, 1, 1)).days * DAY for year in years]
    days = np.concatenate([start + np.arange(366) * DAY for start in starts])
    seconds = np.concatenate([random, days, days - 1, np.array([0, -1, 1])])
    assert time_part(tf.constant(seconds), which).numpy().tolist() == arrow(seconds, which)


@pytest.mark.parametrize(
    ("moment", "wanted"),
    [
        # Month, day of the year, weekday from Monday = 0, by the calendar on the wall.
        (dt.datetime(1969, 7, 20, 20, 17), (7, 201, 6)),  # noqa: DTZ001 - a wall clock
        (dt.datetime(1900, 2, 28, 23, 59), (2, 59, 2)),  # noqa: DTZ001 - a wall clock
        (dt.datetime(2000, 2, 29, 0, 0), (2, 60, 1)),  # noqa: DTZ001 - a wall clock
        (dt.datetime(2024, 12, 31, 12, 0), (12, 366, 1)),  # noqa: DTZ001 - a wall clock
    ],
)
def test_known_dates(moment: dt.datetime, wanted: tuple[int, int, int]) -> None:
    """The landing on the moon, the eve of a leap day that was none, a leap day, the last day of a leap year."""
    seconds = tf.constant([(moment - dt.datetime(1970, 1, 1)) // dt.timedelta(seconds=1)], tf.int64)  # noqa: DTZ001 - as above
    found = tuple(int(time_part(seconds, which)[0]) for which in ("month", "day_of_year", "weekday"))
    assert found == wanted
    assert int(time_part(seconds, "hour")[0]) == moment.hour
    assert int(time_part(seconds, "minute_of_day")[0]) == moment.hour * 60 + moment.minute


@pytest.mark.parametrize("which", PARTS)
def test_a_part_has_as_many_values_as_its_period(which: TimePart) -> None:
    """The circle that a part lies on is as long as the part has values."""
    minutes = tf.range(366 * 1440, dtype=tf.int64) * 60 + (dt.date(2020, 1, 1) - dt.date(1970, 1, 1)).days * DAY
    assert len(np.unique(time_part(minutes, which).numpy())) == PERIODS[which]
