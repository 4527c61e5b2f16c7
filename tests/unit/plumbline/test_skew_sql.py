"""The queries that count samples: their text where it matters, and what is made of their results."""

import datetime as dt

import numpy as np
import pytest

from plumbline.shift import Histogram
from plumbline.skew import Kind
from plumbline.skew_sql import Window, answered, asked, assemble, buckets, held, ranges, ranks

KINDS: dict[str, Kind] = {"x": "number", "c": "category"}
START = dt.datetime(2026, 3, 2, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))
WINDOW = Window(START, START + dt.timedelta(hours=6), ("7", "8"))


def test_a_window_is_in_utc_half_open_and_of_its_models() -> None:
    """An hour east of Greenwich; the end belongs to the next window."""
    sql = asked("p.d.t", WINDOW, KINDS)
    assert "logging_time >= TIMESTAMP '2026-03-02 00:00:00.000000+00'" in sql
    assert "logging_time < TIMESTAMP '2026-03-02 06:00:00.000000+00'" in sql
    assert "deployed_model_id IN ('7', '8')" in sql
    assert "UNNEST(response_payload)" in answered("p.d.t", WINDOW, KINDS)
    assert WINDOW.before == Window(START - dt.timedelta(hours=6), START, ("7", "8"))


def test_an_id_that_is_no_number_does_not_get_into_a_query() -> None:
    """It would be SQL."""
    with pytest.raises(ValueError, match="invalid literal"):
        asked("p.d.t", Window(START, START, ("7') OR ('' = '",)), KINDS)


def test_a_log_is_read_by_one_query_and_the_rest_reads_columns() -> None:
    """JSON is parsed in `asked` alone."""
    source = held("p.d.t", KINDS)
    found = {"low_0": 0.0, "high_0": 10.0}
    queries = [ranges(source, KINDS), buckets(source, KINDS, found), ranks(source, KINDS)]
    assert not [sql for sql in queries if "JSON" in sql]
    assert asked("p.d.t", WINDOW, KINDS).count("JSON_VALUE(each") == 2


def test_results_become_counts() -> None:
    """Buckets are differences of counts below their edges; what is in none of them is infinite."""
    below = {f"below_0_{edge}": 1 + edge * 2 for edge in range(11)}
    counted = {"rows_seen": 30, "present_0": 25, "nan_0": 3, "present_1": 7, **below}
    ranked = [{"place": 1, "name": "a", "times": 5}, {"place": 1, "name": "b", "times": 2}]
    found = assemble(KINDS, {"low_0": 0.0, "high_0": 10.0}, counted, ranked)
    histogram = found["x"].values
    assert isinstance(histogram, Histogram)
    assert histogram.edges.tolist() == list(range(11))
    assert histogram.counts.tolist() == [2] * 10
    assert (histogram.not_numbers, histogram.infinite, found["x"].present) == (3, 2, 25)
    assert (found["c"].values, found["c"].present, found["c"].rows) == ({"a": 5, "b": 2}, 7, 30)


def test_a_number_without_a_finite_value_has_no_bucket() -> None:
    """Its range is NULL; one that may overflow has none either, and is infinite."""
    for low, high in ((None, None), (-1.5e308, 1.5e308)):
        found = {"low_0": low, "high_0": high}
        assert "below_0" not in buckets(held("p.d.t", KINDS), KINDS, found)
        counted = {"rows_seen": 4, "present_0": 4, "nan_0": 1, "present_1": 0}
        histogram = assemble(KINDS, found, counted, [])["x"].values
        assert isinstance(histogram, Histogram)
        assert (np.size(histogram.counts), histogram.not_numbers, histogram.infinite) == (0, 1, 3)
