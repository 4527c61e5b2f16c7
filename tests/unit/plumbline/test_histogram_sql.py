"""The query of an evaluation's sums: what is grouped by, and that its result is read as what it is."""

import pyarrow as pa
import pytest

from plumbline.errors import DataError, ModelError
from plumbline.histogram_sql import assemble, statement
from plumbline.sums import Request

REQUEST = Request(
    models={"candidate": "score"}, slices=((), ("shop",), ("shop", "hour"), ("hour", "shop")), thresholds=(0.5,)
)
SLICES = ("Slice_shop", "Slice_hour")


def result(*rows: tuple[int, str | None, str | None, bool | None, int | None, int, float, float]) -> pa.Table:
    """Rows of absent, shop, hour, class, bucket, above, number of rows and score of each; no weights."""
    lines = [
        {
            "absent": absent,
            "Slice_shop": shop,
            "Slice_hour": hour,
            "model": "candidate",
            "positive": positive,
            "bucket": bucket,
            "above": above,
            "unfit": 0,
            **dict.fromkeys(("row_count", "weight", "weight_squares"), count),
            **dict.fromkeys(("scores", "score_cross"), count * score),
            "score_squares": count * score * score,
        }
        for absent, shop, hour, positive, bucket, above, count, score in rows
    ]
    return pa.Table.from_pylist(lines)


def test_each_set_of_columns_is_grouped_by_once() -> None:
    """Two entries of the same columns in another order have the same groups; all rows together always have one."""
    sql = statement("p.d.t", REQUEST)
    groups = sql.partition("GROUPING SETS (\n")[2].splitlines()[:-1]
    first = "model, positive, bucket, above"
    assert groups == [f"    ({first}),", f"    ({first}, Slice_shop),", f"    ({first}, Slice_shop, Slice_hour)"]
    assert "1 * GROUPING(Slice_shop) + 2 * GROUPING(Slice_hour) AS absent" in sql


def test_models_weights_and_thresholds_are_in_the_query() -> None:
    """A threshold is the very float that it is elsewhere."""
    request = Request(
        models={"a": "x", "b": "y"}, slices=((),), thresholds=(0.30000000000000004,), label="late", weight="mass"
    )
    sql = statement("p.d.t", request)
    assert "STRUCT('a' AS model, CAST(x AS FLOAT64) AS score), STRUCT('b' AS model, CAST(y AS FLOAT64) AS score)" in sql
    assert "score > CAST('0.30000000000000004' AS FLOAT64)" in sql
    assert "CAST(mass AS FLOAT64) AS weight" in sql
    assert "CASE CAST(late AS INT64)" in sql
    assert "0 AS absent" in sql


def test_the_result_becomes_sums_by_slice() -> None:
    """By hand: two slices in order, a third without a name left out; a score of 0.7 is in segment 6999."""
    rows = result(
        (3, None, None, True, 7001, 1, 3.0, 0.7),
        (3, None, None, False, 1, 0, 4.0, 0.0),
        (2, "b", None, True, 7001, 1, 2.0, 0.7),
        (2, None, None, True, 7001, 1, 1.0, 0.7),
        (2, "a", None, False, 1, 0, 4.0, 0.0),
    )
    found = assemble(rows, REQUEST)
    by_shop = found["candidate", ("shop",)]
    assert by_shop.keys == ((("shop", "a"),), (("shop", "b"),))
    assert by_shop.rows.tolist() == [[[4.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 2.0]]]
    assert by_shop.scores.tolist() == [[[0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1.4]]]
    assert (by_shop.histogram.slice.tolist(), by_shop.histogram.segment.tolist()) == ([0, 1], [0, 6999])
    assert found["candidate", ()].histogram.positive.tolist() == [0.0, 3.0]
    assert found["candidate", ("hour", "shop")].keys == ()


@pytest.mark.parametrize(
    ("row", "error", "message"),
    [
        ((3, None, None, None, 1, 0, 1.0, 0.0), DataError, "a label in label is neither 0 nor 1"),
        ((3, None, None, True, None, 0, 1.0, 0.0), ModelError, r"a score of candidate is not in \[0, 1\]"),
    ],
)
def test_what_is_no_label_or_score_is_refused(
    row: tuple[int, str | None, str | None, bool | None, int | None, int, float, float],
    error: type[Exception],
    message: str,
) -> None:
    """The query says NULL for it, and nothing may follow from the rest."""
    with pytest.raises(error, match=message):
        assemble(result(row), REQUEST)
