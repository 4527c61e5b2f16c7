"""Crons: when they are due, and what is none."""

import datetime as dt

import pytest

from plumbline.cron import due, wrong_cron

SIX = dt.datetime(2026, 3, 1, 6, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)


@pytest.mark.parametrize(
    ("after", "until", "wanted"),
    [
        (SIX - SECOND, SIX, SIX),
        (SIX - SECOND, SIX - SECOND, None),
        (SIX, SIX + dt.timedelta(hours=23), None),
        (SIX, SIX + dt.timedelta(days=30), SIX + dt.timedelta(days=1)),
        (SIX.astimezone(dt.timezone(dt.timedelta(hours=9))), SIX + SECOND, None),
    ],
)
def test_a_cron_is_due_after_one_moment_and_until_another(
    after: dt.datetime, until: dt.datetime, wanted: dt.datetime | None
) -> None:
    """The first moment after the one, if it is not after the other; in UTC, whatever the zone that is asked in."""
    assert due("0 6 * * *", after, until) == wanted


@pytest.mark.parametrize(
    ("cron", "wanted"),
    [("0 6 * * *", ""), ("0 6 * *", "wanted five fields, got 4"), ("0 6 * * 9", "Bad"), ("0 0 0 6 * *", "got 6")],
)
def test_a_wrong_cron_is_told(cron: str, wanted: str) -> None:
    """Nothing for a right one."""
    assert wanted in wrong_cron(cron)
    assert bool(wrong_cron(cron)) == bool(wanted)
