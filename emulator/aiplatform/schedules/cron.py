"""When a cron specification has something run.

Source: schedule.proto (`Schedule.cron`); Vertex AI, "Schedule a pipeline run with scheduler API", which names
crontab(5). What days of a changing clock do is crontab's too: a time that does not exist is made up for at once, one
that comes twice has one run.
"""

import datetime as dt
import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from emulator.aiplatform.errors import invalid

_ZONE = re.compile(r"^(?:CRON_TZ|TZ)=(?P<zone>\S+)\s+(?P<rest>.*)$", re.DOTALL)
_VALUE = r"(?:\d+|[A-Za-z]{3})"
_TERM = rf"(?:\*|{_VALUE}(?:-{_VALUE})?)(?:/\d+)?"
_EXPRESSION = re.compile(rf"^(?:{_TERM}(?:,{_TERM})*)(?:\s+{_TERM}(?:,{_TERM})*){{4}}$")


@dataclass(frozen=True, slots=True)
class Cron:
    """A time specification: five fields of crontab, read in a time zone."""

    zone: ZoneInfo
    expression: str

    def after(self, moment: dt.datetime) -> dt.datetime | None:
        """The first moment later than another, in UTC; None where none ever comes."""
        found = next(CronSim(self.expression, moment.astimezone(self.zone)), None)
        return None if found is None else found.astimezone(dt.UTC)


def parse(text: str) -> Cron:
    """The time specification that a text holds, in UTC unless it begins with `TZ=` or `CRON_TZ=`.

    Raises:
        ApiError: It holds none.
    """
    match = _ZONE.match(text)
    expression = (match["rest"] if match else text).strip()
    try:
        zone = ZoneInfo(match["zone"] if match else "UTC")
    except (OSError, ValueError, KeyError) as error:
        raise invalid(f"schedule.cron {text!r}: {match and match['zone']!r} is no time zone of the IANA") from error
    if not _EXPRESSION.match(expression):
        raise invalid(f"schedule.cron {text!r} must have the five fields of crontab, after an optional TZ=Zone")
    try:
        CronSim(expression, dt.datetime(2000, 1, 1, tzinfo=zone))
    except CronSimError as error:
        raise invalid(f"schedule.cron {text!r}: {error}") from error
    return Cron(zone, expression)
