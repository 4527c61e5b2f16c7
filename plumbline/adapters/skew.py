"""Skew, drift and prediction drift over BigQuery tables of any size: an endpoint's log and the training table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from plumbline import skew_sql
from plumbline.adapters import bigquery as bq
from plumbline.adapters.clients import Clients
from plumbline.adapters.operations import service_errors
from plumbline.skew import ANSWERS, MINIMUM_ROWS, Distance, Kind, Sample, WatchReport, judge
from plumbline.skew_sql import Row, Window


@dataclass(frozen=True, slots=True)
class Question:
    """What is compared."""

    log_table: str
    """project.dataset.table that request-response logging writes."""
    training_table: str
    """project.dataset.table with the rows that the model was trained on."""
    window: Window
    """Now; drift is against the window before it."""
    kinds: Mapping[str, Kind]
    """The raw columns, each with what it is: see `plumbline.skew.kinds`."""
    skew: Mapping[str, float]
    """Thresholds by raw column; empty: no skew is looked for."""
    drift: Mapping[str, float]
    predictions: Mapping[str, float] = field(default_factory=dict)
    """Thresholds of the answers' fields, `score` and `decision`."""
    minimum_rows: int = MINIMUM_ROWS


@dataclass(frozen=True, slots=True)
class Limits:
    """Of each query."""

    scratch: str
    """The table that holds a query's result meanwhile; it is gone afterwards."""
    maximum_bytes: int
    """What a query may read."""
    labels: Mapping[str, str]
    """Of the job."""


def watch_report(clients: Clients, question: Question, limits: Limits) -> WatchReport:
    """All distances of a window: skew, drift, and the drift of the answers.

    Raises:
        DataError: A threshold is for no column, a table is not there, or a query reads too much.
        ServiceError: BigQuery fails.
    """
    log, window, kinds = question.log_table, question.window, question.kinds

    def counted(source: str, wanted: Mapping[str, Kind]) -> Sample:
        return _sample(clients, source, wanted, limits)

    now = counted(skew_sql.asked(log, window, kinds), kinds)
    found: list[Distance] = []
    if question.skew:
        trained = counted(skew_sql.trained(question.training_table, kinds), kinds)
        found += judge("skew", trained, now, kinds=kinds, thresholds=question.skew, minimum_rows=question.minimum_rows)
    if question.drift:
        before = counted(skew_sql.asked(log, window.before, kinds), kinds)
        found += judge("drift", before, now, kinds=kinds, thresholds=question.drift, minimum_rows=question.minimum_rows)
    if question.predictions:
        sides = [counted(skew_sql.answered(log, each, ANSWERS), ANSWERS) for each in (window.before, window)]
        found += judge(
            "prediction drift",
            *sides,
            kinds=ANSWERS,
            thresholds=question.predictions,
            minimum_rows=question.minimum_rows,
        )
    return WatchReport(tuple(found))


def _sample(clients: Clients, source: str, kinds: Mapping[str, Kind], limits: Limits) -> Sample:
    """The counts of the columns of the rows that a query gives."""
    (found,) = _rows(clients, skew_sql.ranges(source, kinds), limits)
    (counted,) = _rows(clients, skew_sql.buckets(source, kinds, found), limits)
    has_categories = "category" in kinds.values()
    ranked = _rows(clients, skew_sql.ranks(source, kinds), limits) if has_categories else []
    return skew_sql.assemble(kinds, found, counted, ranked)


def _rows(clients: Clients, sql: str, limits: Limits) -> Sequence[Row]:
    client = clients.bigquery()
    made = bq.materialise(client, sql, limits.scratch, maximum_bytes=limits.maximum_bytes, labels=limits.labels)
    try:
        columns = bq.column_names(client, made.table)
        return [
            row
            for batch in bq.read_table(clients.bigquery_read(), made.table, columns=columns)
            for row in batch.to_pylist()
        ]
    finally:
        with service_errors(f"removing {made.table}"):
            client.delete_table(made.table, not_found_ok=True)
