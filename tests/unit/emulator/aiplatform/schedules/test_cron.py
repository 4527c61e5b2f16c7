"""When cron specifications have something run; expected times are by the calendar."""

import datetime as dt

import pytest

from emulator.aiplatform.errors import ApiError
from emulator.aiplatform.schedules.cron import parse


def at(text: str) -> dt.datetime:
    """A moment in UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("cron", "after", "wanted"),
    [
        ("0 * * * *", "2026-03-02T00:00:00", "2026-03-02T01:00:00"),
        ("0 * * * *", "2026-03-02T00:59:59.9", "2026-03-02T01:00:00"),
        ("0 3 * * MON", "2026-03-03T00:00", "2026-03-09T03:00"),
        ("0 3 * * 7", "2026-03-03T00:00", "2026-03-08T03:00"),
        ("*/20 8-9 * * *", "2026-03-02T08:40", "2026-03-02T09:00"),
        ("30 6 1 1,7 *", "2026-03-02T00:00", "2026-07-01T06:30"),
        # Both days given: either will do.
        ("0 0 13 * FRI", "2026-03-02T00:00", "2026-03-06T00:00"),
        # 29 February comes in 2028.
        ("0 0 29 2 *", "2026-03-02T00:00", "2028-02-29T00:00"),
        # Kolkata is 5:30 ahead, Chicago 6 hours behind in winter and 5 in summer (from 8 March 2026).
        ("TZ=Asia/Kolkata 0 3 * * *", "2026-03-02T00:00", "2026-03-02T21:30"),
        ("CRON_TZ=America/Chicago 30 5 * * *", "2026-03-07T00:00", "2026-03-07T11:30"),
        ("TZ=America/Chicago 30 5 * * *", "2026-03-08T00:00", "2026-03-08T10:30"),
        # 2:30 does not come on that day; 3:00 is the first moment after it.
        ("TZ=America/Chicago 30 2 * * *", "2026-03-08T00:00", "2026-03-08T08:00"),
        # 1:30 comes twice on 1 November 2026: at 6:30 and 7:30 UTC.
        ("TZ=America/Chicago 30 1 * * *", "2026-11-01T00:00", "2026-11-01T06:30"),
        ("TZ=America/Chicago 30 1 * * *", "2026-11-01T06:30", "2026-11-02T07:30"),
    ],
)
def test_the_next_moment_is_later(cron: str, after: str, wanted: str) -> None:
    """In UTC, by the fields as they are read in the zone."""
    assert parse(cron).after(at(after)) == at(wanted)


@pytest.mark.parametrize(
    "cron",
    [
        "",
        "0 * * *",
        "0 0 * * * *",
        "60 * * * *",
        "0 24 * * *",
        "0 0 31 2 *",
        "0 0 L * *",
        "0 0 * * 5#2",
        "@daily",
        "TZ=UTC",
        "TZ=Mars/Olympus 0 * * * *",
        "TZ=../etc/passwd 0 * * * *",
        "UTC 0 * * * *",
    ],
)
def test_what_is_no_time_specification_is_refused(cron: str) -> None:
    """Five fields of crontab and no more, in a zone of the IANA."""
    with pytest.raises(ApiError, match=r"schedule\.cron"):
        parse(cron)
