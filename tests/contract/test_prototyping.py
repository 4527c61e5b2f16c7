"""Quick prototypes against a BigQuery without BigQuery ML: the same models by scikit-learn, and what each row gets."""

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plumbline.adapters import bigquery as bq
from plumbline.adapters.clients import Clients
from plumbline.adapters.prototyping import in_order, try_out
from plumbline.adapters.table_files import load_file
from plumbline.dataset import SCORED, SPLITS, Summary, split_path, write_summary
from plumbline.environment import Place
from plumbline.errors import DataError, NotOfferedError
from plumbline.ingestion import summarise
from plumbline.prototype import Prototype
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.vertex import fresh
from tests.unit.plumbline import data_case as case


@pytest.fixture(scope="module")
def clients(emulator: Emulator) -> Clients:
    """Clients of a place of its own."""
    dataset = fresh("proto").replace("-", "_")
    place = Place(project=PROJECT, location=LOCATION, bucket="models", dataset=dataset, bigquery_location=LOCATION)
    return Clients(place, emulator.environment)


@pytest.fixture(scope="module")
def dataset(clients: Clients, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small problem's splits as `ingest` leaves them, and the tables that they are of."""
    folder = tmp_path_factory.mktemp("dataset")
    splits = case.splits()
    for split, table in splits.items():
        pq.write_table(table, split_path(folder, split), row_group_size=100)
    for name, rows in (("features", pa.concat_tables(splits.values())), ("training", splits["train"])):
        pq.write_table(rows, folder / f"{name}.parquet")
        load_file(clients.bigquery(), clients.place, name, folder / f"{name}.parquet")
    write_summary(
        folder,
        Summary(
            table=bq.full_name(clients.place, "features"),
            training_table=bq.full_name(clients.place, "training"),
            bytes_processed=1,
            source_changed="",
            splits={split: summarise(splits[split], case.data()) for split in SPLITS},
        ),
    )
    return folder


def test_without_bigquery_ml_the_models_are_made_here(clients: Clients, dataset: Path, tmp_path: Path) -> None:
    """The report says by what and why; every row of both splits has a score of each, in order and in its parts."""
    found = try_out(clients, "orders", case.data(), Prototype(trees=5), dataset=dataset, output=tmp_path / "scores")
    assert [(result.model, result.engine) for result in found.results] == [
        ("logistic_regression", "scikit-learn"),
        ("boosted_trees", "scikit-learn"),
    ]
    assert all("emulator" in result.reason for result in found.results)
    for split in SCORED:
        rows, scores = (pq.ParquetFile(split_path(folder, split)) for folder in (dataset, tmp_path / "scores"))
        assert scores.schema_arrow.names == ["order_id", "logistic_regression", "boosted_trees"]
        assert scores.num_row_groups == rows.num_row_groups
        assert scores.read().column("order_id").equals(rows.read().column("order_id"))
        values = scores.read(columns=["boosted_trees"]).column(0).to_numpy()
        assert ((values > 0) & (values < 1)).all()


def test_one_model_alone(clients: Clients, dataset: Path, tmp_path: Path) -> None:
    """What is not asked for is not made."""
    try_out(
        clients, "orders", case.data(), Prototype(models=("boosted_trees",), trees=2), dataset=dataset, output=tmp_path
    )
    assert pq.read_schema(split_path(tmp_path, "test")).names == ["order_id", "boosted_trees"]


def test_a_query_that_bigquery_refuses_is_no_reason_to_go_on(clients: Clients, dataset: Path, tmp_path: Path) -> None:
    """Only where BigQuery ML is not offered are the models made here."""
    wrong = dataclasses.replace(case.data(), features={**case.data().features, "shape": case.data().features["shop"]})
    with pytest.raises(DataError, match="shape"):
        try_out(clients, "orders", wrong, Prototype(), dataset=dataset, output=tmp_path)


def test_what_is_not_offered_is_an_error_of_its_own(clients: Clients) -> None:
    """The emulator's 501 can be told from a failure."""
    query = "SELECT * FROM ML.PREDICT(MODEL `plumbline-test.d.m`, (SELECT 1 AS x))"
    with pytest.raises(NotOfferedError, match="not supported"):
        bq.execute(clients.bigquery(), query, maximum_bytes=10**9, labels={})


KEYS = pa.table({"a": [1, 1, 2], "b": ["x", "y", "x"]})


def test_scores_come_into_the_order_of_the_rows() -> None:
    """BigQuery promises none."""
    scored = pa.table({"b": ["x", "x", "y"], "score": [0.3, 0.1, 0.2], "a": [2, 1, 1]})
    np.testing.assert_array_equal(in_order(KEYS, scored, ("a", "b")), [0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    "scored",
    [
        pa.table({"a": [2, 1], "b": ["x", "x"], "score": [0.3, 0.1]}),
        pa.table({"a": [2, 1, 1, 1], "b": ["x", "x", "y", "y"], "score": [0.3, 0.1, 0.2, 0.2]}),
        pa.table({"a": [2, 1, 1], "b": ["x", "x", "y"], "score": [0.3, None, 0.2]}),
    ],
)
def test_rows_without_one_score_are_refused(scored: pa.Table) -> None:
    """A row that is absent, there twice, or without a value."""
    with pytest.raises(DataError, match="wanted each once"):
        in_order(KEYS, scored, ("a", "b"))
