"""AutoML as a quick prototype: what it is asked for, what each row gets, and that nothing of it stays."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf import json_format

from emulator.aiplatform.methods import Message
from plumbline.adapters import bigquery as bq
from plumbline.adapters.automl import Task, automl_scores, training_pipeline
from plumbline.adapters.clients import Clients
from plumbline.adapters.prototyping import try_out
from plumbline.adapters.table_files import load_file
from plumbline.dataset import SCORED, SPLITS, SplitSummary, Summary, read_summary, split_path, write_summary
from plumbline.environment import Place
from plumbline.errors import DataError, ServiceError
from plumbline.ingestion import summarise
from plumbline.prototype import AutoML, Prototype
from tests.contract.automl_service import AutoMLService, serving
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.vertex import PARENT, fresh
from tests.unit.plumbline import data_case as case

ALONE = Prototype(models=(), automl=AutoML(budget_hours=1.5))


@pytest.fixture(scope="module")
def clients(emulator: Emulator) -> Clients:
    """Clients of a place of its own."""
    dataset = fresh("automl").replace("-", "_")
    labels = {"environment": "test"}
    place = Place(
        project=PROJECT, location=LOCATION, bucket="models", dataset=dataset, bigquery_location=LOCATION, labels=labels
    )
    return Clients(place, emulator.environment)


@pytest.fixture(scope="module")
def dataset(clients: Clients, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small problem's splits as `ingest` leaves them, and the tables that they are of."""
    folder, splits = tmp_path_factory.mktemp("dataset"), case.splits()
    for split, table in splits.items():
        pq.write_table(table, split_path(folder, split), row_group_size=100)
    for name, rows in (("features", pa.concat_tables(splits.values())), ("training", splits["train"])):
        pq.write_table(rows, folder / f"{name}.parquet")
        load_file(clients.bigquery(), clients.place, name, folder / f"{name}.parquet")
    tables = [bq.full_name(clients.place, name) for name in ("features", "training")]
    summaries = {split: summarise(splits[split], case.data()) for split in SPLITS}
    write_summary(
        folder,
        Summary(table=tables[0], training_table=tables[1], bytes_processed=1, source_changed="", splits=summaries),
    )
    return folder


@pytest.fixture
def service(clients: Clients) -> Iterator[AutoMLService]:
    """A service whose model gives each order a hundredth of the last two digits of its number."""

    def predict(job: Message) -> tuple[str, str]:
        rows = job.input_config.bigquery_source.input_uri.removeprefix("bq://")
        sql = (
            f"SELECT *, STRUCT(['no', 'yes'] AS classes, [1 - p, p] AS scores) AS predicted_is_positive FROM ("  # noqa: S608 - names of the test's own
            f"SELECT *, MOD(CAST(SUBSTR(order_id, 2) AS INT64), 100) / 100 AS p FROM `{rows}`)"
        )
        table = "predictions_2026_01_01"
        where = f"{PROJECT}.{clients.place.dataset}"
        bq.materialise(clients.bigquery(), sql, f"{where}.{table}", maximum_bytes=10**9, labels={})
        return where, table

    with serving(AutoMLService(predict)) as served:
        yield served


def asking(clients: Clients, service: AutoMLService) -> Clients:
    """BigQuery of the emulator, Vertex AI of the service."""
    return Clients(clients.place, {**clients.environ, "AIPLATFORM_EMULATOR_HOST": service.address})


def task(dataset: Path, output: str = "gs://b/run/task/scores") -> Task:
    """What is asked for."""
    return Task("orders", case.data(), AutoML(budget_hours=1.5), read_summary(dataset), output)


def tables(clients: Clients) -> set[str]:
    """The tables of the place."""
    return {table.table_id for table in clients.bigquery().list_tables(clients.place.dataset)}


def test_without_automl_the_step_says_where_it_is_to_be_had(clients: Clients, dataset: Path, tmp_path: Path) -> None:
    """The emulator has none, and no other model takes its name; the table that it would learn from is gone again."""
    with pytest.raises(ServiceError, match=r"only to be had on Google Cloud: take prototype\.automl out"):
        try_out(clients, "orders", case.data(), ALONE, dataset=dataset, output=tmp_path / "scores")
    assert not (tmp_path / "scores").exists()
    assert tables(clients) == {"features", "training"}


def test_every_row_gets_its_score(clients: Clients, service: AutoMLService, dataset: Path, tmp_path: Path) -> None:
    """In the order and the parts of the splits; the report says what made it, and for how much."""
    found = try_out(asking(clients, service), "orders", case.data(), ALONE, dataset=dataset, output=tmp_path / "scores")
    assert [(each.model, each.engine) for each in found.results] == [("automl", "Vertex AI AutoML")]
    assert found.results[0].reason == "the config asks for it, with 1.5 node hours"
    for split in SCORED:
        rows, scored = (pq.ParquetFile(split_path(folder, split)) for folder in (dataset, tmp_path / "scores"))
        assert scored.num_row_groups == rows.num_row_groups
        keys = rows.read().column("order_id").to_pylist()
        assert scored.read().column("order_id").to_pylist() == keys
        wanted = [int(key[1:]) % 100 / 100 for key in keys]
        np.testing.assert_allclose(scored.read().column("automl").to_numpy(), wanted, atol=1e-12)


def test_what_is_asked_for(clients: Clients, service: AutoMLService, dataset: Path) -> None:
    """The features and no other column, the area under the precision-recall curve, the budget, labels on everything."""
    automl_scores(asking(clients, service), task(dataset))
    made, training, prediction = service.asked
    folder = f"bq://{PROJECT}.{clients.place.dataset}"
    assert json_format.MessageToDict(made.metadata) == {
        "inputConfig": {"bigquerySource": {"uri": f"{folder}.features_automl_train"}}
    }
    inputs = json_format.MessageToDict(training.training_task_inputs)
    assert {name: inputs[name] for name in inputs if name != "transformations"} == {
        "targetColumn": "is_positive",
        "predictionType": "classification",
        "optimizationObjective": "maximize-au-prc",
        "trainBudgetMilliNodeHours": 1500,
    }
    assert inputs["transformations"] == [
        {"auto": {"column_name": "price"}},
        {"categorical": {"column_name": "shop"}},
        {"auto": {"column_name": "gift"}},
        {"auto": {"column_name": "hour"}},
    ]
    assert training.input_data_config.dataset_id == "1"
    assert prediction.model.endswith("/models/9")
    assert prediction.input_config.bigquery_source.input_uri == f"{folder}.features_automl_rows"
    assert prediction.output_config.bigquery_destination.output_uri == folder
    assert all({"environment", "problem", "output"} == set(each.labels) for each in service.asked)


def test_nothing_stays(clients: Clients, service: AutoMLService, dataset: Path) -> None:
    """Neither resources of Vertex AI nor tables: what was made last goes first."""
    found = automl_scores(asking(clients, service), task(dataset))
    assert found.left == ()
    assert service.there == {}
    assert service.deleted() == ["BatchPredictionJob", "Model", "TrainingPipeline", "Dataset"]
    assert tables(clients) == {"features", "training"}


@pytest.mark.parametrize(
    ("kind", "told"),
    [("TrainingPipeline", "the training failed"), ("BatchPredictionJob", "the batch prediction failed")],
)
def test_a_failure_is_told_and_cleaned_up(
    clients: Clients, service: AutoMLService, dataset: Path, kind: str, told: str
) -> None:
    """In the words of the service, with the name of what failed."""
    service.ends[kind] = "FAILED"
    with pytest.raises(ServiceError, match=f"AutoML: {told}: it failed"):
        automl_scores(asking(clients, service), task(dataset))
    assert service.there == {}
    assert tables(clients) == {"features", "training"}


def test_an_interrupt_cancels_the_training(clients: Clients, service: AutoMLService, dataset: Path) -> None:
    """It would be paid for, and nobody would look at it."""

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        automl_scores(asking(clients, service), task(dataset), sleep=interrupt)
    assert "CancelTrainingPipeline" in service.calls
    assert "CreateBatchPredictionJob" not in service.calls


def test_a_training_that_was_left_running_is_waited_for(
    clients: Clients, service: AutoMLService, dataset: Path
) -> None:
    """A step that starts again for the same output pays once; another output has a training of its own."""
    killed, asked = task(dataset), asking(clients, service)
    left = training_pipeline(asked, killed, "projects/p/locations/l/datasets/7")
    asked.pipelines().create_training_pipeline(parent=PARENT, training_pipeline=left)
    automl_scores(asked, killed)
    assert service.calls.count("CreateTrainingPipeline") == 1
    asked.pipelines().create_training_pipeline(parent=PARENT, training_pipeline=left)
    automl_scores(asked, task(dataset, "gs://b/another/task/scores"))
    assert service.calls.count("CreateTrainingPipeline") == 3


def test_what_cannot_be_removed_is_named(clients: Clients, service: AutoMLService, dataset: Path) -> None:
    """It is no reason to lose scores that were paid for; after an error it is named, too."""
    service.refuses = frozenset({"DeleteModel"})
    found = automl_scores(asking(clients, service), task(dataset))
    assert found.rows.num_rows == sum(case.splits()[split].num_rows for split in SCORED)
    [left] = found.left
    assert left.endswith("/models/9")
    service.ends["BatchPredictionJob"] = "FAILED"
    with pytest.raises(ServiceError, match="it failed") as caught:
        automl_scores(asking(clients, service), task(dataset))
    assert caught.value.__notes__ == [f"still there: {left}"]


@pytest.mark.parametrize(("rows", "positives"), [(999, 500), (5000, 49), (5000, 4951), (0, 0)])
def test_too_few_rows_are_refused_before_anything_is_asked(
    clients: Clients, service: AutoMLService, dataset: Path, rows: int, positives: int
) -> None:
    """Vertex AI would take the money of the start, and fail."""
    wanted = task(dataset)
    few = SplitSummary(rows=rows, positives=positives, start="", end="")
    summary = dataclasses.replace(wanted.summary, splits={**wanted.summary.splits, "train": few})
    with pytest.raises(DataError, match="AutoML needs 1,000 training rows and 50 of each class"):
        automl_scores(asking(clients, service), dataclasses.replace(wanted, summary=summary))
    assert service.calls == []
