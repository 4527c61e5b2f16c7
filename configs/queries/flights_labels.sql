-- Flights out of New York with their labels, by when they were to depart, for the evaluation of a model that serves.
--
-- Grain:      one row a flight that arrived (a cancelled or diverted flight has no arrival delay)
-- Inputs:     {flights} one row a scheduled flight
-- Parameters: @start, @end (TIMESTAMP): the window [start, end) of the scheduled departure
-- Source:     nycflights13, https://github.com/tidyverse/nycflights13
--
-- Key, time, label and the columns of the join are those of flights.sql, so that a row is the same row in both.
WITH
timetable AS (
  SELECT
    CONCAT(carrier, CAST(flight AS STRING), '-', origin, '-', FORMAT_DATE('%Y%m%d', DATE(year, month, day)), '-',
           CAST(sched_dep_time AS STRING)) AS flight_id,
    DATETIME(year, month, day, hour, minute, 0) AS scheduled_departure,
    carrier, origin, dest AS destination, dep_delay AS departure_delay, arr_delay AS arrival_delay, air_time
  FROM {flights}
  WHERE arr_delay IS NOT NULL
),
moments AS (
  SELECT *, TIMESTAMP(scheduled_departure, 'America/New_York') AS departs_at
  FROM timetable
)
SELECT
  flight_id,
  scheduled_departure,
  arrival_delay >= 60 AS late,
  carrier,
  origin,
  destination,
  -- Two hours after the arrival, which is reckoned as in flights.sql: 20 minutes of taxiing in sum.
  TIMESTAMP_ADD(
    departs_at, INTERVAL CAST(departure_delay AS INT64) + CAST(air_time AS INT64) + 20 + 120 MINUTE) AS label_known_at
FROM moments
WHERE departs_at >= @start AND departs_at < @end
