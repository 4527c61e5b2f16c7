"""Counts of columns for skew and drift by queries: what comes back grows with columns and buckets, not with rows.

A sample is a table of typed columns: training's, or what `asked` and `answered` make of a log, which so is read and
paid for once. Three queries for each: `ranges` (the range of each number), `buckets` (its histogram in that range) and
`ranks` (the categories of the most rows). The arithmetic that is left is that of `plumbline.skew`.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from plumbline.shift import RANKS, Histogram, bucket_edges
from plumbline.skew import Counted, Kind, Sample
from plumbline.tally import Floats

Row = Mapping[str, object]
_UNIT = "FLOAT64"


@dataclass(frozen=True, slots=True)
class Window:
    """A time, and the deployed models whose requests of that time are meant."""

    start: dt.datetime
    """The first moment."""
    end: dt.datetime
    """The first moment after it."""
    deployed_models: tuple[str, ...] = ()
    """Ids of deployed models, digits; none: all of the table."""

    @property
    def before(self) -> "Window":
        """The window of the same length that ends where this one starts."""
        return Window(self.start - (self.end - self.start), self.start, self.deployed_models)


def held(table: str, kinds: Mapping[str, Kind]) -> str:
    """The columns of a table as they are compared: grain a row of the table.

    Args:
        table: project.dataset.table.
        kinds: The columns, each with what it is.
    """
    columns = ",\n  ".join(
        f"CAST({name} AS {_UNIT if kind == 'number' else 'STRING'}) AS {name}" for name, kind in kinds.items()
    )
    return f"SELECT\n  {columns}\nFROM `{table}`"


def asked(table: str, window: Window, kinds: Mapping[str, Kind]) -> str:
    """The columns of what was asked: grain an instance of a request.

    Args:
        table: project.dataset.table, the log of requests and answers.
        window: Which requests.
        kinds: The columns, each with what it is.
    """
    return _logged(table, "request_payload", window, kinds)


def answered(table: str, window: Window, kinds: Mapping[str, Kind]) -> str:
    """The fields of what was answered: grain a prediction of an answer. See `asked`."""
    return _logged(table, "response_payload", window, kinds)


def _logged(table: str, payload: str, window: Window, kinds: Mapping[str, Kind]) -> str:
    # Not by index: the emulator takes one that is a column for counted from 1.
    def parsed(name: str, kind: Kind) -> str:
        text = f"JSON_VALUE(each, '$.{name}')"
        return f"SAFE_CAST({text} AS {_UNIT}) AS {name}" if kind == "number" else f"{text} AS {name}"

    columns = ",\n  ".join(parsed(name, kind) for name, kind in kinds.items())
    ids = ", ".join(f"'{int(each)}'" for each in window.deployed_models)
    of_models = f"\n    AND deployed_model_id IN ({ids})" if ids else ""
    return f"""SELECT
  {columns}
FROM (
  SELECT {payload}
  FROM `{table}`
  WHERE logging_time >= TIMESTAMP '{_text(window.start)}'
    AND logging_time < TIMESTAMP '{_text(window.end)}'{of_models}
) AS logged, UNNEST({payload}) AS each"""  # noqa: S608 - checked names, numbers and times


def _text(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00")


def ranges(source: str, kinds: Mapping[str, Kind]) -> str:
    """One row: `rows_seen`, and of the i-th number `low_i` and `high_i`, NULL where no value is finite."""
    terms = ["COUNT(*) AS rows_seen"]
    for place, name in _of(kinds, "number"):
        kept = f"IF(IS_NAN({name}) OR IS_INF({name}), NULL, {name})"
        terms += [f"MIN({kept}) AS low_{place}", f"MAX({kept}) AS high_{place}"]
    return _select(source, terms)


def buckets(source: str, kinds: Mapping[str, Kind], found: Row) -> str:
    """One row: `rows_seen`, of the i-th column `present_i`, of a number `nan_i` and `below_i_j`.

    `below_i_j` counts values below the j-th edge, j from 0; at the last edge those that are equal too. A NaN is below
    no edge, on BigQuery and in the emulator, where it is above everything. Terms are short, since a long query takes
    its time before it begins.

    Args:
        source: The rows.
        kinds: The columns.
        found: The row of `ranges`.
    """
    terms = ["COUNT(*) AS rows_seen", *(f"COUNT({name}) AS present_{place}" for place, name in enumerate(kinds))]
    for place, name in _of(kinds, "number"):
        terms.append(f"COUNTIF(IS_NAN({name})) AS nan_{place}")
        if edges := _edges(found, place).tolist():
            bounds = [*(f"< {edge!r}" for edge in edges[:-1]), f"<= {float(str(found[f'high_{place}']))!r}"]
            terms += [f"COUNTIF({name} {bound}) AS below_{place}_{number}" for number, bound in enumerate(bounds)]
    return _select(source, terms)


def ranks(source: str, kinds: Mapping[str, Kind]) -> str:
    """The categories of the most rows: grain a column (its place among all) and a value; `times` its rows."""
    each = "\nUNION ALL\n".join(_rank(place, name) for place, name in _of(kinds, "category"))
    return f"WITH source AS (\n{source}\n)\n{each}"


def _rank(place: int, name: str) -> str:
    return f"""(
SELECT {place} AS place, {name} AS name, COUNT(*) AS times
FROM source
WHERE {name} IS NOT NULL
GROUP BY name
ORDER BY times DESC, name
LIMIT {RANKS}
)"""  # noqa: S608 - a number and a checked name


def assemble(kinds: Mapping[str, Kind], found: Row, counted: Row, ranked: Sequence[Row]) -> Sample:
    """The counts, from the results of the three queries."""
    grouped: dict[int, dict[str, int]] = {}
    for row in ranked:
        grouped.setdefault(_int(row, "place"), {})[str(row["name"])] = _int(row, "times")
    return {
        name: Counted(
            rows=_int(counted, "rows_seen"),
            present=_int(counted, f"present_{place}"),
            values=_histogram(found, counted, place) if kind == "number" else grouped.get(place, {}),
        )
        for place, (name, kind) in enumerate(kinds.items())
    }


def _histogram(found: Row, counted: Row, place: int) -> Histogram:
    edges = _edges(found, place)
    below = np.array([_int(counted, f"below_{place}_{number}") for number in range(len(edges))], np.int64)
    counts, nan, present = np.diff(below), _int(counted, f"nan_{place}"), _int(counted, f"present_{place}")
    # What is in no bucket is infinite.
    return Histogram(edges, counts, nan, present - nan - int(counts.sum()))


def _edges(found: Row, place: int) -> Floats:
    low, high = found[f"low_{place}"], found[f"high_{place}"]
    return np.empty(0) if low is None or high is None else bucket_edges(float(str(low)), float(str(high)))


def _of(kinds: Mapping[str, Kind], wanted: Kind) -> Iterator[tuple[int, str]]:
    return ((place, name) for place, (name, kind) in enumerate(kinds.items()) if kind == wanted)


def _select(source: str, terms: Sequence[str]) -> str:
    listed = ",\n  ".join(terms)
    return f"WITH source AS (\n{source}\n)\nSELECT\n  {listed}\nFROM source"


def _int(row: Row, name: str) -> int:
    return int(str(row[name]))
