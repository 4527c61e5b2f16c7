"""Skew, drift and prediction drift over BigQuery tables of any size: an endpoint's log and the training table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plumbline import skew_sql
from plumbline.adapters import bigquery as bq
from plumbline.adapters.clients import Clients
from plumbline.skew import ANSWERS, Distance, Kind, Sample, WatchReport, judge
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
    predictions: Mapping[str, float]
    """Thresholds of the answers' fields, `score` and `decision`."""
    minimum_rows: int
    """Values that each side must have."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of each query."""

    scratch: str
    """What the names of tables begin with that hold rows meanwhile; they are gone afterwards."""
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
    log, window, kinds, minimum = question.log_table, question.window, question.kinds, question.minimum_rows
    counts = _Counts(clients, limits)
    now = counts.of_log(skew_sql.asked(log, window, kinds), kinds)
    found: list[Distance] = []
    if question.skew:
        trained = counts.of_table(question.training_table, kinds)
        found += judge("skew", trained, now, kinds=kinds, thresholds=question.skew, minimum_rows=minimum)
    if question.drift:
        before = counts.of_log(skew_sql.asked(log, window.before, kinds), kinds)
        found += judge("drift", before, now, kinds=kinds, thresholds=question.drift, minimum_rows=minimum)
    if question.predictions:
        sides = [counts.of_log(skew_sql.answered(log, each, ANSWERS), ANSWERS) for each in (window.before, window)]
        thresholds = question.predictions
        found += judge("prediction drift", *sides, kinds=ANSWERS, thresholds=thresholds, minimum_rows=minimum)
    return WatchReport(tuple(found))


@dataclass(frozen=True, slots=True)
class _Counts:
    """Counts samples."""

    clients: Clients
    limits: Limits

    def of_log(self, source: str, kinds: Mapping[str, Kind]) -> Sample:
        """The counts of what a query makes of a log, which is read once."""
        limits, client, table = self.limits, self.clients.bigquery(), f"{self.limits.scratch}_rows"
        with bq.scratch(client, source, table, maximum_bytes=limits.maximum_bytes, labels=limits.labels):
            return self.of_table(table, kinds)

    def of_table(self, table: str, kinds: Mapping[str, Kind]) -> Sample:
        """The counts of a table's columns."""
        source = skew_sql.held(table, kinds)
        (found,) = self._rows(skew_sql.ranges(source, kinds))
        (counted,) = self._rows(skew_sql.buckets(source, kinds, found))
        ranked = self._rows(skew_sql.ranks(source, kinds)) if "category" in kinds.values() else []
        return skew_sql.assemble(kinds, found, counted, ranked)

    def _rows(self, sql: str) -> Sequence[Row]:
        limits = self.limits
        return bq.fetch(self.clients.bigquery(), sql, maximum_bytes=limits.maximum_bytes, labels=limits.labels)
