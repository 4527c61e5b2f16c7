"""One definition of features: the same values by SQL, by Parquet and by the JSON of a request, so the same scores."""

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from google.cloud import bigquery
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.adapters import bigquery as bq
from plumbline.adapters.savedmodel import Scorer, load
from plumbline.environment import Place
from plumbline.features import Arrays, from_instances, from_table, to_instances
from plumbline.problem import Label, Network
from plumbline.signature import Signature, write_signature
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.vertex import fresh
from tests.unit.trainer import orders
from trainer.encoder import Encoder, statistics, tally
from trainer.model import build, export

FEATURES = orders.SIGNATURE.features
KINDS = {
    "price": (pa.float64(), "FLOAT64"),
    "shop": (pa.string(), "STRING"),
    "department": (pa.int64(), "INT64"),
    "gift": (pa.bool_(), "BOOL"),
    "ordered_at": (pa.timestamp("us"), "DATETIME"),
}
SCHEMA = pa.schema([(name, kind) for name, (kind, _) in KINDS.items()])
MOMENTS = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1))  # noqa: DTZ001 - wall clocks
_NOTHING: dict[str, object] = dict.fromkeys(KINDS)
EXTREMES = (
    _NOTHING,
    *({**_NOTHING, "price": price} for price in (0.0, -0.0, 1e30, -1e30, 1e-300, 0.1, 16777217.0)),
    *({**_NOTHING, "shop": shop} for shop in (" ", "ü€𝄞", "a,b;\"c'\\n", "NULL", "x" * 300, "e\u0301", "1")),
    *({**_NOTHING, "department": number} for number in (0, -1, 2**53, -(2**53), 2**31)),
    *({**_NOTHING, "gift": gift} for gift in (False, True)),
    *(
        {**_NOTHING, "ordered_at": dt.datetime(*moment)}  # noqa: DTZ001 - wall clocks
        for moment in (
            (1900, 1, 1),
            (2199, 12, 31, 23, 59, 59),
            (2013, 3, 10, 2, 30),
            (2013, 11, 3, 1, 30),
            (2016, 2, 29),
        )
    ),
)
"""Also minutes that a clock leaves out or repeats, and texts that look like something else."""
ROWS = st.fixed_dictionaries(
    {
        "price": st.none() | st.floats(-1e30, 1e30, allow_nan=False),
        "shop": st.none() | st.text(max_size=12).filter(bool),
        "department": st.none() | st.integers(-(2**53), 2**53),
        "gift": st.none() | st.booleans(),
        "ordered_at": st.none() | MOMENTS.map(lambda moment: moment.replace(microsecond=0)),
    }
)


def same(one: Arrays, other: Arrays) -> None:
    """Categories and times to the last bit, numbers to 1e-6 of their size; missing where the other is."""
    assert list(one) == list(other)
    for name, values in one.items():
        if values.dtype.kind == "f":
            one_way, other_way = (np.asarray(found, np.float64) for found in (values, other[name]))
            np.testing.assert_allclose(one_way, other_way, rtol=1e-6, atol=1e-6)
        else:
            np.testing.assert_array_equal(values, other[name])


def as_requests(table: pa.Table) -> Arrays:
    """The rows as JSON, there and back."""
    return from_instances(json.loads(json.dumps(to_instances(table, FEATURES))), FEATURES)


@settings(max_examples=150, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=6))
def test_a_row_as_a_request_is_the_row(rows: list[dict[str, object]]) -> None:
    """Whatever is in it: NULLs, integers as categories, old times, large numbers, any text."""
    table = pa.Table.from_pylist(rows, SCHEMA)
    same(as_requests(table), from_table(table, FEATURES))


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """Rows of every kind, with NULLs; the first are what columns can hold at most, or nothing at all."""
    usual = orders.table(500 - len(EXTREMES), 5).select(list(KINDS)).cast(SCHEMA)
    return pa.concat_tables([pa.Table.from_pylist(list(EXTREMES), SCHEMA), usual]).combine_chunks()


@pytest.fixture(scope="module")
def by_sql(emulator: Emulator, table: pa.Table) -> pa.Table:
    """The rows, through BigQuery."""
    place = Place(
        project=PROJECT,
        location=LOCATION,
        bucket="models",
        dataset=fresh("parity").replace("-", "_"),
        bigquery_location=LOCATION,
    )
    client = emulator.bigquery()
    bq.ensure_dataset(client, place)
    schema = [bigquery.SchemaField("number", "INT64")]
    schema += [bigquery.SchemaField(name, kind) for name, (_, kind) in KINDS.items()]
    numbered = table.add_column(0, "number", pa.array(range(table.num_rows)))
    bq.load_table(client, bq.full_name(place, "raw"), numbered, schema)
    query, made = f"SELECT * FROM `{bq.full_name(place, 'raw')}`", bq.full_name(place, "features")  # noqa: S608 - own names
    bq.materialise(client, query, made, maximum_bytes=10**9, labels={})
    read = bq.read_table(emulator.bigquery_read(), made, columns=["number", *KINDS])
    return pa.Table.from_batches(list(read)).sort_by("number").drop_columns(["number"])


def test_sql_parquet_and_requests_give_the_same_features(table: pa.Table, by_sql: pa.Table, tmp_path: Path) -> None:
    """The table as BigQuery reads it, as a dataset's file has it, and as an endpoint is asked."""
    pq.write_table(by_sql, tmp_path / "rows.parquet")
    stored = pq.read_table(tmp_path / "rows.parquet")
    wanted = from_table(table, FEATURES)
    for found in (from_table(by_sql, FEATURES), from_table(stored, FEATURES), as_requests(stored)):
        same(found, wanted)


@pytest.fixture(scope="module")
def scorer(table: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    """A network as it came into being, with what the rows teach its encoder."""
    tf.random.set_seed(3)
    folder = tmp_path_factory.mktemp("model")
    encoder = Encoder(FEATURES, statistics(tally(from_table(table, FEATURES), FEATURES)))
    network = build(
        encoder.layout.numbers, encoder.cardinalities, Network(hidden=(8,), dropout=0.0, embedding=3), prior=0.3
    )
    export(encoder, network, FEATURES, str(folder))
    write_signature(folder, Signature(name="orders", features=FEATURES, label=Label(column="outcome", positive="x")))
    return load(folder)


def test_the_same_row_has_the_same_score_every_way(scorer: Scorer, table: pa.Table, by_sql: pa.Table) -> None:
    """From BigQuery, from a file and from a request, in a batch and alone."""
    wanted = scorer.score(from_table(table, FEATURES))
    np.testing.assert_allclose(scorer.score(from_table(by_sql, FEATURES)), wanted, atol=1e-6)
    np.testing.assert_allclose(scorer.score(as_requests(by_sql)), wanted, atol=1e-6)
    alone = [scorer.score(as_requests(by_sql.slice(row, 1)))[0] for row in range(0, 500, 50)]
    np.testing.assert_allclose(alone, wanted[::50], atol=1e-6)
    assert np.ptp(wanted) > 0.01, "scores that are all the same would prove nothing"
