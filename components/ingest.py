"""Ingest: the query's rows, split by time, as Parquet."""

from kfp import dsl
from kfp.dsl import Dataset, Output


@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def ingest(place: str, name: str, data: str, sql: str, source_version: str, dataset: Output[Dataset]) -> None:
    """Runs the query and writes its splits. `source_version` changes with the source tables, and keys the cache."""
    import os
    from pathlib import Path

    from plumbline.adapters.clients import Clients
    from plumbline.adapters.ingestion import ingest
    from plumbline.environment import Place
    from plumbline.problem import Data
    from plumbline.section import from_json

    clients = Clients(from_json(Place, place), os.environ)
    summary = ingest(clients, name, from_json(Data, data), sql, dataset=Path(dataset.path))
    dataset.metadata.update(
        table=summary.table,
        bytes_processed=summary.bytes_processed,
        source_changed=summary.source_changed,
        source_version=source_version,
        rows={split: found.rows for split, found in summary.splits.items()},
    )
