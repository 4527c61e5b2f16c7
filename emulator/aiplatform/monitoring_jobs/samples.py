"""Counts of the features of a sample: of the requests in a log, and of a training table.

BigQuery counts, whatever the size: what comes back is ten buckets a number, and the categories. One query a sample
holds it in typed columns (a number takes 8 bytes, a category 16), finds how wide each number is, and fills the buckets.
It uses functions of DuckDB, which is BigQuery here, and reads the JSON of an instance once for all its features; on
BigQuery itself such a query costs one reading a feature.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from emulator.aiplatform.bigquery import BigQuery, Row, text
from emulator.aiplatform.errors import ApiError, invalid
from emulator.aiplatform.monitoring_jobs.distance import BUCKETS, RANKS, Numbers, edges_of
from emulator.aiplatform.monitoring_jobs.window import Instances

Counted = Numbers | Mapping[str, int]
"""A feature's values."""
Sample = Mapping[str, Counted]
"""Features that have a value."""
_FORBIDDEN = frozenset("`\\\"'")
_NUMERIC_JSON = "'UBIGINT', 'BIGINT', 'HUGEINT', 'UHUGEINT', 'DOUBLE'"


@dataclass(frozen=True, slots=True)
class Samples:
    """Counts, of one BigQuery."""

    bigquery: BigQuery
    project: str

    def requests(self, instances: Instances, numbers: Mapping[str, bool]) -> Sample:
        """The features of what was asked; none where there is no log yet.

        Args:
            instances: Which, and how they are written.
            numbers: The features that are counted, and whether each is a number.

        Raises:
            ApiError: BigQuery refuses, or a name cannot be that of a feature.
        """
        try:
            return self._counted(_parsed(instances, numbers), numbers)
        except ApiError as error:
            if error.code == "NOT_FOUND":
                return {}
            raise

    def training(self, table: str, numbers: Mapping[str, bool]) -> Sample:
        """The same of a table's columns; those that it does not have have no value.

        Raises:
            ApiError: There is no such table, or BigQuery refuses.
        """
        there = set(self.bigquery.columns(table))
        known = {name: number for name, number in numbers.items() if name in there}
        columns = ", ".join(
            f"{f'SAFE_CAST(`{name}` AS FLOAT64)' if number else f'CAST(`{name}` AS STRING)'} AS f{place}"
            for place, (name, number) in enumerate(known.items())
        )
        return self._counted(f"SELECT {columns} FROM `{table}`", known) if known else {}  # noqa: S608 - its own columns

    def inferred(self, instances: Instances, features: Sequence[str]) -> Mapping[str, bool]:
        """Whether each feature is a number, as its values in the requests are: all of them, and one at least."""
        terms = []
        for place, name in enumerate(_checked(features)):
            path = text(f'$."{name}"')
            kind = f"UPPER(json_type(each, {path}))"
            strange = f"{kind} <> 'NULL' AND {kind} NOT IN ({_NUMERIC_JSON})"
            terms += [f"COUNTIF({kind} IN ({_NUMERIC_JSON})) AS n{place}", f"COUNTIF({strange}) AS s{place}"]
        source = f"SELECT IF(json_valid(each), each, NULL) AS each {instances.source}"
        sql = f"SELECT {', '.join(terms)} FROM ({source}) AS logged"  # noqa: S608 - checked names
        try:
            (row,) = self.bigquery.query(self.project, sql)
        except ApiError as error:
            if error.code == "NOT_FOUND":
                return dict.fromkeys(features, False)
            raise
        return {name: int(row[f"n{place}"]) > 0 and int(row[f"s{place}"]) == 0 for place, name in enumerate(features)}

    def count(self, source: str) -> int:
        """How many instances a part of a log has, none where there is no log yet."""
        try:
            (row,) = self.bigquery.query(self.project, f"SELECT COUNT(*) AS n {source}")
        except ApiError as error:
            if error.code == "NOT_FOUND":
                return 0
            raise
        return int(row["n"])

    def _counted(self, source: str, numbers: Mapping[str, bool]) -> Sample:
        (row,) = self.bigquery.query(self.project, _counts(source, list(numbers.values())))
        kept = (
            (name, _numbers(place, row) if number else _categories(place, row))
            for place, (name, number) in enumerate(numbers.items())
        )
        return {name: each for name, each in kept if (each.total if isinstance(each, Numbers) else each)}


def _parsed(instances: Instances, numbers: Mapping[str, bool]) -> str:
    """A row an instance, its features as f0, f1 and so on; of what is no JSON of such a form, none has a value."""
    features = _checked(list(numbers))
    if instances.order:
        shape = '["VARCHAR"]'
        values = {name: f"v[SAFE_OFFSET({place})]" for place, name in enumerate(instances.order)}
        columns = [
            f"SAFE_CAST({values.get(name, 'NULL')} AS {'FLOAT64' if numbers[name] else 'STRING'})" for name in features
        ]
    else:
        shape = json.dumps({name: "DOUBLE" if number else "VARCHAR" for name, number in numbers.items()})
        columns = [f"v.`{name}`" for name in features]
    listed = ", ".join(f"{column} AS f{place}" for place, column in enumerate(columns))
    # What is no JSON, as a raw prediction may be, is no instance; asking json_valid first would read all twice.
    read = f"SAFE.from_json(each, {text(shape)}) AS v"
    return f"SELECT {listed} FROM (SELECT {read} {instances.source}) AS parsed"  # noqa: S608 - checked names


def _checked(features: Sequence[str]) -> Sequence[str]:
    for name in features:
        if not name.isprintable() or _FORBIDDEN & set(name):
            raise invalid(f"{name!r} cannot be the name of a feature")
    return features


def _counts(source: str, numbers: Sequence[bool]) -> str:
    """One row: of the i-th feature what `_range` says, and of a number `buckets_i`.

    Args:
        source: SELECT of f0, f1 and so on.
        numbers: Whether each of them is a number.
    """
    places = [place for place, number in enumerate(numbers) if number]
    terms = ", ".join(term for place, number in enumerate(numbers) for term in _range(place, number))
    bounds = ", ".join(["1 AS one", *map(_bounds, places)])
    filled = ", ".join(["COUNT(*) AS instances", *map(_buckets, places)])
    return f"""WITH
  sample AS MATERIALIZED ({source}),
  found AS (SELECT {terms} FROM sample),
  bounds AS (SELECT {bounds} FROM found),
  filled AS (SELECT {filled} FROM sample CROSS JOIN bounds)
SELECT * FROM found CROSS JOIN filled"""  # noqa: S608 - checked names, and numbers


def _range(place: int, number: bool) -> Iterator[str]:  # noqa: FBT001 - what the feature is
    value = f"f{place}"
    if not number:
        yield f"CAST(to_json(histogram({value})) AS STRING) AS categories{place}"
        return
    finite = f"IF(isfinite({value}), {value}, NULL)"
    yield f"MIN({finite}) AS low{place}"
    yield f"MAX({finite}) AS high{place}"
    yield f"COUNT({finite}) AS finite{place}"
    yield f"COUNT({value}) AS present{place}"


def _bounds(place: int) -> str:
    """From where to where buckets are wanted, and how wide they are; of a range that is none, from 0 to 0."""
    low, high = f"low{place}", f"high{place}"
    ends = ", ".join(f"IF(isfinite({high} - {low}), {end}, 0.0) AS {end}" for end in (low, high))
    return f"{ends}, IF(isfinite({high} - {low}), ({high} - {low}) / {BUCKETS}, 0.0) AS step{place}"


def _buckets(place: int) -> str:
    """The counts up to and with each edge, of negated values: so a bucket has its lower edge, and not the upper."""
    inner = (f"-(low{place} + {number} * step{place})" for number in reversed(range(BUCKETS)))
    value = f"IF(isfinite(f{place}), -f{place}, NULL)"
    filled = f"map_values(histogram({value}, [-high{place}, {', '.join(inner)}]))"
    return f"CAST(to_json({filled}) AS STRING) AS buckets{place}"


def _numbers(place: int, row: Row) -> Numbers:
    finite, present = int(row[f"finite{place}"]), int(row[f"present{place}"])
    edges = edges_of(float(row[f"low{place}"]), float(row[f"high{place}"])) if finite else ()
    if not edges:
        return Numbers((), (), present)
    if len(edges) == 1:
        return Numbers(edges, (finite,), present - finite)
    upper, last, *others = json.loads(row[f"buckets{place}"])
    # What equals the last edge is in the last bucket.
    return Numbers(edges, (*reversed(others), upper + last), present - finite)


def _categories(place: int, row: Row) -> Mapping[str, int]:
    counts: dict[str, int] = json.loads(row[f"categories{place}"] or "{}")
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:RANKS])
