"""Whether data is fit to train on: every check is made and listed, whatever the others found."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.dataset import SPLITS, SplitName
from plumbline.distance import jensen_shannon, l_infinity
from plumbline.errors import DataError
from plumbline.features import derived
from plumbline.ingestion import is_positive, wanted_columns, windows
from plumbline.problem import Column, ColumnType, Data, Validation
from plumbline.ranking import auc
from plumbline.section import section

Splits = Mapping[SplitName, pa.Table]


@section
class Check:
    """One thing that was looked at."""

    name: str
    """What was checked: schema, nulls, range, ..."""
    split: str
    column: str
    """Empty where the check is about the rows as a whole."""
    wanted: str
    found: str
    passed: bool


@section
class ValidationReport:
    """All checks."""

    passed: bool
    checks: tuple[Check, ...]


def validate(splits: Splits, data: Data, validation: Validation) -> ValidationReport:
    """The verdict on a dataset: it passes when there are checks and each of them passes."""
    schema = [check for split in SPLITS for check in _schema(splits[split], split, data)]
    # Values can only be looked at where the columns are there and of the right type.
    values = [] if any(not check.passed for check in schema) else _values(splits, data, validation)
    checks = (*schema, *values)
    return ValidationReport(passed=bool(checks) and all(check.passed for check in checks), checks=checks)


def _values(splits: Splits, data: Data, validation: Validation) -> Iterator[Check]:
    for split in SPLITS:
        table = splits[split]
        yield from _rows(table, split, data, validation)
        yield from _label(table, split, data, validation)
        for name, column in data.features.items():
            yield from _column(derived(table, name, column), split, name, column, validation)
    yield from _overlaps(splits, data)
    for name, column in data.features.items():
        values = {split: derived(splits[split], name, column) for split in SPLITS}
        yield from _against_training(values, name, column, validation)
        yield _giveaway(values["train"], is_positive(splits["train"], data.label), name, column, validation)


_Fits = tuple[str, Callable[[pa.DataType], bool]]
_TYPES: Mapping[ColumnType, _Fits] = {
    "numeric": ("numeric", lambda t: pa.types.is_floating(t) or pa.types.is_integer(t) or pa.types.is_decimal(t)),
    "categorical": (
        "categorical",
        lambda t: pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_integer(t),
    ),
    "boolean": ("boolean", pa.types.is_boolean),
    "timestamp": ("timestamp without a zone (DATETIME)", lambda t: pa.types.is_timestamp(t) and t.tz is None),
}
_TIME: _Fits = ("timestamp (DATETIME or TIMESTAMP)", pa.types.is_timestamp)
_ANY: _Fits = ("present", lambda _: True)


def _schema(table: pa.Table, split: SplitName, data: Data) -> Iterator[Check]:
    """Every declared column is there, and of its type."""
    declared = {column.column or name: _TYPES[column.type] for name, column in _named(data)}
    for name in wanted_columns(data):
        wanted, fits = declared.get(name, _TIME if name == data.time else _ANY)
        there = name in table.column_names
        found = str(table.schema.field(name).type) if there else "no such column"
        passed = there and fits(table.schema.field(name).type)
        yield Check(name="schema", split=split, column=name, wanted=wanted, found=found, passed=passed)


def _named(data: Data) -> Iterator[tuple[str, Column]]:
    yield from data.features.items()
    yield from data.attributes.items()


def _rows(table: pa.Table, split: SplitName, data: Data, validation: Validation) -> Iterator[Check]:
    least = validation.minimum_rows.get(split, 1)
    yield _check("rows", split, "", f"at least {least}", table.num_rows, passed=table.num_rows >= least)
    for name in data.key:
        nulls = table.column(name).null_count
        yield _check("nulls", split, name, "none", nulls, passed=not nulls)
    keys = table.select(list(data.key))
    distinct = keys.group_by(list(data.key)).aggregate([]).num_rows
    duplicates = table.num_rows - distinct
    yield _check("duplicate keys", split, ", ".join(data.key), "none", duplicates, passed=not duplicates)
    window, times = windows(data)[split], pc.min_max(table.column(data.time)).as_py()
    inside = times["min"] is not None and window.start <= times["min"].date() and times["max"].date() < window.end
    found = f"{times['min']} to {times['max']}"
    yield _check("time window", split, data.time, f"{window.start} up to {window.end}", found, passed=inside)


def _label(table: pa.Table, split: SplitName, data: Data, validation: Validation) -> Iterator[Check]:
    name, positive = data.label.column, is_positive(table, data.label)
    yield _check("label nulls", split, name, "none", positive.null_count, passed=not positive.null_count)
    positives = int(pc.sum(positive).as_py() or 0)
    negatives = len(positive) - positive.null_count - positives
    both = positives > 0 and negatives > 0
    yield _check("label classes", split, name, "both", f"{positives} positive, {negatives} negative", passed=both)
    least = validation.minimum_positives
    yield _check("positives", split, name, f"at least {least}", positives, passed=positives >= least)


def _column(
    values: pa.ChunkedArray, split: SplitName, name: str, column: Column, validation: Validation
) -> Iterator[Check]:
    """Nulls, infinities and range of one feature in one split."""
    share = values.null_count / max(1, len(values))
    most = validation.maximum_null_fraction if column.nullable else 0.0
    yield _check("nulls", split, name, f"at most {most:.2%}", f"{share:.2%}", passed=share <= most)
    if column.type != "numeric":
        return
    numbers = pc.cast(values, pa.float64())
    strange = len(numbers) - numbers.null_count - int(pc.sum(pc.is_finite(numbers)).as_py() or 0)
    yield _check("not a number", split, name, "none", strange, passed=not strange)
    low, high = pc.min_max(pc.drop_null(numbers)).as_py().values()
    fits = all(
        bound is None or (low is not None and sign * low >= sign * bound and sign * high >= sign * bound)
        for sign, bound in ((1, column.minimum), (-1, column.maximum))
    )
    empty_fits = low is None and column.nullable
    yield _check("range", split, name, _range(column), f"{low} to {high}", passed=fits or empty_fits)


def _range(column: Column) -> str:
    low = "-inf" if column.minimum is None else f"{column.minimum:g}"
    high = "inf" if column.maximum is None else f"{column.maximum:g}"
    return f"{low} to {high}" + (f" {column.unit}" if column.unit else "")


def _overlaps(splits: Splits, data: Data) -> Iterator[Check]:
    """No row of one split stands in another as well."""
    key = list(data.key)
    for i, one in enumerate(SPLITS):
        for other in SPLITS[i + 1 :]:
            shared = splits[one].select(key).join(splits[other].select(key), keys=key, join_type="left semi").num_rows
            yield _check("shared keys", f"{one}, {other}", ", ".join(key), "none", shared, passed=not shared)


def _against_training(
    values: Mapping[SplitName, pa.ChunkedArray], name: str, column: Column, validation: Validation
) -> Iterator[Check]:
    """Categories that training does not know, and shift since then."""
    known = values["train"]
    for split in SPLITS[1:]:
        if column.type == "categorical":
            unseen = pc.invert(pc.is_in(values[split].drop_null(), pc.unique(known)))
            share = (pc.sum(unseen).as_py() or 0) / max(1, len(values[split]))
            most = validation.maximum_unseen_fraction
            yield _check("unseen categories", split, name, f"at most {most:.2%}", f"{share:.2%}", passed=share <= most)
        if name not in validation.shift_exempt and column.type != "timestamp":
            yield _shift(known, values[split], split, name, column, validation)


def _shift(  # noqa: PLR0913, PLR0917 - the two samples, and where they stand
    known: pa.ChunkedArray, now: pa.ChunkedArray, split: SplitName, name: str, column: Column, validation: Validation
) -> Check:
    most = validation.maximum_shift
    try:
        shift = l_infinity(known, now) if column.type != "numeric" else jensen_shannon(_floats(known), _floats(now))
    except DataError as error:
        return _check("shift", split, name, f"at most {most:g}", str(error), passed=False)
    return _check("shift", split, name, f"at most {most:g}", f"{shift:.3f}", passed=shift <= most)


def _giveaway(
    values: pa.ChunkedArray, positive: pa.ChunkedArray, name: str, column: Column, validation: Validation
) -> Check:
    """A feature that alone ranks the label nearly perfectly was made from it."""
    truth = pc.fill_null(positive, fill_value=False).to_numpy(zero_copy_only=False).astype(np.bool_)
    scores = _floats(values) if column.type in {"numeric", "boolean"} else _rates(values, truth)
    # Missing is a value of its own here: whether it is filled in may be what gives the answer away.
    ranked = auc(np.nan_to_num(scores, nan=-np.finfo(np.float64).max), truth)
    missing = auc(np.isnan(scores).astype(np.float64), truth)
    found = max(ranked, 1 - ranked, missing, 1 - missing)
    most = validation.maximum_single_auc
    return _check("gives the answer away", "train", name, f"AUC at most {most:g}", f"{found:.3f}", passed=found <= most)


def _rates(
    values: pa.ChunkedArray, truth: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Each category's rate of positives in the other half of the rows, the halves being every other row.

    So no row votes for itself: in its own half, a category of few rows, or a row's identifier, would know the label.
    Leaving out but the row itself would turn that round, since a positive's category has one positive less without it.
    """
    codes = pc.fill_null(values.combine_chunks().dictionary_encode().indices, -1).to_numpy() + 1
    prior = truth.mean() if truth.size else 0.0
    rates = np.full(codes.size, prior)
    for half, other in ((slice(0, None, 2), slice(1, None, 2)), (slice(1, None, 2), slice(0, None, 2))):
        size = int(codes.max(initial=0)) + 1
        counts = np.bincount(codes[other], minlength=size)
        positives = np.bincount(codes[other], weights=truth[other], minlength=size)
        rates[half] = np.where(counts > 0, positives / np.maximum(counts, 1), prior)[codes[half]]
    return rates


def _floats(values: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return pc.fill_null(pc.cast(values, pa.float64()), np.nan).to_numpy()


def _check(  # noqa: PLR0913 - one argument a field
    name: str, split: str, column: str, wanted: str, found: object, *, passed: bool
) -> Check:
    return Check(name=name, split=split, column=column, wanted=wanted, found=str(found), passed=passed)
