"""The sums of an evaluation by one query: what comes back grows with slices and score buckets, not with rows.

`statement` writes the query, `assemble` makes of its result what `plumbline.sums` makes of the rows themselves.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.counters import add_up
from plumbline.errors import DataError, ModelError
from plumbline.histogram import BUCKETS, cells, gather, segments
from plumbline.scoreboard import OVERALL, SliceKey
from plumbline.section import Names
from plumbline.slicing import sortable
from plumbline.sums import Request, Sums

_SUMS: Mapping[str, str] = {
    "row_count": "CAST(COUNT(*) AS FLOAT64)",
    "weight": "SUM(weight)",
    "weight_squares": "SUM(weight * weight)",
    "scores": "SUM(weight * score)",
    "score_cross": "SUM(weight * weight * score)",
    "score_squares": "SUM(weight * weight * score * score)",
}
"""The sums of `Sums`, in its order."""


def statement(table: str, request: Request) -> str:
    """The query.

    Grain: one row a model, slice, class, score bucket and number of thresholds that the score is above. In `absent`
    bit i says that the i-th slicing column is not grouped by. `positive` and `bucket` are NULL for a label or a score
    that is none; `unfit` counts weights that are none.

    Args:
        table: project.dataset.table, with the columns that the request names.
        request: What to sum; rows are not dealt into parts here.
    """
    by = _columns(request)
    models = ", ".join(
        f"STRUCT('{model}' AS model, CAST({column} AS FLOAT64) AS score)" for model, column in request.models.items()
    )
    texts = "".join(f"  CAST({name} AS STRING) AS {_text(name)},\n" for name in by)
    absent = " + ".join(f"{1 << place} * GROUPING({_text(name)})" for place, name in enumerate(by)) or "0"
    inner = ",\n".join(
        f"    ({', '.join(['model, positive, bucket, above', *map(_text, names)])})" for names in _sets(by, request)
    )
    sums = ",\n  ".join(f"{formula} AS {name}" for name, formula in _SUMS.items())
    return f"""WITH
scored AS (
  SELECT
  CASE CAST({request.label} AS INT64) WHEN 1 THEN TRUE WHEN 0 THEN FALSE END AS positive,
  CAST({request.weight or 1} AS FLOAT64) AS weight,
{texts}  each.model,
  each.score
  FROM `{table}`, UNNEST([{models}]) AS each
),
bucketed AS (
  SELECT
  *,
  -- The arithmetic of plumbline.histogram, operation by operation, so that rounding is the same as well.
  CASE WHEN score >= 0 AND score <= 1 THEN CAST(TRUNC(score * {BUCKETS} + 1) AS INT64) END AS bucket,
  {_above(request.thresholds)} AS above,
  CASE WHEN weight >= 0 AND weight < CAST('inf' AS FLOAT64) THEN 0 ELSE 1 END AS is_unfit
  FROM scored
)
SELECT
  {absent} AS absent,
  {"".join(f"{_text(name)}, " for name in by)}model, positive, bucket, above,
  SUM(is_unfit) AS unfit,
  {sums}
FROM bucketed
GROUP BY GROUPING SETS (
{inner}
)"""  # noqa: S608 - identifiers of the config, which are checked names, and numbers


def assemble(rows: pa.Table, request: Request) -> Mapping[tuple[str, Names], Sums]:
    """The sums of each model on each entry of the request's slices, from the result of the query.

    Raises:
        DataError: A label is neither 0 nor 1, or a weight is not a finite number of at least 0.
        ModelError: A score is not a number in [0, 1].
    """
    _check(rows, request)
    return {
        (model, names): _sums(_of(rows, model, names, request), names, request)
        for model in request.models
        for names in request.slices
    }


def _columns(request: Request) -> Sequence[str]:
    return tuple(dict.fromkeys(name for names in request.slices for name in names))


def _text(name: str) -> str:
    """The alias of a slicing column as text: none of the columns, whose names have no capital, is called so."""
    return f"Slice_{name}"


def _sets(by: Sequence[str], request: Request) -> Iterator[Names]:
    """The sets of columns to group by, each once, all rows together first, where every row is looked at."""
    yield from dict.fromkeys([(), *(tuple(name for name in by if name in names) for names in request.slices)])


def _above(thresholds: Sequence[float]) -> str:
    # A number in SQL may be taken for a decimal; the text is the very float.
    return " + ".join(f"CAST(score > CAST('{threshold!r}' AS FLOAT64) AS INT64)" for threshold in thresholds) or "0"


def _check(rows: pa.Table, request: Request) -> None:
    whole = rows.filter(pc.equal(rows.column("absent"), (1 << len(_columns(request))) - 1))
    if whole.column("positive").null_count:
        raise DataError(f"a label in {request.label} is neither 0 nor 1")
    if pc.sum(whole.column("unfit")).as_py():
        raise DataError(f"a weight in {request.weight} is not a finite number of at least 0")
    wrong = whole.filter(pc.is_null(whole.column("bucket"))).column("model")
    if len(wrong):
        raise ModelError(f"a score of {wrong[0].as_py()} is not in [0, 1]")


def _of(rows: pa.Table, model: str, names: Names, request: Request) -> pa.Table:
    """The rows of a model and a set of columns, without those whose slice has no name: as in TFMA, it is none."""
    absent = sum(1 << place for place, name in enumerate(_columns(request)) if name not in names)
    kept = pc.and_(pc.equal(rows.column("absent"), absent), pc.equal(rows.column("model"), model))
    for name in names:
        kept = pc.and_(kept, pc.is_valid(rows.column(_text(name))))
    return rows.filter(kept)


def _sums(rows: pa.Table, names: Names, request: Request) -> Sums:
    """The sums of one model and entry from the n rows of its slices."""
    keys, place = _slices(rows, names)
    positive = rows.column("positive").to_numpy().astype(np.bool_)
    # The middle of a bucket is in the bucket's segment.
    segment = segments((rows.column("bucket").to_numpy() - 0.5) / BUCKETS)
    values = {name: rows.column(name).to_numpy() for name in _SUMS}
    weights = np.stack([values["weight"], values["weight_squares"]])
    width = len(request.thresholds) + 1
    cell = (place * width + rows.column("above").to_numpy()) * 2 + positive
    shape = (len(keys), width, 2)
    each = {name: add_up(cell, value, size=math.prod(shape)).reshape(shape) for name, value in values.items()}
    return Sums(
        keys=keys,
        thresholds=request.thresholds,
        rows=each["row_count"],
        weight=each["weight"],
        weight_squares=each["weight_squares"],
        scores=each["scores"],
        score_cross=each["score_cross"],
        score_squares=each["score_squares"],
        histogram=gather(cells(place, segment, positive), weights, slices=len(keys)),
    )


def _slices(rows: pa.Table, names: Names) -> tuple[tuple[SliceKey, ...], npt.NDArray[np.int64]]:
    """The slices in the order of their values, and the place of each row's among them, shape (n,)."""
    if not names:
        return (OVERALL,) if rows.num_rows else (), np.zeros(rows.num_rows, np.int64)
    groups = list(zip(*(rows.column(_text(name)).to_pylist() for name in names), strict=True))
    order = sorted(set(groups), key=lambda group: tuple(map(sortable, group)))
    places = {group: place for place, group in enumerate(order)}
    keys = tuple(tuple(zip(names, group, strict=True)) for group in order)
    return keys, np.array([places[group] for group in groups], np.int64)
