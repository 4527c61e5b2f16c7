"""The example's query on a handful of flights: every feature is what was known an hour before, and nothing later."""

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from google.cloud import bigquery

from plumbline.adapters import bigquery as bq
from plumbline.adapters.sample_data import TABLES
from plumbline.config import load_problem
from plumbline.environment import Place
from plumbline.ingestion import wanted_columns
from plumbline.query import fill
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.vertex import fresh

SQL = (Path(__file__).parents[2] / "configs" / "queries" / "flights.sql").read_text(encoding="utf-8")
Row = Mapping[str, object]
KINDS = {"STRING": pa.string(), "INT64": pa.int64(), "FLOAT64": pa.float64(), "TIMESTAMP": pa.timestamp("us", "UTC")}


def flight(number: int, at: str, *, delay: float | None, late: float | None, tail: str = "N1", **more: object) -> Row:
    """A flight of 2013-01-10 at hh:mm from EWR to BOS with an hour in the air."""
    hour, minute = map(int, at.split(":"))
    usual = {
        "year": 2013,
        "month": 1,
        "day": 10,
        "hour": hour,
        "minute": minute,
        "sched_dep_time": hour * 100 + minute,
        "dep_time": None,
        "arr_time": None,
        "sched_arr_time": 0,
        "dep_delay": delay,
        "arr_delay": late,
        "carrier": "UA",
        "flight": number,
        "tailnum": tail,
        "origin": "EWR",
        "dest": "BOS",
        "air_time": None if late is None else 60.0,
        "distance": 200.0,
        "time_hour": dt.datetime(2013, 1, 10, 12, tzinfo=dt.UTC),
    }
    return {**usual, **more}


def weather(hour: int, temperature: float, *, minute: int = 0) -> Row:
    """A report of EWR, of minute 51 at the latest; `minute` only orders two reports of one hour."""
    usual = dict.fromkeys(("dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"), 1.0)
    moment = dt.datetime(2013, 1, 10, 12, minute, tzinfo=dt.UTC)
    return {
        "origin": "EWR",
        "year": 2013,
        "month": 1,
        "day": 10,
        "hour": hour,
        "temp": temperature,
        **usual,
        "time_hour": moment,
    }


FLIGHTS = (
    # Departs 6:30, 30 late; lands 6:30 + 60 in the air + 20 = 7:50.
    flight(1, "06:00", delay=30, late=45),
    # Asked at 7:50: flight 1 has just landed. Departs 8:50 on time.
    flight(2, "08:50", delay=0, late=70),
    # The same aircraft, asked at 9:30: flight 2 is in the air until 10:10.
    flight(3, "10:30", delay=-5, late=-10),
    # Another aircraft, of which nothing is known; asked at 9:30.
    flight(4, "10:30", delay=100, late=90, tail="N2", carrier="B6", dest="MIA"),
    # Cancelled: no arrival, so no row; it departs nowhere and tells nothing.
    flight(5, "07:00", delay=None, late=None, tail="N1"),
    # Flight 1's aircraft, asked at 20:00: flight 3 landed at 11:45, and flight 1 more than twelve hours ago.
    flight(6, "21:00", delay=0, late=0),
    flight(7, "23:50", delay=0, late=59, tail="N3"),
    flight(8, "23:55", delay=0, late=60, tail="N4"),
)
WEATHER = (weather(6, 40.0), weather(8, 50.0), weather(8, 99.0, minute=30), weather(21, 60.0), weather(22, 70.0))


def answers(emulator: Emulator, flights: Sequence[Row], reports: Sequence[Row] = WEATHER) -> dict[int, Row]:
    """The query's rows by flight number."""
    place = Place(
        project=PROJECT,
        location=LOCATION,
        bucket="models",
        dataset=fresh("sql").replace("-", "_"),
        bigquery_location=LOCATION,
    )
    client = emulator.bigquery()
    bq.ensure_dataset(client, place)
    for name, rows in (("flights", flights), ("weather", reports)):
        schema = [bigquery.SchemaField(column, kind) for column, kind in TABLES[name].items()]
        arrays = {field.name: pa.array([row[field.name] for row in rows], KINDS[field.field_type]) for field in schema}
        bq.load_table(client, bq.full_name(place, name), pa.table(arrays), schema)
    made = bq.full_name(place, "features")
    sql = fill(SQL, {n: bq.full_name(place, n) for n in ("flights", "weather")})
    bq.materialise(client, sql, made, maximum_bytes=10**9, labels={})
    columns = bq.column_names(client, made)
    found = pa.Table.from_batches(bq.read_table(emulator.bigquery_read(), made, columns=columns)).to_pylist()
    return {int(row["flight_id"].split("-")[0][2:]): row for row in found}


@pytest.fixture(scope="module")
def found(emulator: Emulator) -> dict[int, Row]:
    """The rows of the eight flights."""
    return answers(emulator, FLIGHTS)


def test_there_is_a_row_for_each_flight_that_arrived(found: dict[int, Row]) -> None:
    """The cancelled flight has none, and keys are unique."""
    assert sorted(found) == [1, 2, 3, 4, 6, 7, 8]
    assert found[1]["flight_id"] == "UA1-EWR-20130110-600"
    assert found[1]["scheduled_departure"] == dt.datetime(2013, 1, 10, 6)  # noqa: DTZ001 - a wall clock


def test_an_hour_or_more_is_late(found: dict[int, Row]) -> None:
    """59 minutes are not late, 60 are."""
    assert {number: row["late"] for number, row in found.items()} == {
        1: False, 2: True, 3: False, 4: True, 6: False, 7: False, 8: True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("number", "arrival", "departure"),
    [
        (1, None, None),  # nothing before
        (2, 45.0, 30.0),  # flight 1 has landed in the very minute
        (3, 45.0, 0.0),  # flight 2 has departed and not landed, so flight 1's arrival is the last known
        (4, None, None),  # another aircraft
        (6, -10.0, -5.0),  # flight 3
    ],
)
def test_the_previous_leg_as_far_as_it_is_known(
    found: dict[int, Row], number: int, arrival: float | None, departure: float | None
) -> None:
    """A leg's delay is known from the moment of landing, or of departing, and for twelve hours."""
    assert found[number]["previous_arrival_delay"] == arrival
    assert found[number]["previous_departure_delay"] == departure


@pytest.mark.parametrize(
    ("number", "delay", "share"),
    [
        (1, None, None),  # asked at 5:00, when nothing has departed
        (2, 30.0, 0.0),  # asked at 7:50: flight 1 departed at 6:30, 30 minutes late, which is not more than 30
        (3, 0.0, 0.0),  # asked at 9:30: flight 2 departed at 8:50; flight 1 is three hours ago
        (6, None, None),  # asked at 20:00: nothing departed after 18:00
    ],
)
def test_how_the_airport_ran(found: dict[int, Row], number: int, delay: float | None, share: float | None) -> None:
    """Departures of the two hours before, by when they really departed."""
    assert found[number]["airport_departure_delay"] == delay
    assert found[number]["airport_late_share"] == share


def test_the_last_weather_report_before_the_question(found: dict[int, Row]) -> None:
    """A report is known at minute 51 of its hour; of an hour that is there twice, the first counts."""
    assert found[2]["temperature"] == 40.0  # asked at 7:50, a minute before the report of hour 7
    assert found[3]["temperature"] == 50.0  # asked at 9:30
    assert found[1]["temperature"] is None  # asked at 5:00: nothing of hour 4
    assert found[7]["temperature"] == 60.0  # asked at 22:50: the report of hour 22 comes in a minute
    assert found[8]["temperature"] == 70.0  # asked at 22:55


def test_the_destination_s_arrivals(found: dict[int, Row]) -> None:
    """Asked at 9:30, Boston has seen flight 1 land in the four hours before; nobody has flown to Miami."""
    assert found[3]["destination_arrival_delay"] == 45.0
    assert found[4]["destination_arrival_delay"] is None


def test_the_future_moves_nothing(emulator: Emulator, found: dict[int, Row]) -> None:
    """Whatever happens after 9:30, the features of the flights asked at 9:30 stay."""
    later = [
        {**row, "dep_delay": 500.0, "arr_delay": 600.0} if row["flight"] in {3, 4, 6, 7, 8} else row for row in FLIGHTS
    ]
    # Flight 2 is in the air at 9:30: how late it will land is not known.
    later = [{**row, "arr_delay": 1000.0, "air_time": 90.0} if row["flight"] == 2 else row for row in later]
    reports = [report for report in WEATHER if report["hour"] in {6, 8}] + [weather(9, -50.0), weather(22, -50.0)]
    changed = answers(emulator, later, reports)
    for number in (1, 2, 3, 4):
        before = {name: value for name, value in found[number].items() if name != "late"}
        after = {name: value for name, value in changed[number].items() if name != "late"}
        assert before == after


def test_a_departure_counts_wherever_it_ends(emulator: Emulator) -> None:
    """Flight 1 is diverted after all: that it departed late was known before that, and still is."""
    diverted = [{**row, "arr_delay": None, "air_time": None} if row["flight"] == 1 else row for row in FLIGHTS]
    changed = answers(emulator, diverted)
    assert 1 not in changed
    assert changed[2]["airport_departure_delay"] == 30.0
    assert changed[2]["carrier_departure_delay"] == 30.0
    assert changed[2]["previous_departure_delay"] == 30.0
    assert changed[2]["previous_arrival_delay"] is None


# Flights without a name of their aircraft; two days that meet; a night on which clocks change; a faulty instrument.
ODD = (
    flight(1, "06:00", delay=30, late=45, tail=""),
    flight(2, "08:50", delay=0, late=0, tail=""),
    # Departs at 23:30 + 60 = 0:30 on the next day, lands at 0:30 + 60 + 20 = 1:50.
    flight(3, "23:30", delay=60, late=70, tail="N9"),
    # Asked at 1:50, and at 1:49.
    flight(4, "02:50", delay=0, late=0, tail="N9", day=11),
    flight(5, "02:49", delay=0, late=0, tail="N9", day=11),
    # The morning after clocks went back (3 November): asked at 5:00.
    flight(6, "06:00", delay=0, late=0, tail="N8", month=11, day=3),
    flight(7, "10:10", delay=0, late=0, tail="N7"),
)
ODD_WEATHER = (
    {**weather(4, 45.0), "month": 11, "day": 3},
    {**weather(1, 41.0), "month": 11, "day": 3},
    {**weather(1, 42.0, minute=30), "month": 11, "day": 3},
    {**weather(8, 50.0), "wind_speed": 1048.0},
)


@pytest.fixture(scope="module")
def odd(emulator: Emulator) -> dict[int, Row]:
    """The rows of the odd flights."""
    named = [{**row, "tailnum": row["tailnum"] or None} for row in ODD]
    return answers(emulator, named, ODD_WEATHER)


def test_an_aircraft_without_a_name_has_no_history(odd: dict[int, Row]) -> None:
    """Flights whose aircraft is not known are not taken for one aircraft's."""
    assert odd[2]["previous_arrival_delay"] is None
    assert odd[2]["previous_departure_delay"] is None


def test_what_happens_across_midnight(odd: dict[int, Row]) -> None:
    """A late evening's flight lands on the next day: known in the minute of landing, not in the one before."""
    assert odd[4]["previous_arrival_delay"] == 70.0
    assert odd[5]["previous_arrival_delay"] is None
    assert odd[5]["previous_departure_delay"] == 60.0
    assert odd[4]["airport_departure_delay"] == 60.0


def test_the_morning_after_clocks_change(odd: dict[int, Row]) -> None:
    """Clocks of the timetable and of the weather are the same wall clock."""
    assert odd[6]["scheduled_departure"] == dt.datetime(2013, 11, 3, 6)  # noqa: DTZ001 - a wall clock
    assert odd[6]["temperature"] == 45.0


def test_a_faulty_wind_speed_is_missing(odd: dict[int, Row]) -> None:
    """What no wind reaches is no wind; the rest of the report stands."""
    assert odd[7]["wind_speed"] is None
    assert odd[7]["temperature"] == 50.0


def test_the_query_gives_what_the_config_declares(found: dict[int, Row]) -> None:
    """Not a column less, and none that is known only afterwards beside the label."""
    config = load_problem(Path(__file__).parents[2] / "configs" / "flights.yaml").config
    assert set(found[1]) == set(wanted_columns(config.data))
