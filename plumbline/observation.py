"""Continuous evaluation: which window is looked at, and the SQL that joins logged predictions with late labels."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence

from plumbline.continuous import Observation
from plumbline.errors import DataError
from plumbline.features import columns
from plumbline.problem import ColumnType, Data
from plumbline.section import section

LOGGED_AT, DEPLOYED, SCORE = "logged_at", "deployed_model_id", "score"
"""Columns that an observed row has beside those of the problem: when it was asked, of which model, what was said."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_TYPES: Mapping[ColumnType, str] = {
    "numeric": "FLOAT64",
    "categorical": "STRING",
    "boolean": "BOOL",
    "timestamp": "DATETIME",
}


@section
class Period:
    """A half-open stretch of time, UTC."""

    start: dt.datetime
    end: dt.datetime


@section
class Observed:
    """What became of a window's labels and predictions."""

    period: Period
    table: str
    """The scored and labelled rows, project.dataset.table."""
    labels: int
    """Rows of the window whose label was known by the end of the delay."""
    overdue: int
    """Rows of the window whose label came after that, or has not come: they are not looked at."""
    matched: int
    """Of them, those with a prediction that counts."""
    predictions: int
    """Logged predictions that could be of the window, by the hours in which they were logged."""
    late: int
    """Of them, those that match a row of the window but were logged when its label was known."""
    superseded: int
    """Of them, those of a row for which a later one counts."""
    unmatched: int
    """Of them, those that match no row of the window: another window's, or nobody's."""
    unreadable: int
    """Of them, those without a score or without a value to join by."""


def latest(now: dt.datetime, observation: Observation) -> Period:
    """The last window whose labels are all known.

    Args:
        now: With its time zone.
        observation: Length of a window, and the delay.
    """
    length = dt.timedelta(hours=observation.window_hours)
    known = now - dt.timedelta(hours=observation.delay_hours)
    end = _EPOCH + (known - _EPOCH) // length * length
    return Period(start=end - length, end=end)


def moment(text: str, clock: Callable[[], dt.datetime]) -> dt.datetime:
    """The moment to look from: what a text says, in UTC where it names no zone; what a clock says where it is empty.

    Args:
        text: ISO 8601, or empty.
        clock: Gives the time with its zone.

    Raises:
        DataError: The text is no time.
    """
    if not text:
        return clock()
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise DataError(f"wanted a time such as 2013-11-08T00:00, got {text!r}") from error
    return found.replace(tzinfo=found.tzinfo or dt.UTC).astimezone(dt.UTC)


def label_columns(data: Data, observation: Observation) -> tuple[str, ...]:
    """The columns that the query of the labels must give."""
    named = [*data.key, data.time, data.label.column, observation.known, *observation.join, *_own_attributes(data)]
    return tuple(dict.fromkeys(named))


def check_labels(data: Data, observation: Observation, found: Sequence[str]) -> None:
    """Nothing, when the query gives the columns that it must.

    Raises:
        DataError: One is missing.
    """
    if absent := [name for name in label_columns(data, observation) if name not in found]:
        raise DataError(f"the query {observation.query} does not give {absent}; it gives {list(found)}")


def observed_columns(data: Data) -> tuple[str, ...]:
    """The columns of the observed rows: those of the problem, and those that say what was predicted when."""
    named = [*data.key, data.time, data.label.column, *_own_attributes(data), *columns(data.features)]
    return tuple(dict.fromkeys([*named, LOGGED_AT, DEPLOYED, SCORE]))


def matching(labels: str, log: str, data: Data, observation: Observation) -> str:
    """The query of all labels and predictions with what became of each: a column `fate`.

    Fates are counted (of a prediction), late, superseded, unmatched, unreadable, and missing (of a label that nobody
    asked about). Parameters, TIMESTAMP: `@start` and `@end` of the window, `@first`, from which on the log is read, and
    `@last`, before which, and by which labels must be known.

    Args:
        labels: The query of the labels, its tables filled in.
        log: Vertex AI's table of requests and responses, project.dataset.table; empty where nothing was logged yet.
        data: The columns.
        observation: How to join.

    Source: the log's columns, Vertex AI, "Online prediction logging".
    """
    kinds = columns(data.features)
    own = list(dict.fromkeys([*data.key, data.time, data.label.column, *_own_attributes(data)]))
    asked = [name for name in kinds if name not in own]
    values = ",\n    ".join(f"{_logged(name, kinds[name])} AS asked_{name}" for name in kinds)
    same = " AND ".join(f"{_labelled(name, kinds[name])} = logged.asked_{name}" for name in observation.join)
    absent = " OR ".join(f"asked_{name} IS NULL" for name in observation.join)
    # The ordinal, and not the offset: of a column the emulator's SAFE_OFFSET gives the element before.
    return f"""WITH
labels AS (
  SELECT * FROM (
{labels.rstrip().removesuffix(";")}
  ) WHERE {_in_time(data, observation)}
),
logged AS (
  SELECT
    deployed_model_id AS {DEPLOYED},
    logging_time AS {LOGGED_AT},
    CONCAT(CAST(request_id AS STRING), ' ', LPAD(CAST(place AS STRING), 9, '0')) AS prediction_id,
    {values},
    SAFE_CAST(JSON_VALUE(response_payload[SAFE_ORDINAL(place + 1)], '$.score') AS FLOAT64) AS {SCORE}
  FROM {f"`{log}`" if log else _NO_LOG}, UNNEST(request_payload) AS instance WITH OFFSET AS place
  WHERE logging_time >= @first AND logging_time < @last
),
judged AS (
  SELECT *, {absent} OR {SCORE} IS NULL AS unreadable FROM logged
),
joined AS (
  SELECT
    {", ".join(f"labels.{name}" for name in own)},
    labels.{observation.known} AS known_at,
    {", ".join(f"logged.asked_{name} AS `{name}`" for name in asked) + "," if asked else ""}
    logged.{LOGGED_AT}, logged.{DEPLOYED}, logged.{SCORE}, logged.prediction_id,
    CASE
      WHEN logged.prediction_id IS NULL THEN 'missing'
      WHEN logged.unreadable THEN 'unreadable'
      WHEN labels.{observation.known} IS NULL THEN 'unmatched'
      WHEN logged.{LOGGED_AT} < labels.{observation.known} THEN 'counted'
      ELSE 'late'
    END AS fate
  FROM labels
  FULL OUTER JOIN judged AS logged ON {same}
),
ranked AS (
  SELECT
    *,
    ROW_NUMBER() OVER (
      PARTITION BY {_listed(data.key)}, fate ORDER BY {LOGGED_AT} DESC, prediction_id DESC) AS recency
  FROM joined
)
SELECT
  * EXCEPT (fate, recency),
  IF(fate = 'counted' AND recency > 1, 'superseded', fate) AS fate
FROM ranked"""  # noqa: S608 - identifiers of the config, and its own query


def counting(labels: str, table: str, data: Data, observation: Observation) -> str:
    """The query of one row with the counts of `Observed`; its parameters are those of `matching`.

    Args:
        labels: The query of the labels, its tables filled in.
        table: The result of `matching`, project.dataset.table.
        data: The columns.
        observation: How to join.
    """
    there = " AND ".join(f"`{name}` IS NOT NULL" for name in data.key)
    fates = ("late", "superseded", "unmatched", "unreadable")
    counts = ",\n  ".join(f"COUNT(DISTINCT IF(fate = '{fate}', prediction_id, NULL)) AS {fate}" for fate in fates)
    return f"""SELECT
  (SELECT COUNT(*) FROM (SELECT DISTINCT {_listed(data.key)} FROM `{table}` WHERE {there})) AS labels,
  (SELECT COUNT(*) FROM (
{labels.rstrip().removesuffix(";")}
  ) WHERE NOT ({_in_time(data, observation)})) AS overdue,
  COUNTIF(fate = 'counted') AS matched,
  COUNT(DISTINCT prediction_id) AS predictions,
  {counts}
FROM `{table}`"""  # noqa: S608 - as above


def stated(observed: Observed) -> Mapping[str, str | int]:
    """The counts and the window, as a run's artifact states them."""
    counts = ("labels", "matched", "predictions", "late", "superseded", "unmatched", "unreadable", "overdue")
    period = observed.period
    return {
        "start": period.start.isoformat(),
        "end": period.end.isoformat(),
        "table": observed.table,
        **{name: int(getattr(observed, name)) for name in counts},
    }


def log_bounds(period: Period, observation: Observation) -> tuple[dt.datetime, dt.datetime]:
    """From when on, and before when, a prediction for a window can have been logged and count or be late."""
    lead, delay = dt.timedelta(hours=observation.lead_hours), dt.timedelta(hours=observation.delay_hours)
    return period.start - lead, period.end + delay


def check_problem(data: Data, observation: Observation) -> Iterator[tuple[tuple[str, ...], str]]:
    """Where the section names a column that it cannot join by, with what is wrong."""
    known = columns(data.features)
    for name in observation.join:
        if name not in known:
            yield ("observation", "join"), f"{name} is no raw column of a feature; there are {', '.join(known)}"
    ours = {LOGGED_AT, DEPLOYED, SCORE, "known_at", "prediction_id", "fate", "recency"}
    clashes = sorted(ours & {*known, *data.key, data.time, data.label.column, *_own_attributes(data)})
    if clashes:
        yield ("observation",), f"{clashes} are columns of the problem and of what is observed at once"


def _in_time(data: Data, observation: Observation) -> str:
    """Whether a row's label is there, and was known by the end of the delay: never NULL, so that it can be negated."""
    return f"IFNULL(`{data.label.column}` IS NOT NULL AND `{observation.known}` <= @last, FALSE)"


def _listed(names: Sequence[str]) -> str:
    """Columns, quoted: a column of the config may be called as a reserved word."""
    return ", ".join(f"`{name}`" for name in names)


_NO_LOG = """(
    SELECT '' AS deployed_model_id, @first AS logging_time, 0 AS request_id, [''] AS request_payload,
      [''] AS response_payload
    FROM UNNEST([1]) AS one WHERE one = 0)"""
"""A log without rows, where Vertex AI has not made the table yet."""


def _own_attributes(data: Data) -> list[str]:
    """The raw columns of attributes that no feature has: the label's query gives them."""
    return [name for name in columns(data.attributes) if name not in columns(data.features)]


def _logged(name: str, kind: ColumnType) -> str:
    """A value of an instance. A category may be an integer, which a Struct has made a number with a point."""
    value = f"JSON_VALUE(instance, '$.{name}')"
    if kind == "categorical":
        text = f"JSON_QUERY(instance, '$.{name}')"
        number = f"CAST(CAST(SAFE_CAST({value} AS FLOAT64) AS INT64) AS STRING)"
        return f"IF(STARTS_WITH({text}, '\"'), {value}, {number})"
    return f"SAFE_CAST({value} AS {_TYPES[kind]})"


def _labelled(name: str, kind: ColumnType) -> str:
    """The same value of a label's row, in the same type."""
    return f"CAST(labels.{name} AS {_TYPES[kind]})"
