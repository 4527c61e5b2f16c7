"""The time series of a problem in BigQuery: `<name>_quality` and `<name>_alerts`.

A window is replaced by one MERGE, which BigQuery carries out whole or not at all: to judge a window again changes it
once. Rows travel as one JSON parameter, so that no table is staged.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plumbline.adapters import bigquery as bq
from plumbline.adapters.clients import Clients
from plumbline.alerts import Alert
from plumbline.labels import label
from plumbline.observation import Period
from plumbline.quality import Point

_QUALITY: Mapping[str, str] = {
    "window_start": "TIMESTAMP",
    "window_end": "TIMESTAMP",
    "version": "STRING",
    "slice": "STRING",
    "metric": "STRING",
    "value": "FLOAT64",
    "low": "FLOAT64",
    "high": "FLOAT64",
    "rows": "INT64",
}
_ALERTS: Mapping[str, str] = {
    "raised_at": "TIMESTAMP",
    "kind": "STRING",
    "version": "STRING",
    "window_start": "TIMESTAMP",
    "window_end": "TIMESTAMP",
    "summary": "STRING",
    "emails": "STRING",
}
_TABLES: Mapping[str, Mapping[str, str]] = {"quality": _QUALITY, "alerts": _ALERTS}
_IDENTITY = ("kind", "version", "window_start", "window_end")
"""What tells an alert from another."""
_MAXIMUM_BYTES = 10**10


@dataclass(frozen=True, slots=True)
class Merge:
    """What becomes of the rows that a table has, `kept`, where others come, `found`."""

    on: str
    """The condition under which a row is there already."""
    gone: str = ""
    """The condition under which a row that is not found again is deleted; empty: none is."""


def write_quality(clients: Clients, name: str, period: Period, points: Sequence[Point]) -> str:
    """The table of a problem's quality, the window's points in it once, in place of those that it had."""
    rows = [{field: getattr(point, field) for field in _QUALITY} for point in points]
    merge = Merge(on="FALSE", gone="kept.window_start = @start AND kept.window_end = @end")
    return _merge(clients, name, "quality", rows, merge, {"start": period.start, "end": period.end})


def write_alerts(
    clients: Clients, name: str, alerts: Sequence[Alert], *, emails: Sequence[str], now: dt.datetime
) -> None:
    """Puts alerts into the table of a problem's alerts: one that is there stays as it is."""
    rows = [
        {
            "raised_at": now.isoformat(),
            "kind": alert.kind,
            "version": alert.version,
            "window_start": alert.window_start.isoformat(),
            "window_end": alert.window_end.isoformat(),
            "summary": alert.summary,
            "emails": ", ".join(emails),
        }
        for alert in alerts
    ]
    same = " AND ".join(f"kept.{field} = found.{field}" for field in _IDENTITY)
    if rows:
        _merge(clients, name, "alerts", rows, Merge(on=same), {})


def unraised(clients: Clients, name: str, alerts: Sequence[Alert]) -> Sequence[Alert]:
    """Those of the alerts that the table does not have: a window is judged again and again."""
    known = {_identity(alert) for alert in alerts_since(clients, name, None)} if alerts else set()
    return [alert for alert in alerts if _identity(alert) not in known]


def alerts_since(clients: Clients, name: str, moment: dt.datetime | None) -> tuple[Alert, ...]:
    """The alerts that were raised after a moment, or ever; the newest first."""
    client, table = clients.bigquery(), bq.full_name(clients.place, f"{name}_alerts")
    if not bq.exists(client, table):
        return ()
    first = moment or dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    sql = (
        f"SELECT kind, version, window_start, window_end, summary FROM `{table}` "  # noqa: S608 - our own table
        "WHERE raised_at > @first ORDER BY raised_at DESC, window_end DESC, version DESC"
    )
    rows = bq.fetch(
        client, sql, maximum_bytes=_MAXIMUM_BYTES, labels=_labels(clients, name), parameters={"first": first}
    )
    return tuple(Alert(**row) for row in rows)  # type: ignore[arg-type] # checked by the section


def _identity(alert: Alert) -> Sequence[object]:
    return tuple(getattr(alert, field) for field in _IDENTITY)


def _merge(  # noqa: PLR0913, PLR0917 - the table, what goes and what comes
    clients: Clients,
    name: str,
    series: str,
    rows: Sequence[Mapping[str, object]],
    merge: Merge,
    parameters: bq.Parameters,
) -> str:
    """The full name of a series' table, which is made where it is not there, after rows have gone and come."""
    columns, full = _TABLES[series], bq.full_name(clients.place, f"{name}_{series}")
    client, labels = clients.bigquery(), _labels(clients, name)
    if not bq.exists(client, full):
        # `rows` is a reserved word.
        declared = ", ".join(f"`{column}` {kind}" for column, kind in columns.items())
        made = f"CREATE TABLE IF NOT EXISTS `{full}` ({declared})"
        bq.execute(client, made, maximum_bytes=_MAXIMUM_BYTES, labels=labels)
    read = ", ".join(f"{_value(column, kind)} AS `{column}`" for column, kind in columns.items())
    found = ", ".join(f"found.`{column}`" for column in columns)
    names = ", ".join(f"`{column}`" for column in columns)
    gone = f"WHEN NOT MATCHED BY SOURCE AND {merge.gone} THEN DELETE\n" if merge.gone else ""
    statement = f"""MERGE INTO `{full}` AS kept
USING (SELECT {read} FROM UNNEST(JSON_QUERY_ARRAY(@rows)) AS row_text) AS found
ON {merge.on}
{gone}WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({found})"""  # noqa: S608 - our own columns
    given = {**parameters, "rows": json.dumps(list(rows))}
    bq.execute(client, statement, maximum_bytes=_MAXIMUM_BYTES, labels=labels, parameters=given)
    return full


def _value(column: str, kind: str) -> str:
    value = f"JSON_VALUE(row_text, '$.{column}')"
    match kind:
        case "STRING":
            return value
        case "TIMESTAMP":
            return f"TIMESTAMP({value})"
        case _:
            return f"SAFE_CAST({value} AS {kind})"


def _labels(clients: Clients, name: str) -> Mapping[str, str]:
    return {**clients.place.labels, "problem": label(name)}
