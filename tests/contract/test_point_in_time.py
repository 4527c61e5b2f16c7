"""Every feature of the example is of its time: by brute force on all the flights, and by changing the future.

What is known an hour before a scheduled departure is worked out here once more, in plain numpy from the raw tables.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from google.cloud import bigquery

from plumbline.adapters import bigquery as bq
from plumbline.adapters.sample_data import TABLES, read_sample
from plumbline.config import load_problem
from plumbline.environment import Place
from plumbline.features import columns
from plumbline.query import fill
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.vertex import fresh

SQL = (Path(__file__).parents[2] / "configs" / "queries" / "flights.sql").read_text(encoding="utf-8")
WEATHER = {
    "temperature": "temp",
    "humidity": "humid",
    "wind_speed": "wind_speed",
    "precipitation": "precip",
    "visibility": "visib",
    "pressure": "pressure",
}
KNOWN_AFTERWARDS = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")
EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock
FEATURES = (
    *WEATHER,
    *("previous_arrival_delay", "previous_departure_delay", "airport_departure_delay", "airport_late_share"),
    *("carrier_departure_delay", "destination_arrival_delay"),
)
SAMPLE = 240
Floats = npt.NDArray[np.float64]
Value = float | None


@dataclass(frozen=True, slots=True)
class Raw:
    """The raw tables as arrays: moments are minutes since 1970, and NaN is a missing number."""

    flights: Mapping[str, npt.NDArray[np.generic]]
    scheduled: Floats
    departed: Floats
    landed: Floats
    weather: Mapping[str, npt.NDArray[np.generic]]
    reported: Floats


def minutes(table: pa.Table, minute: npt.NDArray[np.generic]) -> Floats:
    """Wall-clock times as minutes since 1970."""
    year, month, day, hour = (table.column(name).to_numpy() for name in ("year", "month", "day", "hour"))
    months = (year - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (month - 1)
    days = months.astype("datetime64[D]").astype(np.int64) + day - 1
    found: Floats = days * 1440.0 + hour * 60.0 + minute
    return found


def raw(flights: pa.Table, weather: pa.Table) -> Raw:
    """The tables, made ready."""
    columns = {name: flights.column(name).to_numpy() for name in flights.column_names}
    scheduled = minutes(flights, columns["minute"])
    departed = scheduled + columns["dep_delay"]
    reports = {name: weather.column(name).to_numpy() for name in weather.column_names}
    return Raw(
        columns,
        scheduled,
        departed,
        departed + columns["air_time"] + 20,
        reports,
        minutes(weather, np.full(weather.num_rows, 51)),
    )


def features(of: Raw, row: int) -> Mapping[str, Value]:
    """What is known of a flight one hour before its scheduled departure."""
    asked = of.scheduled[row] - 60
    origin, destination, carrier, tail = (of.flights[n][row] for n in ("origin", "dest", "carrier", "tailnum"))
    here = of.flights["origin"] == origin
    mine = (of.flights["tailnum"] == tail) if tail is not None else np.zeros(here.size, bool)
    delay, arrival = of.flights["dep_delay"], of.flights["arr_delay"]
    airport = delay[here & (of.departed <= asked) & (of.departed >= asked - 120)]
    ours = delay[here & (of.flights["carrier"] == carrier) & (of.departed <= asked) & (of.departed >= asked - 180)]
    there = (of.flights["dest"] == destination) & (of.landed <= asked) & (of.landed >= asked - 240)
    arrivals = arrival[there]
    return {
        **weather_at(of, origin, asked),
        "previous_arrival_delay": last(of.landed, arrival, mine & ~np.isnan(arrival), asked),
        "previous_departure_delay": last(of.departed, delay, mine, asked),
        "airport_departure_delay": mean(airport),
        "airport_late_share": mean((airport > 30).astype(np.float64)),
        "carrier_departure_delay": mean(ours),
        "destination_arrival_delay": mean(arrivals[~np.isnan(arrivals)]),
    }


def weather_at(of: Raw, origin: np.generic, asked: float) -> Mapping[str, Value]:
    """The report of the last minute 51; of an hour that is there twice the first; no wind of 1,048 miles an hour."""
    (places,) = np.nonzero((of.weather["origin"] == origin) & (of.reported <= asked) & (of.reported > asked - 60))
    if not places.size:
        return dict.fromkeys(WEATHER)
    first = min(places, key=lambda place: of.weather["time_hour"][place])
    found = {name: float(of.weather[column][first]) for name, column in WEATHER.items()}
    found["wind_speed"] = np.nan if found["wind_speed"] > 250 else found["wind_speed"]
    return {name: None if np.isnan(value) else value for name, value in found.items()}


def last(moments: Floats, values: npt.NDArray[np.generic], which: npt.NDArray[np.bool_], asked: float) -> Value:
    """The value of the last moment up to the question, where that is no more than twelve hours ago."""
    known = which & (moments <= asked)
    if not known.any():
        return None
    latest = moments[known].max()
    return float(values[known & (moments == latest)][-1]) if asked - latest <= 720 else None


def mean(values: npt.NDArray[np.generic]) -> Value:
    """The mean, None of nothing."""
    return float(values.mean()) if values.size else None


def answered(emulator: Emulator, tables: Mapping[str, pa.Table]) -> pa.Table:
    """What the example's query gives on some tables."""
    dataset = fresh("pit").replace("-", "_")
    place = Place(project=PROJECT, location=LOCATION, bucket="models", dataset=dataset, bigquery_location=LOCATION)
    client = emulator.bigquery()
    bq.ensure_dataset(client, place)
    for name, rows in tables.items():
        schema = [bigquery.SchemaField(column, kind) for column, kind in TABLES[name].items()]
        bq.load_table(client, bq.full_name(place, name), rows, schema)
    made = bq.full_name(place, "features")
    sql = fill(SQL, {name: bq.full_name(place, name) for name in tables})
    bq.materialise(client, sql, made, maximum_bytes=10**9, labels={})
    columns = ["flight_id", "scheduled_departure", *FEATURES]
    found = pa.Table.from_batches(list(bq.read_table(emulator.bigquery_read(), made, columns=columns)))
    return found.replace_schema_metadata().sort_by("flight_id")


@pytest.fixture(scope="module")
def tables() -> Mapping[str, pa.Table]:
    """All flights, and all weather."""
    return {name: read_sample(name) for name in ("flights", "weather")}


@pytest.fixture(scope="module")
def found(emulator: Emulator, tables: Mapping[str, pa.Table]) -> pa.Table:
    """The query's answer."""
    return answered(emulator, tables)


def key(flights: Mapping[str, npt.NDArray[np.generic]], row: int) -> str:
    """The id that the query gives a flight."""
    carrier, number, origin, year, month, day, time = (
        flights[name][row] for name in ("carrier", "flight", "origin", "year", "month", "day", "sched_dep_time")
    )
    return f"{carrier}{number}-{origin}-{year}{month:02d}{day:02d}-{time}"


def sampled(of: Raw) -> Iterator[int]:
    """Flights that arrived: some of every month, and of the days on which clocks change.

    Whoever arrived has a known aircraft; what an unknown one gives is in test_flights_sql.py.
    """
    random, arrived = np.random.default_rng(17), ~np.isnan(of.flights["arr_delay"].astype(np.float64))
    month, day = of.flights["month"], of.flights["day"]
    clocks = ((month == 3) & (day == 10)) | ((month == 11) & (day == 3))
    groups = [arrived & (month == number) for number in range(1, 13)] + [arrived & clocks]
    for group in groups:
        yield from random.choice(np.flatnonzero(group), SAMPLE // 12, replace=False)


def test_every_feature_is_what_was_known_then(tables: Mapping[str, pa.Table], found: pa.Table) -> None:
    """By brute force for flights of the whole year: the same numbers, and missing where nothing was known."""
    of = raw(tables["flights"], tables["weather"])
    rows = {row["flight_id"]: row for row in found.to_pylist()}
    missing = dict.fromkeys(FEATURES, 0)
    for row in sampled(of):
        got, wanted = rows[key(of.flights, int(row))], features(of, int(row))
        for name in FEATURES:
            missing[name] += wanted[name] is None
            assert got[name] == pytest.approx(wanted[name], abs=1e-9), (name, got)
    assert all(count < SAMPLE for count in missing.values()), "a feature that was never known is not tested"


@pytest.mark.parametrize("month", [2, 7])
def test_the_future_moves_no_feature(
    emulator: Emulator, tables: Mapping[str, pa.Table], found: pa.Table, month: int
) -> None:
    """Whatever happens after a moment, the features of the flights that were asked about by then stay."""
    moment = (dt.datetime(2013, month, 14, 17, 30) - EPOCH) / dt.timedelta(minutes=1)  # noqa: DTZ001 - a wall clock
    of, random = raw(tables["flights"], tables["weather"]), np.random.default_rng(month)
    departs, lands = ~(of.departed <= moment), ~(of.landed <= moment)
    changed = {
        # Whoever has not departed departs at another time after the moment, or not at all.
        "dep_delay": np.where(departs, after(moment, of.scheduled, random), of.flights["dep_delay"]),
        "arr_delay": np.where(lands, random.normal(60, 90, lands.size), of.flights["arr_delay"]),
        # Whoever is in the air lands at another time after the moment.
        "air_time": np.where(
            lands, 60 + np.maximum(of.flights["air_time"], moment - of.departed), of.flights["air_time"]
        ),
    }
    cancelled = departs & (random.random(departs.size) < 0.1)
    flights = tables["flights"]
    for name, values in changed.items():
        place = flights.column_names.index(name)
        flights = flights.set_column(place, name, pa.array(np.rint(values), mask=cancelled | np.isnan(values)))
    weather = tables["weather"]
    for name in WEATHER.values():
        values = np.where(of.reported > moment, 17.0, of.weather[name])
        weather = weather.set_column(weather.column_names.index(name), name, pa.array(values, mask=np.isnan(values)))
    after_all = answered(emulator, {"flights": flights, "weather": weather})
    before, now = (asked_by(moment, table) for table in (found, after_all))
    shared = sorted(set(before) & set(now))
    assert len(shared) > 10_000
    assert [before[name] for name in shared] == [now[name] for name in shared]
    # And the change was one: later flights are seen otherwise.
    later = {name for name in after_all.column("flight_id").to_pylist() if name not in now}
    moved = {row["flight_id"]: row["airport_departure_delay"] for row in found.to_pylist() if row["flight_id"] in later}
    seen = {row["flight_id"]: row["airport_departure_delay"] for row in after_all.to_pylist()}
    assert sum(moved[name] != seen[name] for name in moved) > 10_000


def after(moment: float, scheduled: Floats, random: np.random.Generator) -> Floats:
    """Delays with which flights depart after a moment."""
    found: Floats = np.maximum(random.normal(40, 60, scheduled.size), moment + 1 - scheduled)
    return np.ceil(found)


def asked_by(moment: float, table: pa.Table) -> Mapping[str, tuple[Value, ...]]:
    """The features of the flights that had been asked about by a moment."""
    scheduled = table.column("scheduled_departure").to_numpy().astype("datetime64[m]").astype(np.int64)
    rows = table.filter(pa.array(scheduled - 60 <= moment)).to_pylist()
    return {row["flight_id"]: tuple(row[name] for name in FEATURES) for row in rows}


def test_the_model_is_given_nothing_that_is_known_only_afterwards() -> None:
    """The config says which columns are; no feature is one of them, and each is tested here or is of the schedule."""
    data = load_problem(Path(__file__).parents[2] / "configs" / "flights.yaml").config.data
    assert set(KNOWN_AFTERWARDS) <= set(data.known_afterwards)
    assert not set(columns(data.features)) & set(data.known_afterwards)
    schedule = {name for name, column in data.features.items() if column.group == "schedule"}
    assert set(data.features) - schedule == set(FEATURES)
