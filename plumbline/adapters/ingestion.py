"""Ingestion, with BigQuery: checks first, then one query, then the splits."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from google.cloud import bigquery, bigquery_storage_v1

from plumbline.adapters import bigquery as bq
from plumbline.adapters.clients import Clients
from plumbline.dataset import SPLITS, SplitName, SplitSummary, Summary, write_summary
from plumbline.errors import DataError
from plumbline.ingestion import (
    check_columns,
    check_placed,
    check_times,
    table_names,
    wanted_columns,
    windows,
    within,
    write_split,
)
from plumbline.labels import label
from plumbline.problem import Data
from plumbline.query import fill
from plumbline.streams import in_turn


def ingest(clients: Clients, name: str, data: Data, sql: str, *, dataset: Path) -> Summary:
    """Makes the features table and writes the dataset's files.

    Raises:
        DataError: The query is refused, reads too much, lacks a column or gives an undeclared one, leaves a split
            empty, or has rows without a time or of the future.
    """
    client, place = clients.bigquery(), clients.place
    filled = fill(sql, {table: bq.full_name(place, table) for table in data.tables})
    changed = bq.last_change(client, place, data.tables)
    names = table_names(name, hashlib.sha256(f"{filled}\n{changed}".encode()).hexdigest())
    labels = {**place.labels, "problem": label(name)}
    features, training = bq.full_name(place, names.features), bq.full_name(place, names.training)
    check_columns(data, _columns(client, data, filled))
    made = bq.materialise(client, filled, features, maximum_bytes=data.maximum_bytes, labels=labels)
    splits = write_splits(clients.bigquery_read(), data, features, dataset)
    check_times(data, splits, changed)
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


def _columns(client: bigquery.Client, data: Data, filled: str) -> Sequence[str]:
    """What the query would give; where it is refused, the message says which query."""
    try:
        return bq.result_columns(client, filled)
    except DataError as error:
        raise DataError(f"{data.query}: {error}") from error


def write_splits(
    reader: bigquery_storage_v1.BigQueryReadClient, data: Data, table: str, dataset: Path
) -> Mapping[SplitName, SplitSummary]:
    """Reads the splits from a features table, and writes each as a file.

    Raises:
        DataError: A split is empty, or a row has no time.
        ServiceError: BigQuery fails.
    """
    check_placed(data, bq.read_table(reader, table, columns=data.key, where=f"{data.time} IS NULL"))
    dataset.mkdir(parents=True, exist_ok=True)
    wheres = (within(windows(data)[split], data.time) for split in SPLITS)
    # BigQuery takes its time to open a table: the next split is opened while this one is merged and written.
    splits = in_turn(bq.read_table(reader, table, columns=wanted_columns(data), where=where) for where in wheres)
    return {split: write_split(dataset, split, rows, data) for split, rows in zip(SPLITS, splits, strict=True)}
