"""Parts of a timestamp in TensorFlow operations: what `plumbline.features.part` is for Arrow."""

from typing import assert_never

import tensorflow as tf

from plumbline.problem import TimePart

_DAY = 86_400
_THURSDAY = 3
"""1970-01-01 was a Thursday; Monday is 0."""


def time_part(seconds: tf.Tensor, which: TimePart) -> tf.Tensor:
    """A part of each time, int64; `seconds` since 1970-01-01T00:00:00 in the column's own clock, int64."""
    days, second = seconds // _DAY, seconds % _DAY
    match which:
        case "minute_of_day":
            return second // 60
        case "hour":
            return second // 3600
        case "weekday":
            return (days + _THURSDAY) % 7
        case "month":
            return _date(days)[1]
        case "day_of_year":
            return _date(days)[2]
        case _:
            assert_never(which)


def _date(days: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Year, month from 1, day of the year from 1 of days since 1970-01-01.

    Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    """
    shifted = days + 719_468
    era = shifted // 146_097
    day = shifted % 146_097
    year = (day - day // 1_460 + day // 36_524 - day // 146_096) // 365
    # Of a year that starts in March, so that the leap day is its last.
    march_day = day - (365 * year + year // 4 - year // 100)
    march_month = (5 * march_day + 2) // 153
    month = tf.where(march_month < 10, march_month + 3, march_month - 9)
    civil = year + era * 400 + tf.cast(month <= 2, tf.int64)
    leap = tf.cast(((civil % 4 == 0) & (civil % 100 != 0)) | (civil % 400 == 0), tf.int64)
    day_of_year = tf.where(march_month < 10, march_day + 60 + leap, march_day - 305)
    return civil, month, day_of_year
