"""Whether data is fit to train on: every check is made and listed, whatever the others found."""

import math
import statistics
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.dataset import SPLITS, Rows, SplitName
from plumbline.errors import DataError
from plumbline.ingestion import wanted_columns, windows
from plumbline.keys import Repeats, repeats
from plumbline.problem import Column, ColumnType, Data, Validation
from plumbline.profile import Profile, Values, profile
from plumbline.row_digest import COLUMN, digests
from plumbline.section import section
from plumbline.shift import by_hour, distance, l_infinity, moved
from plumbline.tally import LOWEST, Categories, Numbers, area, deviation, rates

Splits = Mapping[SplitName, Rows]
Profiles = Mapping[SplitName, Profile]

_DAYS = {"hour": 7, "minute_of_day": 7, "weekday": 28}
"""How many days a split must span before its shares of a part of a time say something."""
_FACTORS = (60.0, 1 / 60, 24.0, 1 / 24, 3600.0, 1 / 3600, 100.0, 0.01, 1000.0, 0.001)
"""Between units that are mistaken for each other: of time, money, and lengths or weights."""


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
    """The verdict on a dataset: it passes when there are checks and each of them passes.

    The rows go by once, and their keys once more to be sorted; neither is in memory as a whole.
    """
    schema = [check for split in SPLITS for check in _schema(splits[split].schema, split, data)]
    # Values can only be looked at where the columns are there and of the right type.
    values = [] if any(not check.passed for check in schema) else _values(splits, data, validation)
    checks = (*schema, *values)
    return ValidationReport(passed=bool(checks) and all(check.passed for check in checks), checks=checks)


def _values(splits: Splits, data: Data, validation: Validation) -> Iterator[Check]:
    profiles = {split: profile(splits[split], data) for split in SPLITS}
    keys, twins = repeats(splits, data.key), _twins(splits, data)
    for split in SPLITS:
        yield from _rows(profiles[split], keys, split, data, validation)
        yield _repeated(profiles[split], twins.within[split], split, validation)
        yield from _label(profiles[split], split, data, validation)
        for name, column in data.features.items():
            yield from _column(profiles[split], split, name, column, validation)
    for (one, other), shared in keys.between.items():
        yield _check("shared keys", f"{one}, {other}", ", ".join(data.key), "none", shared, passed=not shared)
    for name, column in data.features.items():
        yield from _against_training(profiles, name, column, validation)
        yield _giveaway(profiles["train"].features[name], name, validation)


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


def _schema(schema: pa.Schema, split: SplitName, data: Data) -> Iterator[Check]:
    """Every declared column is there, and of its type."""
    declared = {column.column or name: _TYPES[column.type] for name, column in _named(data)}
    for name in wanted_columns(data):
        wanted, fits = declared.get(name, _TIME if name == data.time else _ANY)
        there = name in schema.names
        found = str(schema.field(name).type) if there else "no such column"
        passed = there and fits(schema.field(name).type)
        yield Check(name="schema", split=split, column=name, wanted=wanted, found=found, passed=passed)


def _named(data: Data) -> Iterator[tuple[str, Column]]:
    yield from data.features.items()
    yield from data.attributes.items()


def _rows(found: Profile, keys: Repeats, split: SplitName, data: Data, validation: Validation) -> Iterator[Check]:
    least = validation.minimum_rows.get(split, 1)
    yield _check("rows", split, "", f"at least {least}", found.rows, passed=found.rows >= least)
    for name, nulls in found.key_nulls.items():
        yield _check("nulls", split, name, "none", nulls, passed=not nulls)
    duplicates = keys.within[split]
    yield _check("duplicate keys", split, ", ".join(data.key), "none", duplicates, passed=not duplicates)
    window, start, end = windows(data)[split], found.start, found.end
    inside = start is not None and end is not None and window.start <= start.date() and end.date() < window.end
    wanted = f"{window.start} up to {window.end}"
    yield _check("time window", split, data.time, wanted, f"{start} to {end}", passed=inside)
    if validation.maximum_day_factor is not None and found.days:
        yield _volume(found, split, validation.maximum_day_factor)


def _volume(found: Profile, split: SplitName, most: float) -> Check:
    """Whether no day has many more rows than days usually have."""
    usual = statistics.median(found.days.values())
    day, rows = max(found.days.items(), key=lambda item: item[1])
    wanted = f"at most {most:g} times the median day"
    told = f"{day} has {rows}, the median day {usual:g}"
    return _check("rows of a day", split, "", wanted, told, passed=rows <= most * usual)


def _twins(splits: Splits, data: Data) -> Repeats:
    """Rows that are the same in everything but the key."""
    names = [name for name in wanted_columns(data) if name not in data.key]
    return repeats({split: digests(rows, names) for split, rows in splits.items()}, (COLUMN,))


def _repeated(found: Profile, twins: int, split: SplitName, validation: Validation) -> Check:
    """A day that was imported twice, under new keys."""
    share, most = twins / max(1, found.rows), validation.maximum_duplicate_fraction
    return _check("duplicate rows", split, "", f"at most {most:.2%}", f"{share:.2%}", passed=share <= most)


def _label(found: Profile, split: SplitName, data: Data, validation: Validation) -> Iterator[Check]:
    name, labels = data.label.column, found.labels
    yield _check("label nulls", split, name, "none", labels.nulls, passed=not labels.nulls)
    classes = f"{labels.positives} positive, {labels.negatives} negative"
    both = labels.positives > 0 and labels.negatives > 0
    yield _check("label classes", split, name, "both", classes, passed=both)
    least = validation.minimum_positives
    yield _check("positives", split, name, f"at least {least}", labels.positives, passed=labels.positives >= least)


def _column(found: Profile, split: SplitName, name: str, column: Column, validation: Validation) -> Iterator[Check]:
    """Nulls, infinities and range of one feature in one split."""
    values = found.features[name]
    share = values.nulls / max(1, found.rows)
    most = validation.maximum_null_fraction if column.nullable else 0.0
    yield _check("nulls", split, name, f"at most {most:.2%}", f"{share:.2%}", passed=share <= most)
    if column.type == "timestamp":
        yield from _part(values, split, name, column)
    if column.type != "numeric":
        return
    yield _check("not a number", split, name, "none", values.strange, passed=not values.strange)
    low, high = values.low, values.high
    fits = all(
        bound is None or (low is not None and high is not None and sign * low >= sign * bound <= sign * high)
        for sign, bound in ((1, column.minimum), (-1, column.maximum))
    )
    empty_fits = low is None and column.nullable
    yield _check("range", split, name, _range(column), f"{low} to {high}", passed=fits or empty_fits)
    if column.deviation is not None:
        yield _scale(values, split, name, column.deviation)


def _range(column: Column) -> str:
    low = "-inf" if column.minimum is None else f"{column.minimum:g}"
    high = "inf" if column.maximum is None else f"{column.maximum:g}"
    return f"{low} to {high}" + (f" {column.unit}" if column.unit else "")


def _against_training(profiles: Profiles, name: str, column: Column, validation: Validation) -> Iterator[Check]:
    """Categories that training does not know, and shift since then."""
    known = profiles["train"].features[name]
    for split in SPLITS[1:]:
        now = profiles[split].features[name]
        if column.type == "categorical":
            share = _unseen(known, now) / max(1, profiles[split].rows)
            most = validation.maximum_unseen_fraction
            yield _check("unseen categories", split, name, f"at most {most:.2%}", f"{share:.2%}", passed=share <= most)
        if name in validation.shift_exempt:
            continue
        if column.type != "timestamp":
            yield _shift(known, now, split, name, column, validation)
        elif _spans(profiles["train"], column) and _spans(profiles[split], column):
            yield _time_shift(known, now, split, name, column, validation.maximum_time_shift)


def _spans(found: Profile, column: Column) -> bool:
    """Whether a split is long enough for a part of the time to have its usual shares."""
    if not column.part or column.part not in _DAYS or found.start is None or found.end is None:
        return False
    return (found.end - found.start).days + 1 >= _DAYS[column.part]


def _time_shift(  # noqa: PLR0913, PLR0917 - the two samples, and where they stand
    known: Values, now: Values, split: SplitName, name: str, column: Column, most: float
) -> Check:
    """Whether hours and weekdays are as frequent as in training: on another clock they are not."""
    one, other = known.tally, now.tally
    if column.part == "minute_of_day" and isinstance(one, Categories) and isinstance(other, Categories):
        one, other = by_hour(one), by_hour(other)
    try:
        shift, told = l_infinity(one, other), moved(one, other)
    except DataError as error:
        return _check("time shift", split, name, f"at most {most:g}", str(error), passed=False)
    return _check("time shift", split, name, f"at most {most:g}", f"{shift:.3f} ({told})", passed=shift <= most)


def _part(values: Values, split: SplitName, name: str, column: Column) -> Iterator[Check]:
    """Whether a part of a time lies where it should: on the clock of another time zone it would not."""
    if column.minimum is None and column.maximum is None:
        return
    kept = values.tally.values.to_pylist() if isinstance(values.tally, Categories) else values.tally.values.tolist()
    there = [value for value in kept if value is not None]
    low, high = column.minimum or 0.0, math.inf if column.maximum is None else column.maximum
    outside = sorted(value for value in there if not low <= value <= high)
    found = f"{min(there, default=None)} to {max(there, default=None)}"
    yield _check("range", split, name, _range(column), found, passed=not outside)


def _scale(values: Values, split: SplitName, name: str, usual: tuple[float, float]) -> Check:
    """Whether a number varies as much as it usually does."""
    found = deviation(values.tally) if isinstance(values.tally, Numbers) else math.nan
    wanted = f"standard deviation {usual[0]:g} to {usual[1]:g}"
    passed = usual[0] <= found <= usual[1]
    return _check(
        "scale", split, name, wanted, f"{found:.3g}" + ("" if passed else _units(found, usual)), passed=passed
    )


def _units(found: float, usual: tuple[float, float]) -> str:
    """Which other unit would explain a deviation."""
    fits = next((factor for factor in _FACTORS if usual[0] <= found * factor <= usual[1]), None)
    if fits is None:
        return ""
    return f": in other units? {f'{fits:g} times as much' if fits > 1 else f'1/{1 / fits:g} of it'} is usual"


def _unseen(known: Values, now: Values) -> int:
    """Rows whose category does not occur in training; a missing one is none."""
    seen = pc.or_(pc.is_null(now.tally.values), pc.is_in(now.tally.values, known.tally.values))
    return int(now.tally.counts[~seen.to_numpy(zero_copy_only=False)].sum())


def _shift(  # noqa: PLR0913, PLR0917 - the two samples, and where they stand
    known: Values, now: Values, split: SplitName, name: str, column: Column, validation: Validation
) -> Check:
    most = validation.maximum_shift
    try:
        shift = distance(known.tally, now.tally, numeric=column.type == "numeric")
        told = moved(known.tally, now.tally)
    except DataError as error:
        return _check("shift", split, name, f"at most {most:g}", str(error), passed=False)
    return _check("shift", split, name, f"at most {most:g}", f"{shift:.3f} ({told})", passed=shift <= most)


def _giveaway(values: Values, name: str, validation: Validation) -> Check:
    """A feature that alone ranks the label nearly perfectly was made from it."""
    tally = values.tally
    if isinstance(tally, Categories):
        areas = [area(*rates(tally))]
    else:
        # Missing is a value of its own here: whether it is filled in may be what gives the answer away.
        counts = np.concatenate([tally.missing[None], tally.counts])
        there = np.array([tally.counts.sum(axis=0), tally.missing])
        areas = [area(np.append(LOWEST, tally.values), counts), area(np.array([0.0, 1.0]), there)]
    found = max(max(ranked, 1 - ranked) for ranked in areas)
    most = validation.maximum_single_auc
    return _check("gives the answer away", "train", name, f"AUC at most {most:g}", f"{found:.3f}", passed=found <= most)


def _check(  # noqa: PLR0913 - one argument a field
    name: str, split: str, column: str, wanted: str, found: object, *, passed: bool
) -> Check:
    return Check(name=name, split=split, column=column, wanted=wanted, found=str(found), passed=passed)
