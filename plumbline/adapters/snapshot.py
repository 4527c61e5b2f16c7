"""The snapshot that a run starts from, taken when it starts: a schedule submits the same parameters every time."""

from plumbline.adapters import bigquery, registry
from plumbline.adapters.clients import Clients
from plumbline.lineage import Ingredients, Snapshot, lineage
from plumbline.problem import Data
from plumbline.section import from_json


def take(clients: Clients, name: str, made_from: Ingredients) -> Snapshot:
    """The snapshot of a problem, now.

    Raises:
        DataError: A source table is not there, or is a view.
    """
    tables = from_json(Data, made_from.data).tables
    version = bigquery.source_version(clients.bigquery(), clients.place, tables)
    digest = lineage(made_from, source_version=version)
    champion = registry.opponent(clients.models(), clients.place, name, digest)
    return Snapshot(source_version=version, champion=champion, lineage=digest)
