"""The time series of a problem in BigQuery: `<name>_quality` and `<name>_alerts`.

A window is replaced by one MERGE, which BigQuery carries out whole or not at all: to judge a window again changes it
once. Rows travel as one JSON parameter, so that no table is staged.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence

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
_MAXIMUM_BYTES = 10**10


def write_quality(clients: Clients, name: str, period: Period, points: Sequence[Point]) -> str:
    """The table of a problem's quality, the window's points in it once, in place of those that it had."""
    rows = [{field: getattr(point, field) for field in _QUALITY} for point in points]
    window = "kept.window_start = @start AND kept.window_end = @end"
    parameters = {"start": period.start, "end": period.end}
    return _replace(clients, f"{name}_quality", _QUALITY, rows, name=name, where=window, parameters=parameters)


def write_alerts(
    clients: Clients, name: str, alerts: Sequence[Alert], *, emails: Sequence[str], now: dt.datetime
) -> Sequence[Alert]:
    """Those of the alerts that were not raised before: each is in the table of a problem's alerts once."""
    table = bq.full_name(clients.place, f"{name}_alerts")
    known = {_identity(alert) for alert in alerts_since(clients, name, None)}
    new = [alert for alert in alerts if _identity(alert) not in known]
    rows: list[Mapping[str, object]] = [
        {
            "raised_at": now.isoformat(),
            "kind": alert.kind,
            "version": alert.version,
            "window_start": alert.window_start.isoformat(),
            "window_end": alert.window_end.isoformat(),
            "summary": alert.summary,
            "emails": ", ".join(emails),
        }
        for alert in new
    ]
    if rows:
        _replace(clients, table.rpartition(".")[2], _ALERTS, rows, name=name, where="FALSE", parameters={})
    return new


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


def _identity(alert: Alert) -> tuple[str, str, dt.datetime, dt.datetime]:
    return alert.kind, alert.version, alert.window_start, alert.window_end


def _replace(  # noqa: PLR0913 - the table, what goes and what comes
    clients: Clients,
    table: str,
    columns: Mapping[str, str],
    rows: Sequence[Mapping[str, object]],
    *,
    name: str,
    where: str,
    parameters: bq.Parameters,
) -> str:
    """The table's full name, made where it was not there; rows that meet the condition gone, the given ones there."""
    client, full, labels = clients.bigquery(), bq.full_name(clients.place, table), _labels(clients, name)
    if not bq.exists(client, full):
        declared = ", ".join(f"{column} {kind}" for column, kind in columns.items())
        made = f"CREATE TABLE IF NOT EXISTS `{full}` ({declared})"
        bq.execute(client, made, maximum_bytes=_MAXIMUM_BYTES, labels=labels)
    read = ", ".join(f"{_value(column, kind)} AS {column}" for column, kind in columns.items())
    found = ", ".join(f"found.{column}" for column in columns)
    statement = f"""MERGE INTO `{full}` AS kept
USING (SELECT {read} FROM UNNEST(JSON_QUERY_ARRAY(@rows)) AS row_text) AS found
ON FALSE
WHEN NOT MATCHED BY SOURCE AND {where} THEN DELETE
WHEN NOT MATCHED THEN INSERT ({", ".join(columns)}) VALUES ({found})"""  # noqa: S608 - our own columns
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
