"""Observation: logged predictions joined with late labels in BigQuery."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from plumbline import deployment
from plumbline.adapters import bigquery as bq
from plumbline.adapters.clients import Clients
from plumbline.continuous import Observation
from plumbline.external_sort import sorted_rows
from plumbline.labels import label
from plumbline.observation import (
    DEPLOYED,
    LOGGED_AT,
    Observed,
    Period,
    check_labels,
    counting,
    log_bounds,
    matching,
    observed_columns,
)
from plumbline.problem import Data
from plumbline.query import fill
from plumbline.section import from_json, to_json

ROWS, SUMMARY = "observed.parquet", "observed.json"


def log_table(clients: Clients, endpoint: str) -> str:
    """The table that an endpoint's requests and responses are logged to."""
    return deployment.log_table(clients.place, endpoint)


def observe(  # noqa: PLR0913 - what is joined, and where it goes
    clients: Clients,
    name: str,
    data: Data,
    observation: Observation,
    sql: str,
    *,
    endpoint: str,
    period: Period,
    output: Path,
) -> Observed:
    """Joins a window's labels with the predictions that count, and writes them as a Parquet file with a summary.

    Args:
        clients: Google's clients.
        name: Of the problem.
        data: The columns.
        observation: How to join.
        sql: The query of the labels.
        endpoint: Its id.
        period: The window.
        output: A folder for the files.

    Raises:
        DataError: A query is refused or reads too much.
    """
    client, log = clients.bigquery(), log_table(clients, endpoint)
    filled = fill(sql, {table: bq.full_name(clients.place, table) for table in observation.tables})
    window = {"start": period.start, "end": period.end}
    check_labels(data, observation, bq.result_columns(client, filled, window))
    first, last = log_bounds(period, observation)
    parameters: bq.Parameters = {**window, "first": first, "last": last}
    table = bq.full_name(clients.place, f"{name}_observed_{period.start:%Y%m%d%H}_{period.end:%Y%m%d%H}")
    labels = {**clients.place.labels, "problem": label(name)}
    bq.materialise(
        client,
        matching(filled, log if bq.exists(client, log) else "", data, observation),
        table,
        maximum_bytes=observation.maximum_bytes,
        labels=labels,
        parameters=parameters,
    )
    counting_rows = counting(filled, table, data, observation)
    (counts,) = bq.fetch(
        client, counting_rows, maximum_bytes=observation.maximum_bytes, labels=labels, parameters=parameters
    )
    found = Observed(period=period, table=table, **{name: int(str(value or 0)) for name, value in counts.items()})
    output.mkdir(parents=True, exist_ok=True)
    (output / SUMMARY).write_text(to_json(found), encoding="utf-8")
    pq.write_table(_read(clients, table, data), output / ROWS, compression="zstd")
    return found


def read_observed(folder: Path) -> pa.Table:
    """The scored and labelled rows that `observe` wrote."""
    return pq.read_table(folder / ROWS)


def read_summary(folder: Path) -> Observed:
    """What became of the window's labels and predictions."""
    return from_json(Observed, (folder / SUMMARY).read_text(encoding="utf-8"))


def deployed_in(observed: pa.Table) -> Sequence[str]:
    """The ids of the deployed models that have answered, sorted."""
    return sorted(observed.column(DEPLOYED).unique().to_pylist())


def _read(clients: Clients, table: str, data: Data) -> pa.Table:
    """The rows that count, in the order of time: the same rows give the same file."""
    names = observed_columns(data)
    batches = list(bq.read_table(clients.bigquery_read(), table, columns=names, where="fate = 'counted'"))
    plain = [pa.RecordBatch.from_arrays([batch.column(name) for name in names], names=list(names)) for batch in batches]
    if not any(batch.num_rows for batch in plain):
        return pa.table({name: plain[0].column(name) if plain else pa.array([], _EMPTY.get(name)) for name in names})
    ordered = sorted_rows(iter(plain), (data.time, *data.key, LOGGED_AT))
    return pa.Table.from_batches(list(ordered))


_EMPTY: Mapping[str, pa.DataType] = {DEPLOYED: pa.string()}
"""Types that are looked at even where there is no row."""
