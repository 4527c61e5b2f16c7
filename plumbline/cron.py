"""Crons of five fields, in UTC."""

import datetime as dt

from cronsim import CronSim, CronSimError


def due(cron: str, after: dt.datetime, until: dt.datetime) -> dt.datetime | None:
    """The first moment of a cron in (after, until], None where there is none."""
    found = next(CronSim(cron, after.astimezone(dt.UTC)))
    return found if found <= until else None


def wrong_cron(cron: str) -> str:
    """What is wrong with a cron; empty for nothing."""
    if (count := len(cron.split())) != 5:
        return f"wanted five fields, got {count}"
    try:
        CronSim(cron, dt.datetime(1970, 1, 1, tzinfo=dt.UTC))
    except CronSimError as error:
        return str(error)
    return ""
