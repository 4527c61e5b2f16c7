"""Sums by one query equal those of the Arrow path, on a table with everything that is awkward in it."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from google.cloud import bigquery

from plumbline.adapters import bigquery as bq
from plumbline.adapters.clients import Clients
from plumbline.adapters.sql_histograms import sums_of_table
from plumbline.environment import Place
from plumbline.errors import DataError, ModelError
from plumbline.histogram import pr_area, roc_area
from plumbline.sums import Request, sum_up
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.vertex import fresh

ROWS = 2000
REQUEST = Request(
    models={"candidate": "candidate", "today": "baseline"},
    slices=((), ("shop",), ("hour",), ("shop", "hour"), ("gift", "shop")),
    thresholds=(0.1, 0.30000000000000004, 0.5),
)
FIELDS = ("rows", "weight", "weight_squares", "scores", "score_cross", "score_squares")
SCHEMA = {
    "label": "INT64",
    "candidate": "FLOAT64",
    "baseline": "FLOAT64",
    "mass": "FLOAT64",
    "shop": "STRING",
    "hour": "INT64",
    "gift": "BOOL",
}


@pytest.fixture(scope="module")
def clients(emulator: Emulator) -> Clients:
    """Clients of a place with a dataset of this module's own."""
    dataset = fresh("histograms").replace("-", "_")
    place = Place(project=PROJECT, location=LOCATION, bucket="histograms", dataset=dataset, bigquery_location=LOCATION)
    made = Clients(place, emulator.environment)
    bq.ensure_dataset(made.bigquery(), place)
    return made


def rows() -> pa.Table:
    """Ties, scores of exactly 0 and 1, scores at bucket edges and thresholds, missing slices, a slice of one class."""
    random = np.random.default_rng(3)
    label = (random.random(ROWS) < 0.3).astype(np.int64)
    shop = random.choice(["north", "south", "east"], ROWS)
    label[shop == "east"] = 0
    edges = random.integers(0, 10_001, ROWS) / 10_000
    odd = random.choice([0.0, 1.0, 0.1, 0.3, 0.30000000000000004, 0.5, 1e-300, np.nextafter(0.5, 1)], ROWS)
    return pa.table(
        {
            "label": label,
            "candidate": np.where(random.random(ROWS) < 0.5, random.random(ROWS), odd),
            "baseline": np.where(random.random(ROWS) < 0.5, edges, np.nextafter(edges, 0)),
            "mass": random.choice([0.0, 0.5, 3.0], ROWS),
            "shop": pa.array(shop, mask=random.random(ROWS) < 0.1),
            "hour": pa.array(random.integers(8, 12, ROWS), mask=random.random(ROWS) < 0.1),
            "gift": pa.array(random.random(ROWS) < 0.5, mask=random.random(ROWS) < 0.1),
        }
    )


def load(clients: Clients, table: pa.Table) -> str:
    """The rows as a table of a name of its own."""
    name = bq.full_name(clients.place, fresh("rows").replace("-", "_"))
    schema = [bigquery.SchemaField(column, kind) for column, kind in SCHEMA.items()]
    bq.load_table(clients.bigquery(), name, table, schema)
    return name


@pytest.mark.parametrize("weight", ["", "mass"])
def test_one_query_gives_what_the_rows_give(clients: Clients, weight: str) -> None:
    """Slices, histograms and sums are the same, and so are the areas; nothing is left in the dataset."""
    request = dataclasses.replace(REQUEST, weight=weight)
    table, scratch = load(clients, rows()), bq.full_name(clients.place, "scratch")
    found = sums_of_table(clients, table, request, scratch=scratch, maximum_bytes=10**9, labels={"kind": "test"})
    counted = sum_up([rows()], request)
    assert list(found) == [(model, names) for model in request.models for names in request.slices]
    for (model, names), sums in found.items():
        wanted = counted.sliced(model, names).whole
        assert sums.keys == wanted.keys
        assert sums.thresholds == wanted.thresholds
        for name in FIELDS:
            np.testing.assert_allclose(getattr(sums, name), getattr(wanted, name), rtol=1e-12, err_msg=name)
        for field in dataclasses.fields(wanted.histogram):
            np.testing.assert_array_equal(getattr(sums.histogram, field.name), getattr(wanted.histogram, field.name))
        for area in (roc_area, pr_area):
            np.testing.assert_array_equal(area(sums.histogram).value, area(wanted.histogram).value)
    assert bq.row_count(clients.bigquery(), scratch) == 0


@pytest.mark.parametrize(
    ("column", "value", "error", "message"),
    [
        ("label", 2, DataError, "a label in label is neither 0 nor 1"),
        ("label", None, DataError, "a label in label is neither 0 nor 1"),
        ("mass", -1.0, DataError, "a weight in mass is not a finite number"),
        ("mass", float("inf"), DataError, "a weight in mass is not a finite number"),
        ("mass", None, DataError, "a weight in mass is not a finite number"),
        ("candidate", 1.5, ModelError, r"a score of candidate is not in \[0, 1\]"),
        ("baseline", float("nan"), ModelError, r"a score of today is not in \[0, 1\]"),
        ("baseline", None, ModelError, r"a score of today is not in \[0, 1\]"),
    ],
)
def test_what_the_rows_are_refused_for_the_query_refuses(
    clients: Clients, column: str, value: float | None, error: type[Exception], message: str
) -> None:
    """One wrong value stops it, also in a row that is in no slice by any column."""
    table = rows().slice(0, 5)
    wrong = pa.array([*table.column(column).to_pylist()[:4], value], table.schema.field(column).type)
    table = table.set_column(table.column_names.index(column), column, wrong)
    absent = pa.array([*table.column("shop").to_pylist()[:4], None])
    name = load(clients, table.set_column(table.column_names.index("shop"), "shop", absent))
    request = dataclasses.replace(REQUEST, weight="mass", slices=(("shop",),))
    scratch = bq.full_name(clients.place, "scratch")
    with pytest.raises(error, match=message):
        sums_of_table(clients, name, request, scratch=scratch, maximum_bytes=10**9, labels={})
