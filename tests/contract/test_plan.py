"""`make plan`: what a run would do, told through Google's clients, with nothing made."""

import dataclasses
import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from google.cloud import bigquery

from pipelines.parameters import local_images, parameters
from pipelines.plan import plan
from plumbline.adapters import bigquery as bq
from plumbline.adapters import inventory
from plumbline.adapters import pipeline_jobs as jobs
from plumbline.adapters.clients import Clients
from plumbline.adapters.outlook import look_ahead, query_bytes
from plumbline.adapters.pipeline_jobs import Order
from plumbline.config import Loaded, load_problem
from plumbline.cost import Estimate, check_cost
from plumbline.environment import Endpoints, Environment, Images, Prices, place
from plumbline.errors import DataError, PlumblineError
from plumbline.labels import label
from plumbline.problem import Column, Data, Label
from plumbline.runs import ENDED
from plumbline.section import to_json
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.recorded_bigquery import recorded
from tests.contract.small_pipeline import compiled
from tests.contract.vertex import PARENT, fresh

FLIGHTS = load_problem(Path(__file__).parents[2] / "configs" / "flights.yaml").config
SQL = "SELECT id, sent_at, weight, weight > 1 AS heavy FROM {parcels}"
CODE = "c" * 64
# Tasks have the names of steps; what the snapshot would give and the table's name are handed in.
PIPELINE = """
from typing import NamedTuple
from kfp import dsl

@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def snapshot(version: str, opponent: str) -> NamedTuple("Taken", [("source_version", str), ("champion", str)]):
    return (version, opponent)

@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def ingest(source_version: str, table: str, dataset: dsl.Output[dsl.Dataset]):
    open(dataset.path, "w").close()
    dataset.metadata["table"] = table

@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def validate(dataset: dsl.Input[dsl.Dataset], broken: bool):
    if broken:
        raise ValueError("no luck")

@dsl.pipeline(name="small")
def small(
    name: str, title: str, place: str, statement: str, data: str, sql: str, validation: str, today: str,
    signal: str, prototype: str, training: str, evaluation: str, explanation: str, serving: str, monitoring: str,
    code: str, trainer_image: str, serving_image: str, version: str, opponent: str, table: str, why: str,
):
    now = snapshot(version=version, opponent=opponent).set_caching_options(False)
    rows = ingest(source_version=now.outputs["source_version"], table=table)
    validate(dataset=rows.outputs["dataset"], broken=False)
"""
_WAIT_S = 60.0


@dataclasses.dataclass(frozen=True, slots=True)
class Shop:
    """A problem with a table, in an environment of its own."""

    loaded: Loaded
    environment: Environment
    clients: Clients

    def plan(self, **settings: Any) -> tuple[Estimate, str]:
        """The estimate, and what was said."""
        said: list[str] = []
        found = plan(self.loaded, self.environment, self.clients, CODE, said.append, **settings)
        return found, "\n".join(said)


@pytest.fixture
def shop(emulator: Emulator) -> Shop:
    """Parcels, of which the heavy ones are to be found."""
    environment = Environment(
        project=PROJECT,
        location=LOCATION,
        bucket="runs-bucket",
        dataset=fresh("plan").replace("-", "_"),
        bigquery_location=LOCATION,
        images=Images(components="plumbline/components", trainer="plumbline/trainer", serving="plumbline/serving"),
        prices=Prices(
            currency="EUR",
            source="a page",
            date=dt.date(2026, 1, 1),
            query_tib=6.0,
            bigquery_ml_tib=300.0,
            pipeline_run=0.03,
            step_hour=0.2,
            training_hour={"n1-standard-8": 0.4},
            serving_hour={"n1-standard-2": 0.1},
        ),
        endpoints=Endpoints(
            aiplatform=emulator.endpoints.aiplatform,
            bigquery=emulator.endpoints.bigquery,
            bigquery_storage=emulator.endpoints.bigquery_storage,
            storage=emulator.endpoints.storage,
        ),
    )
    name = fresh("parcels")
    config = dataclasses.replace(
        FLIGHTS,
        name=name.replace("-", "_"),
        data=Data(
            query="parcels.sql",
            tables=("parcels",),
            key=("id",),
            time="sent_at",
            label=Label(column="heavy", positive=True),
            split=FLIGHTS.data.split,
            features={"weight": Column(type="numeric")},
        ),
        serving=dataclasses.replace(FLIGHTS.serving, endpoint=name),
    )
    clients = Clients(place(environment), emulator.environment)
    bq.ensure_dataset(clients.bigquery(), clients.place)
    load(clients, weights=[1.0, 2.0])
    return Shop(Loaded(config, SQL), environment, clients)


def load(clients: Clients, *, weights: Sequence[float]) -> None:
    """The table of parcels, in place of the one before."""
    moment = dt.datetime(2020, 1, 1)  # noqa: DTZ001 - a wall clock
    rows = pa.table({"id": range(len(weights)), "sent_at": [moment] * len(weights), "weight": weights})
    kinds = {"id": "INT64", "sent_at": "DATETIME", "weight": "FLOAT64"}
    schema = [bigquery.SchemaField(column, kind) for column, kind in kinds.items()]
    bq.load_table(clients.bigquery(), bq.full_name(clients.place, "parcels"), rows, schema)


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """The compiled pipeline of fake steps."""
    return compiled(PIPELINE, tmp_path_factory.mktemp("small") / "planned_pipeline.py")


def run(shop: Shop, spec: Mapping[str, Any]) -> str:
    """A run of the problem with fake steps, once it has ended; its id."""
    taken = look_ahead(shop.clients, shop.loaded, code=CODE).snapshot
    images = local_images(shop.environment, CODE)
    order = Order(
        job_id=fresh("parcels"),
        display_name=shop.loaded.config.name,
        spec=spec,
        parameters={
            **parameters(shop.loaded, shop.environment, code=CODE, images=images),
            "version": taken.source_version,
            "opponent": to_json(taken.champion),
            # Stands for the features table: it is there.
            "table": bq.full_name(shop.clients.place, "parcels"),
        },
        root="gs://runs-bucket/runs",
        labels={"problem": label(shop.loaded.config.name)},
    )
    name = jobs.submit(shop.clients.pipelines(), shop.clients.place, order)
    wait(lambda: jobs.look(shop.clients.pipelines(), name).state in ENDED)
    return order.job_id


def wait(done: Callable[[], bool]) -> None:
    """Returns once it is done."""
    deadline = time.monotonic() + _WAIT_S
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_first_run_is_planned_and_nothing_is_made(shop: Shop) -> None:
    """Everything is told to be new; afterwards no table, model, endpoint or job is there."""
    found, said = shop.plan(images={"plumbline/components": True, "plumbline/trainer": False})
    for wanted in (
        "images      plumbline/components: there",
        "plumbline/trainer: to be built",
        "parcels: 2 rows,",
        "the query reads 0 bytes (an emulator's answer), at most 10,000,000,000 are allowed",
        "no run before this one",
        "becomes version 1",
        f"{shop.loaded.config.serving.endpoint}: new, 1 to 3 x n1-standard-2",
        "cost, by prices of 2026-01-01 (a page)",
        "  EUR",
    ):
        assert wanted in said
    # Training, assumed to take half an hour on n1-standard-8 and two at most: 0.2 and 0.8.
    training = next(line for line in found.run if line.what == "training: n1-standard-8")
    assert [training.expected_amount, training.most_amount] == pytest.approx([0.2, 0.8])
    client = shop.clients.bigquery()
    assert [table.table_id for table in client.list_tables(shop.clients.place.dataset)] == ["parcels"]
    ahead = look_ahead(shop.clients, shop.loaded, code=CODE)
    assert (ahead.versions, ahead.has_endpoint, ahead.past) == ([], False, [])


def test_a_run_before_tells_what_is_cached_and_how_long_steps_take(shop: Shop, spec: Mapping[str, Any]) -> None:
    """The same inputs find their steps; other code finds none."""
    run_id = run(shop, spec)
    found, said = shop.plan()
    assert f"last run {run_id}" in said
    assert "from the cache: ingest, validate\n" in said
    features = next(line for line in found.run if line.what == "query: features")
    assert features.expected == 0
    [past] = inventory.past_runs(shop.clients, shop.loaded.config.name)
    assert past.run.steps["ingest"].seconds is not None
    assert set(past.inputs) >= {"code", "data", "source_version", "champion"}
    other: list[str] = []
    plan(shop.loaded, shop.environment, shop.clients, "d" * 64, other.append)
    assert any("from the cache: none" in line for line in other)


def test_changed_sources_are_not_found_in_the_cache(shop: Shop, spec: Mapping[str, Any]) -> None:
    """Their state is part of what a run starts from."""
    run(shop, spec)
    load(shop.clients, weights=[1.0, 2.0, 3.0])
    said = shop.plan()[1]
    assert "parcels: 3 rows," in said
    assert "from the cache: none" in said


def test_the_plan_s_estimate_is_what_the_limit_is_held_against(shop: Shop) -> None:
    """A cent is too little for any run."""
    found, _ = shop.plan()
    check_cost(found, 100.0)
    with pytest.raises(PlumblineError, match="max_run_cost is 0.01 EUR"):
        check_cost(found, 0.01)


def test_a_table_that_is_not_there_ends_the_plan(shop: Shop) -> None:
    """As it would end the run."""
    shop.clients.bigquery().delete_table(bq.full_name(shop.clients.place, "parcels"))
    with pytest.raises(DataError, match="there is no table"):
        shop.plan()


def test_bytes_are_those_of_bigquery_s_dry_run(shop: Shop) -> None:
    """The statement of the ingest step is asked about and not run. The emulator says 0, so the answer is recorded."""
    with recorded(estimate=2**30) as bigquery_:
        assert query_bytes(answered_by(shop, bigquery_.client), shop.loaded) == 2**30
        [asked] = bigquery_.jobs(dry=True)
        assert asked["query"]["query"].startswith("CREATE OR REPLACE TABLE")
        assert not bigquery_.jobs(dry=False)


def test_a_query_that_reads_too_much_ends_the_plan(shop: Shop) -> None:
    """As it would end the run, by the limit of the config."""
    with (
        recorded(estimate=10**10 + 1) as bigquery_,
        pytest.raises(DataError, match="10,000,000,001 bytes, data.maximum_bytes allows 10,000,000,000"),
    ):
        query_bytes(answered_by(shop, bigquery_.client), shop.loaded)


def answered_by(shop: Shop, client: bigquery.Client) -> Clients:
    """Clients that ask the BigQuery that a client asks."""
    return Clients(
        shop.clients.place, {**shop.clients.environ, "BIGQUERY_EMULATOR_HOST": client._connection.API_BASE_URL}
    )


def test_what_serves_is_told(shop: Shop) -> None:
    """An endpoint without models is there, and nothing serves."""
    endpoints = shop.clients.endpoints()
    name = shop.loaded.config.serving.endpoint
    endpoints.create_endpoint(parent=PARENT, endpoint={"display_name": name}, endpoint_id=name).result(timeout=60)
    assert f"{name}: there, nothing serves; then 1 to 3 x n1-standard-2" in shop.plan()[1]
