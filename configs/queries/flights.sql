-- Flights out of New York as they were known one hour before their scheduled departure.
--
-- Grain:      one row a flight that arrived (a cancelled or diverted flight has no arrival delay)
-- Inputs:     {flights} one row a scheduled flight, {weather} one row an airport and hour
-- Parameters: none
-- Source:     nycflights13, https://github.com/tidyverse/nycflights13
--
-- Times are New York wall-clock times, as in the timetable; arithmetic on them is off by an hour for what crosses one of
-- the two nights a year on which clocks change, when no flight departs. An event counts as known from the moment at
-- which it happens, so every feature is a last value or a window that ends one hour before the scheduled departure.
WITH
timetable AS (
  SELECT
    CONCAT(carrier, CAST(flight AS STRING), '-', origin, '-', FORMAT_DATE('%Y%m%d', DATE(year, month, day)), '-',
           CAST(sched_dep_time AS STRING)) AS flight_id,
    DATETIME(year, month, day, hour, minute, 0) AS scheduled_departure,
    carrier, origin, dest AS destination, tailnum AS aircraft, distance,
    dep_delay AS departure_delay, arr_delay AS arrival_delay, air_time
  FROM {flights}
),
-- Moments are minutes since 1970.
timed AS (
  SELECT
    * EXCEPT (aircraft),
    -- An aircraft without a name has no history.
    IFNULL(aircraft, flight_id) AS aircraft,
    DATETIME_DIFF(scheduled_departure, DATETIME '1970-01-01 00:00:00', MINUTE) - 60 AS asked_at,
    DATETIME_DIFF(scheduled_departure, DATETIME '1970-01-01 00:00:00', MINUTE) + CAST(departure_delay AS INT64)
      AS departed_at,
    -- Taxiing takes about 20 minutes in sum; arr_time is on the clock of the destination, so it does not serve.
    DATETIME_DIFF(scheduled_departure, DATETIME '1970-01-01 00:00:00', MINUTE) + CAST(departure_delay AS INT64)
      + CAST(air_time AS INT64) + 20 AS landed_at
  FROM timetable
),
-- What happens, in the order of time, each with what it tells. A question at the same minute comes after the events of
-- that minute. Who departs counts, also where it never arrives: that is not known yet.
moments AS (
  SELECT flight_id, aircraft, origin, carrier, destination, asked_at AS moment, 1 AS is_question,
    CAST(NULL AS FLOAT64) AS departure_delay, CAST(NULL AS FLOAT64) AS arrival_delay
  FROM timed
  WHERE arrival_delay IS NOT NULL
  UNION ALL
  SELECT NULL, aircraft, origin, carrier, destination, departed_at, 0, departure_delay, NULL
  FROM timed
  WHERE departed_at IS NOT NULL
  UNION ALL
  SELECT NULL, aircraft, origin, carrier, destination, landed_at, 0, NULL, arrival_delay
  FROM timed
  WHERE landed_at IS NOT NULL
),
known AS (
  SELECT
    flight_id,
    is_question,
    moment,
    LAST_VALUE(arrival_delay IGNORE NULLS) OVER aircraft_before AS last_arrival_delay,
    LAST_VALUE(IF(arrival_delay IS NULL, NULL, moment) IGNORE NULLS) OVER aircraft_before AS last_landed_at,
    LAST_VALUE(departure_delay IGNORE NULLS) OVER aircraft_before AS last_departure_delay,
    LAST_VALUE(IF(departure_delay IS NULL, NULL, moment) IGNORE NULLS) OVER aircraft_before AS last_departed_at,
    AVG(departure_delay) OVER airport_two_hours AS airport_departure_delay,
    AVG(IF(departure_delay IS NULL, NULL, IF(departure_delay > 30, 1.0, 0.0))) OVER airport_two_hours
      AS airport_late_share,
    AVG(departure_delay) OVER carrier_three_hours AS carrier_departure_delay,
    AVG(arrival_delay) OVER destination_four_hours AS destination_arrival_delay
  FROM moments
  WINDOW
    aircraft_before AS (
      PARTITION BY aircraft ORDER BY moment, is_question ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
    airport_two_hours AS (PARTITION BY origin ORDER BY moment RANGE BETWEEN 120 PRECEDING AND CURRENT ROW),
    carrier_three_hours AS (
      PARTITION BY origin, carrier ORDER BY moment RANGE BETWEEN 180 PRECEDING AND CURRENT ROW),
    destination_four_hours AS (PARTITION BY destination ORDER BY moment RANGE BETWEEN 240 PRECEDING AND CURRENT ROW)
),
reports AS (
  SELECT
    origin, temp, humid, wind_speed, precip, visib, pressure,
    -- An hour's report is of minute 51 or before, its precipitation the sum up to then (data-raw/weather.R).
    DATETIME_DIFF(DATETIME(year, month, day, hour, 51, 0), DATETIME '1970-01-01 00:00:00', MINUTE) AS reported_at
  FROM {weather}
  WHERE TRUE
  -- The hour that the clock repeats in autumn is there twice.
  QUALIFY ROW_NUMBER() OVER (PARTITION BY origin, year, month, day, hour ORDER BY time_hour) = 1
)
SELECT
  timed.flight_id,
  timed.scheduled_departure,
  timed.arrival_delay >= 60 AS late,
  timed.carrier,
  timed.origin,
  timed.destination,
  timed.distance,
  reports.temp AS temperature,
  reports.humid AS humidity,
  -- One report, of 1,048 miles an hour, is a fault of the instrument.
  IF(reports.wind_speed > 250, NULL, reports.wind_speed) AS wind_speed,
  reports.precip AS precipitation,
  reports.visib AS visibility,
  reports.pressure,
  -- An aircraft's leg of the same day; yesterday's says nothing about today.
  IF(known.moment - known.last_landed_at <= 720, known.last_arrival_delay, NULL) AS previous_arrival_delay,
  IF(known.moment - known.last_departed_at <= 720, known.last_departure_delay, NULL) AS previous_departure_delay,
  known.airport_departure_delay,
  known.airport_late_share,
  known.carrier_departure_delay,
  known.destination_arrival_delay
FROM timed
JOIN known ON known.flight_id = timed.flight_id AND known.is_question = 1
LEFT JOIN reports
  ON reports.origin = timed.origin
  -- The last minute 51 that is not after the question.
  AND reports.reported_at = timed.asked_at - MOD(timed.asked_at - 51, 60)
