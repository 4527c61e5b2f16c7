"""What a run would find: read, and nothing made."""

from collections.abc import Sequence
from contextlib import suppress

from google.api_core import exceptions
from google.cloud import aiplatform_v1 as vertex

from plumbline.adapters import bigquery as bq
from plumbline.adapters import endpoints as on
from plumbline.adapters import inventory, pipeline_jobs, schedules, snapshot
from plumbline.adapters.clients import Clients
from plumbline.adapters.operations import service_errors
from plumbline.adapters.registry import parent
from plumbline.config import Loaded
from plumbline.inventory import Deployed
from plumbline.labels import label
from plumbline.lineage import Ingredients
from plumbline.outlook import Outlook
from plumbline.query import fill
from plumbline.reuse import Past
from plumbline.section import to_json


def look_ahead(clients: Clients, loaded: Loaded, *, code: str) -> Outlook:
    """What there is for a run of a problem. `code` is the digest of the code, hexadecimal.

    Raises:
        DataError: A source table is not there, or the query is refused or reads too much.
        ServiceError: A service refuses or fails.
    """
    config, place, client = loaded.config, clients.place, clients.bigquery()
    data, validation, training = map(to_json, (config.data, config.validation, config.training))
    made_from = Ingredients(sql=loaded.sql, data=data, validation=validation, training=training, code=code)
    taken = snapshot.take(clients, config.name, made_from)
    past = inventory.past_runs(clients, config.name)
    found = query_bytes(clients, loaded)
    made = _features_bytes(clients, past)
    pipelines = clients.pipelines()
    with service_errors(f"looking ahead for {config.name}"):
        endpoint = on.find(clients.endpoints(), f"{parent(place)}/endpoints/{config.serving.endpoint}")
        known = schedules.find(clients.schedules(), place, config.name)
        return Outlook(
            sources=[inventory.table(client, bq.full_name(place, name)) for name in config.data.tables],
            features_bytes=found,
            table_bytes=found if made is None else made,
            snapshot=taken,
            past=past,
            running=[_id(job.name) for job in pipeline_jobs.running(pipelines, place, label(config.name))],
            versions=inventory.versions_of(clients.models(), f"{parent(place)}/models/{config.name}"),
            has_endpoint=endpoint is not None,
            serving=_serving(endpoint),
            monitor=endpoint.model_deployment_monitoring_job if endpoint else "",
            cron=known.cron if known else "",
        )


def query_bytes(clients: Clients, loaded: Loaded) -> int:
    """What the statement of the ingest step would read.

    Raises:
        DataError: BigQuery refuses the query, or it reads more than the config allows.
    """
    data, place = loaded.config.data, clients.place
    filled = fill(loaded.sql, {table: bq.full_name(place, table) for table in data.tables})
    name = bq.full_name(place, f"{loaded.config.name}_features_plan")
    found = bq.query_bytes(clients.bigquery(), bq.creation(filled, name, labels=place.labels))
    bq.check_bytes(found, data.maximum_bytes)
    return found


def _features_bytes(clients: Clients, past: Sequence[Past]) -> int | None:
    """The size of the newest features table that a run has made and that is still there."""
    for one in past:
        if table := str(one.run.metadata("ingest", "dataset").get("table", "")):
            with service_errors(f"the table {table}"), suppress(exceptions.NotFound):
                return inventory.table(clients.bigquery(), table).size
    return None


def _serving(endpoint: vertex.Endpoint | None) -> Deployed | None:
    models = [inventory.deployed(endpoint, model) for model in endpoint.deployed_models] if endpoint else []
    return max((one for one in models if one.traffic), key=lambda one: one.traffic, default=None)


def _id(name: str) -> str:
    return name.rpartition("/")[2]
