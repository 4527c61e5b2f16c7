"""What the emulator's monitoring counts, by queries, against counting the same values one by one."""

import datetime as dt
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from google.cloud import bigquery

from emulator.aiplatform.bigquery import BigQuery
from emulator.aiplatform.errors import ApiError
from emulator.aiplatform.monitoring_jobs.distance import BUCKETS, Numbers
from emulator.aiplatform.monitoring_jobs.samples import Samples
from emulator.aiplatform.monitoring_jobs.window import Instances, Span, asked
from tests.contract import vertex as vx
from tests.contract.conftest import PROJECT, Emulator
from tests.contract.request_log import SCHEMA, Logged, write

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
SPAN = Span(START, START + dt.timedelta(hours=1), has_before=False)
FEATURES = {"wind": True, "constant": True, "never": True, "text_number": True, "carrier": False, "gift": False}


@pytest.fixture(scope="module")
def samples(emulator: Emulator) -> Samples:
    """Counts in the emulator's BigQuery."""
    emulator.bigquery().create_dataset("samples", exists_ok=True)
    return Samples(BigQuery(emulator.endpoints.bigquery), PROJECT)


def log(emulator: Emulator, instances: Sequence[Mapping[str, Any]]) -> str:
    """A log of these instances, and of some that belong to another time or another model."""
    table = f"{PROJECT}.samples.{vx.fresh('log').replace('-', '_')}"
    noise = [{"wind": 1e9, "carrier": "noise"}]
    write(
        emulator.bigquery(),
        table,
        [
            Logged(START, instances),
            Logged(SPAN.end, noise),
            Logged(START - dt.timedelta(microseconds=1), noise),
            Logged(START, noise, model="78"),
        ],
    )
    return table


def instances() -> Sequence[Mapping[str, Any]]:
    """Numbers at edges, NaN and infinities as a client may write them, absent values, quotes and accents."""
    random = np.random.default_rng(3)
    winds = [math.nan, math.inf, -math.inf, None, *np.linspace(-1, 1, 11)]
    rows = [
        {
            "wind": winds[random.integers(len(winds))],
            "constant": 3,
            "text_number": str(int(random.integers(5))),
            "carrier": str(random.choice(["UA", "ünï'q\"ue", "", "a\\b"])),
            "gift": bool(random.random() < 0.5),
        }
        for _ in range(500)
    ]
    return [{name: value for name, value in row.items() if random.random() < 0.9} for row in rows]


def counted(rows: Sequence[Mapping[str, Any]], name: str) -> tuple[Counter[int], int]:
    """The values of a number in each bucket, by numpy; and those that match nothing."""
    values = np.array([float(row[name]) for row in rows if row.get(name) is not None])
    finite = values[np.isfinite(values)]
    counts, _ = np.histogram(finite, bins=BUCKETS)
    return Counter(dict(enumerate(counts.tolist()))), values.size - finite.size


def test_queries_count_what_is_there(emulator: Emulator, samples: Samples) -> None:
    """Numbers by numpy, categories by a Counter; what has no value is not there."""
    rows = instances()
    found = samples.requests(Instances(asked(log(emulator, rows), "77", SPAN)), FEATURES)
    assert set(found) == set(FEATURES) - {"never"}
    for name in ("wind", "text_number"):
        number = found[name]
        assert isinstance(number, Numbers)
        assert (Counter(dict(enumerate(number.counts))), number.unmatched) == counted(rows, name)
    assert found["constant"] == Numbers((3.0,), (sum("constant" in row for row in rows),))
    for name in ("carrier", "gift"):
        texts = [str(row[name]).lower() if name == "gift" else row[name] for row in rows if name in row]
        assert found[name] == Counter(texts)


def test_arrays_are_read_by_their_order(emulator: Emulator, samples: Samples) -> None:
    """Null is no value, and neither is what a short array lacks."""
    table = f"{PROJECT}.samples.{vx.fresh('log').replace('-', '_')}"
    raw(emulator, table, ['[1, "a"]', "[3, null]", "[2]", '{"x": 5}', "no JSON"])
    found = samples.requests(Instances(asked(table, "77", SPAN), ("x", "c")), {"x": True, "c": False})
    number = found["x"]
    assert isinstance(number, Numbers)
    assert (number.edges[0], number.edges[-1], number.total, found["c"]) == (1.0, 3.0, 3, {"a": 1})


def test_what_is_no_instance_counts_for_nothing(emulator: Emulator, samples: Samples) -> None:
    """A raw prediction may be of anything."""
    table = f"{PROJECT}.samples.{vx.fresh('log').replace('-', '_')}"
    raw(emulator, table, ["no JSON", "", "5", "[1]", '{"x": "far", "c": {"d": 1}}', '{"x": "4"}'])
    found = samples.requests(Instances(asked(table, "77", SPAN)), {"x": True, "c": False})
    assert found == {"x": Numbers((4.0,), (1,)), "c": {'{"d":1}': 1}}


def raw(emulator: Emulator, table: str, payload: Sequence[str]) -> None:
    """A log of one request."""
    row = {
        "deployed_model_id": "77",
        "logging_time": START.isoformat(),
        "request_id": "1",
        "request_payload": list(payload),
    }
    client = emulator.bigquery()
    client.create_table(bigquery.Table(table, schema=SCHEMA))
    assert not client.insert_rows_json(table, [row])


def test_types_are_inferred_from_all_values(emulator: Emulator, samples: Samples) -> None:
    """One text among numbers makes a category; so does having no value."""
    rows: list[Mapping[str, Any]] = [
        {"wind": 1, "carrier": "a", "mixed": 1},
        {"wind": 2.5, "carrier": "b", "mixed": "x"},
        {"wind": None},
    ]
    instances = Instances(asked(log(emulator, rows), "77", SPAN))
    found = samples.inferred(instances, ["wind", "carrier", "mixed", "never"])
    assert found == {"wind": True, "carrier": False, "mixed": False, "never": False}


def test_a_sample_is_of_requests_and_the_same_each_time(emulator: Emulator, samples: Samples) -> None:
    """About the rate of them, whole: each with its seven instances."""
    table = log(emulator, [{"wind": number} for number in range(7 * 400)])
    source = asked(table, "77", SPAN, rate=0.3, salt="job")
    first, again = samples.count(source), samples.count(source)
    assert (first == again, first % 7) == (True, 0)
    # Five standard deviations of a binomial of 400 at 0.3.
    assert abs(first / 7 - 120) < 46
    assert samples.count(asked(table, "77", SPAN, salt="job")) == 7 * 400


def test_a_log_that_is_not_there_is_empty_and_a_wrong_name_refused(samples: Samples) -> None:
    """A log is made with its first row; a name of a feature must not get into SQL."""
    nowhere = Instances(asked(f"{PROJECT}.samples.nowhere", "77", SPAN))
    assert (samples.requests(nowhere, FEATURES), samples.count(nowhere.source)) == ({}, 0)
    with pytest.raises(ApiError, match="cannot be the name of a feature"):
        samples.requests(nowhere, {"a`b": True})
    with pytest.raises(ApiError, match="nowhere is not found"):
        samples.training(f"{PROJECT}.samples.nowhere", FEATURES)
