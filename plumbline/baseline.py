"""The way things are done today, and the prevalence, as models: what a candidate has to beat."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.errors import DataError
from plumbline.features import derived
from plumbline.ingestion import is_positive
from plumbline.problem import Baseline, Data
from plumbline.section import section

Floats = npt.NDArray[np.float64]
_LABEL = "is positive"
"""A column of our own beside the config's, none of which has a space in its name."""


@section
class Rate:
    """A group's rate of positives in the training split."""

    group: tuple[str, ...]
    """Its values, in the order of `by`, as text."""
    rows: int
    rate: float


@section
class Rates:
    """Today's way: a table to look the rate up in."""

    by: tuple[str, ...]
    prevalence: float
    """Rate of all rows, and of a group that training does not know."""
    rates: tuple[Rate, ...]


def historical_rates(train: pa.Table, data: Data, baseline: Baseline) -> Rates:
    """The smoothed rate of positives of each group: (positives + s * prevalence) / (rows + s).

    Raises:
        DataError: There are no rows.
    """
    if not train.num_rows:
        raise DataError("the baseline needs training rows, got none")
    table = _groups(train, data, baseline.by).append_column(_LABEL, _positive(train, data))
    prevalence = float(pc.mean(table.column(_LABEL)).as_py())
    grouped = table.group_by(list(baseline.by)).aggregate([(_LABEL, "sum"), (_LABEL, "count")]).to_pylist()
    smoothing = baseline.smoothing
    rates = [
        Rate(
            group=tuple(row[name] for name in baseline.by),
            rows=row[f"{_LABEL}_count"],
            rate=(row[f"{_LABEL}_sum"] + smoothing * prevalence) / (row[f"{_LABEL}_count"] + smoothing),
        )
        for row in grouped
    ]
    return Rates(by=baseline.by, prevalence=prevalence, rates=tuple(sorted(rates, key=lambda rate: rate.group)))


def look_up(table: pa.Table, data: Data, rates: Rates) -> Floats:
    """The rate of each row's group, shape (n,)."""
    known = {rate.group: rate.rate for rate in rates.rates}
    columns = _groups(table, data, rates.by).to_pydict()
    groups = zip(*(columns[name] for name in rates.by), strict=True)
    return np.array([known.get(group, rates.prevalence) for group in groups], dtype=np.float64)


def score(train: pa.Table, test: pa.Table, data: Data, baseline: Baseline) -> tuple[Rates, pa.Table]:
    """Today's rates, and the test rows' keys with the scores of both baselines, in the order of the split."""
    rates = historical_rates(train, data, baseline)
    today = look_up(test, data, rates)
    scores = test.select(list(data.key))
    scores = scores.append_column("prevalence", pa.array(np.full(test.num_rows, rates.prevalence)))
    return rates, scores.append_column("today", pa.array(today))


def _groups(table: pa.Table, data: Data, by: tuple[str, ...]) -> pa.Table:
    """The grouping columns as text, missing values as the empty text."""
    known = {**data.features, **data.attributes}
    values = {name: pc.fill_null(pc.cast(derived(table, name, known[name]), pa.string()), "") for name in by}
    return pa.table(values)


def _positive(table: pa.Table, data: Data) -> pa.ChunkedArray:
    return pc.cast(pc.fill_null(is_positive(table, data.label), fill_value=False), pa.int64())
