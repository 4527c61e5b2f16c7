"""An evaluation's sums over a table of any size, by one query of BigQuery."""

from collections.abc import Mapping

import pyarrow as pa

from plumbline.adapters import bigquery as bq
from plumbline.adapters.clients import Clients
from plumbline.histogram_sql import assemble, statement
from plumbline.section import Names
from plumbline.sums import Request, Sums


def sums_of_table(  # noqa: PLR0913 - the query's limits are named by whoever asks
    clients: Clients, table: str, request: Request, *, scratch: str, maximum_bytes: int, labels: Mapping[str, str]
) -> Mapping[tuple[str, Names], Sums]:
    """The sums of each model on each entry of the request's slices.

    Args:
        clients: Google's clients.
        table: project.dataset.table, with label, scores, weight and slicing columns.
        request: What to sum.
        scratch: The table that holds the query's result meanwhile; it is gone afterwards.
        maximum_bytes: What the query may read.
        labels: Of the job.

    Raises:
        DataError: The query is refused, reads too much, or a label or weight is none.
        ModelError: A score is not in [0, 1].
        ServiceError: BigQuery fails.
    """
    client = clients.bigquery()
    with bq.scratch(client, statement(table, request), scratch, maximum_bytes=maximum_bytes, labels=labels) as made:
        columns = bq.column_names(client, made)
        batches = list(bq.read_table(clients.bigquery_read(), made, columns=columns))
    return assemble(pa.Table.from_batches(batches), request)
