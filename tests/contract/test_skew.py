"""Distances by queries equal those of the rows themselves, on a log and a training table with all that is awkward."""

import datetime as dt
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from google.cloud import bigquery

from plumbline.adapters import bigquery as bq
from plumbline.adapters.clients import Clients
from plumbline.adapters.skew import Limits, Question, watch_report
from plumbline.environment import Place
from plumbline.errors import DataError
from plumbline.skew import ANSWERS, Kind, WatchReport, judge
from plumbline.skew_counts import count
from plumbline.skew_sql import Window
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.request_log import SCHEMA, Logged, write
from tests.contract.vertex import fresh

KINDS: Mapping[str, Kind] = {
    "distance": "number",
    "wind": "number",
    "constant": "number",
    "never": "number",
    "carrier": "category",
    "gift": "category",
    "many": "category",
    "shop_number": "category",
}
THRESHOLDS = dict.fromkeys(KINDS, 0.1)
START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
NOW = Window(START, START + DAY, ("77",))
ROWS = 3000
ANSWERED = {"score": 0.1, "decision": 0.05}


@pytest.fixture(scope="module")
def clients(emulator: Emulator) -> Clients:
    """Clients of a place with a dataset of this module's own."""
    dataset = fresh("skew").replace("-", "_")
    place = Place(project=PROJECT, location=LOCATION, bucket="skew", dataset=dataset, bigquery_location=LOCATION)
    made = Clients(place, emulator.environment)
    bq.ensure_dataset(made.bigquery(), place)
    return made


def instances(seed: int, moved: float) -> Sequence[Mapping[str, Any]]:
    """Requests with values at bucket edges, missing ones, NaN and infinities as a client may write them."""
    random = np.random.default_rng(seed)
    winds = [math.nan, math.inf, -math.inf, None, *np.linspace(-1, 1, 11)]
    rows = []
    for _ in range(ROWS):
        row = {
            "distance": round(float(random.normal(500 + moved, 200)), int(random.integers(0, 14))),
            "wind": winds[random.integers(len(winds))],
            "constant": 3.0,
            "carrier": str(
                random.choice(["UA", "AA", "ünï'q\"ue", ""], p=[0.5, 0.3 - moved / 1000, 0.1, 0.1 + moved / 1000])
            ),
            "gift": bool(random.random() < 0.5),
            "many": f"category {int(random.zipf(1.3)) % 3000}",
            "shop_number": int(random.integers(1, 5)),
        }
        rows.append({name: value for name, value in row.items() if random.random() < 0.97})
    return rows


def answers(seed: int, moved: float) -> Sequence[Mapping[str, Any]]:
    """Answers of the serving container."""
    scores = np.random.default_rng(seed).beta(2 + moved / 100, 8, ROWS)
    return [{"score": float(score), "decision": bool(score > 0.3)} for score in scores]


def table(rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, Kind]) -> pa.Table:
    """The rows as they are compared, by another way than JSON in SQL."""

    def text(value: object) -> str | None:
        return None if value is None else value if isinstance(value, str) else json.dumps(value)

    columns = {}
    for name, kind in kinds.items():
        values = [row.get(name) for row in rows]
        columns[name] = pa.array(values, pa.float64()) if kind == "number" else pa.array(map(text, values), pa.string())
    return pa.table(columns)


def by_rows(sides: Mapping[str, pa.Table], answered: Sequence[pa.Table]) -> WatchReport:
    """The report, from rows in Arrow."""
    counts = {name: count(lambda rows=rows: rows.to_batches(), KINDS) for name, rows in sides.items()}  # type: ignore[misc] # bound
    before, now = (count(lambda rows=rows: rows.to_batches(), ANSWERS) for rows in answered)  # type: ignore[misc] # bound
    return WatchReport(
        (
            *judge("skew", counts["trained"], counts["now"], kinds=KINDS, thresholds=THRESHOLDS, minimum_rows=100),
            *judge("drift", counts["before"], counts["now"], kinds=KINDS, thresholds=THRESHOLDS, minimum_rows=100),
            *judge("prediction drift", before, now, kinds=ANSWERS, thresholds=ANSWERED, minimum_rows=100),
        )
    )


def question(clients: Clients, trained: pa.Table) -> Question:
    """A training table and a log in the emulator: two windows, what lies around them, and another model's requests."""
    client, name = clients.bigquery(), bq.full_name(clients.place, fresh("training").replace("-", "_"))
    kinds = {"number": "FLOAT64", "category": "STRING"}
    bq.load_table(client, name, trained, [bigquery.SchemaField(each, kinds[kind]) for each, kind in KINDS.items()])
    log = bq.full_name(clients.place, fresh("log").replace("-", "_"))
    noise = [{"distance": 9e9, "carrier": "noise"}]
    elsewhere = [{"score": 0.99, "decision": True}]
    write(
        client,
        log,
        [
            Logged(START - DAY, instances(2, 0), answers(2, 0)),
            Logged(START, instances(3, 100), answers(3, 100)),
            Logged(START - DAY - dt.timedelta(microseconds=1), noise, elsewhere),
            Logged(START + DAY, noise, elsewhere),
            Logged(START, noise, elsewhere, model="78"),
        ],
    )
    return Question(log, name, NOW, KINDS, THRESHOLDS, THRESHOLDS, ANSWERED, 100)


def test_queries_give_what_the_rows_give(clients: Clients) -> None:
    """Distances to 1e-9, counts exactly, and the same verdicts; and nothing is left in the dataset."""
    trained = table(instances(1, 0), KINDS)
    asked = question(clients, trained)
    scratch = bq.full_name(clients.place, "scratch")
    found = watch_report(clients, asked, Limits(scratch, 10**9, {"kind": "test"}))
    sides = {"trained": trained, "before": table(instances(2, 0), KINDS), "now": table(instances(3, 100), KINDS)}
    wanted = by_rows(sides, [table(answers(2, 0), ANSWERS), table(answers(3, 100), ANSWERS)])
    assert len(found.distances) == len(wanted.distances) == 2 * len(KINDS) + 2
    for one, other in zip(found.distances, wanted.distances, strict=True):
        assert one.value == (None if other.value is None else pytest.approx(other.value, abs=1e-9)), one
        for name in ("objective", "name", "kind", "threshold", "before", "now", "missing", "is_anomaly", "reason"):
            assert getattr(one, name) == getattr(other, name), one
    assert {each.name for each in found.not_judged} == {"never"}
    assert {(each.objective, each.name) for each in found.anomalies} >= {("prediction drift", "decision")}
    dataset = f"{clients.place.project}.{clients.place.dataset}"
    assert not [each.table_id for each in clients.bigquery().list_tables(dataset) if "scratch" in each.table_id]


def test_an_empty_window_is_not_judged(clients: Clients) -> None:
    """Nobody asked anything: no anomaly, but no pass either."""
    asked = question(clients, table(instances(1, 0), KINDS))
    later = Window(START + 5 * DAY, START + 6 * DAY)
    limits = Limits(bq.full_name(clients.place, "scratch"), 10**9, {})
    found = watch_report(
        clients, Question(asked.log_table, asked.training_table, later, KINDS, THRESHOLDS, {}, {}, 100), limits
    )
    assert (found.anomalies, len(found.not_judged), found.passed) == ((), len(KINDS), False)
    assert found.distances[0].reason.endswith("and 0 now, wanted at least 100 of each")


def test_a_table_that_is_not_there_is_refused(clients: Clients) -> None:
    """And a report of it does not look like one of an empty window."""
    absent = bq.full_name(clients.place, "absent")
    limits = Limits(bq.full_name(clients.place, "scratch"), 10**9, {})
    with pytest.raises(DataError, match="absent"):
        watch_report(clients, Question(absent, absent, NOW, KINDS, THRESHOLDS, {}, {}, 100), limits)


def test_the_log_has_vertex_s_columns() -> None:
    """As its documentation lists them."""
    listed = [(field.name, field.field_type, field.mode) for field in SCHEMA]
    assert listed == [
        ("endpoint", "STRING", "NULLABLE"),
        ("deployed_model_id", "STRING", "NULLABLE"),
        ("logging_time", "TIMESTAMP", "NULLABLE"),
        ("request_id", "NUMERIC", "NULLABLE"),
        ("request_payload", "STRING", "REPEATED"),
        ("response_payload", "STRING", "REPEATED"),
    ]
