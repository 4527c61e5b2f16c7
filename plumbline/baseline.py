"""The way things are done today, and the prevalence, as models: what a candidate has to beat."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.dataset import SCORED, split_path, stored, stored_rows
from plumbline.errors import DataError
from plumbline.features import columns, derived
from plumbline.ingestion import is_positive
from plumbline.problem import Baseline, Data
from plumbline.section import section

Floats = npt.NDArray[np.float64]
_LABEL = "is positive"
"""A column of our own beside the config's, none of which has a space in its name."""
_POSITIVES, _ROWS = f"{_LABEL}_sum", f"{_LABEL}_count"
"""What Arrow calls the sum and the count of it."""


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


def needed(data: Data, by: Sequence[str]) -> Sequence[str]:
    """The columns of a split that the baselines look at: key, label, and what the groups are made from."""
    known = {**data.features, **data.attributes}
    named = [*data.key, data.label.column, *columns({name: known[name] for name in by})]
    return list(dict.fromkeys(named))


def historical_rates(train: Iterable[pa.Table], data: Data, baseline: Baseline) -> Rates:
    """The smoothed rate of positives of each group: (positives + s * prevalence) / (rows + s).

    Args:
        train: The training split, in parts.
        data: The columns.
        baseline: The grouping, and `s`.

    Raises:
        DataError: There are no rows.
    """
    counted = [_counted(part, data, baseline.by) for part in train]
    if not any(part.num_rows for part in counted):
        raise DataError("the baseline needs training rows, got none")
    sums = [(_POSITIVES, "sum"), (_ROWS, "sum")]
    grouped = pa.concat_tables(counted).group_by(list(baseline.by)).aggregate(sums).to_pylist()
    of = {tuple(row[name] for name in baseline.by): (row[f"{_POSITIVES}_sum"], row[f"{_ROWS}_sum"]) for row in grouped}
    prevalence = sum(positives for positives, _ in of.values()) / sum(rows for _, rows in of.values())
    smoothing = baseline.smoothing
    rates = [
        Rate(group=group, rows=rows, rate=(positives + smoothing * prevalence) / (rows + smoothing))
        for group, (positives, rows) in of.items()
    ]
    return Rates(by=baseline.by, prevalence=prevalence, rates=tuple(sorted(rates, key=lambda rate: rate.group)))


def look_up(table: pa.Table, data: Data, rates: Rates) -> Floats:
    """The rate of each row's group, shape (n,)."""
    known = {rate.group: rate.rate for rate in rates.rates}
    values = _groups(table, data, rates.by).to_pydict()
    groups = zip(*(values[name] for name in rates.by), strict=True)
    return np.array([known.get(group, rates.prevalence) for group in groups], dtype=np.float64)


def score(test: pa.Table, data: Data, rates: Rates) -> pa.Table:
    """The keys of rows, or of a part of them, with the scores of both baselines, in the same order."""
    scores = test.select(list(data.key))
    scores = scores.append_column("prevalence", pa.array(np.full(test.num_rows, rates.prevalence)))
    return scores.append_column("today", pa.array(look_up(test, data, rates)))


def score_splits(dataset: Path, data: Data, rates: Rates, *, output: Path) -> int:
    """Test rows, after the scores of validation and test split are in the output folder, a Parquet file a split."""
    output.mkdir(parents=True, exist_ok=True)
    columns, rows = needed(data, rates.by), 0
    for split in SCORED:
        parts = (score(part, data, rates) for part in stored_rows(dataset, split).parts(columns))
        rows = sum(part.num_rows for part in stored(parts, split_path(output, split)))
    return rows


def _counted(part: pa.Table, data: Data, by: tuple[str, ...]) -> pa.Table:
    """Positives and rows of each group."""
    groups = _groups(part, data, by).append_column(_LABEL, _positive(part, data))
    return groups.group_by(list(by)).aggregate([(_LABEL, "sum"), (_LABEL, "count")])


def _groups(table: pa.Table, data: Data, by: tuple[str, ...]) -> pa.Table:
    """The grouping columns as text, missing values as the empty text."""
    known = {**data.features, **data.attributes}
    values = {name: pc.fill_null(pc.cast(derived(table, name, known[name]), pa.string()), "") for name in by}
    return pa.table(values)


def _positive(table: pa.Table, data: Data) -> pa.ChunkedArray:
    return pc.cast(pc.fill_null(is_positive(table, data.label), fill_value=False), pa.int64())
