"""Ingestion, with BigQuery: checks first, then one query, then the splits."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from plumbline.adapters import bigquery as bq
from plumbline.adapters.clients import Clients
from plumbline.candidate import label
from plumbline.dataset import SPLITS, SplitName, SplitSummary, Summary, write_summary
from plumbline.ingestion import check_columns, table_names, wanted_columns, windows, within, write_split
from plumbline.problem import Data
from plumbline.query import fill


def ingest(clients: Clients, name: str, data: Data, sql: str, *, dataset: Path) -> Summary:
    """Makes the features table and writes the dataset's files.

    Raises:
        DataError: The query is refused, reads too much, lacks a column, or leaves a split empty.
    """
    client, place = clients.bigquery(), clients.place
    filled = fill(sql, {table: bq.full_name(place, table) for table in data.tables})
    changed = bq.last_change(client, place, data.tables)
    names = table_names(name, hashlib.sha256(f"{filled}\n{changed}".encode()).hexdigest())
    labels = {**place.labels, "problem": label(name)}
    features, training = bq.full_name(place, names.features), bq.full_name(place, names.training)
    made = bq.materialise(client, filled, features, maximum_bytes=data.maximum_bytes, labels=labels)
    check_columns(data, bq.column_names(client, features))
    splits = _write_splits(clients, data, features, dataset)
    condition = within(data.split.train, data.time)
    selected = f"SELECT * FROM `{features}` WHERE {condition}"  # noqa: S608 - identifiers and dates of the config
    bq.materialise(client, selected, training, maximum_bytes=data.maximum_bytes, labels=labels)
    summary = Summary(
        table=features,
        training_table=training,
        bytes_processed=made.bytes_processed,
        source_changed=changed,
        splits=splits,
    )
    write_summary(dataset, summary)
    return summary


def _write_splits(clients: Clients, data: Data, table: str, dataset: Path) -> Mapping[SplitName, SplitSummary]:
    reader = clients.bigquery_read()
    dataset.mkdir(parents=True, exist_ok=True)
    summaries: dict[SplitName, SplitSummary] = {}
    for split in SPLITS:
        where = within(windows(data)[split], data.time)
        batches = bq.read_table(reader, table, columns=wanted_columns(data), where=where)
        summaries[split] = write_split(dataset, split, batches, data)
    return summaries
