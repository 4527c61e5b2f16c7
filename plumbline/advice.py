"""What a failed check of the data means, and what to do about it."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from plumbline.validation import Check

_ADVICE: Mapping[str, str] = {
    "schema": "make the query give the column as this type, or mend type in data.features",
    "rows": "load more rows, or move data.split",
    "nulls": "find out since when the source leaves it empty; nullable and maximum_null_fraction say what is usual",
    "duplicate keys": "load the rows once, or name a key that tells them apart in data.key",
    "duplicate rows": "rows seem to be there again under new keys; maximum_duplicate_fraction says what is usual",
    "shared keys": "the same row must not train and judge; make keys unique over time",
    "time window": "keep rows of other times out of the split, and look at data.split",
    "rows of a day": "the day seems to have been loaded more than once; maximum_day_factor says what is usual",
    "label nulls": "leave rows without an outcome out of the query",
    "label classes": "a model needs both: look at label.positive, or move data.split",
    "positives": "move data.split so that each part has enough, or lower minimum_positives",
    "not a number": "mend the division or the logarithm that makes it; NULL stands for what is not known",
    "range": "look at its unit and, for a time, its clock; minimum and maximum say what can be",
    "scale": "look at its unit; deviation says what is usual",
    "unseen categories": "training does not know them: train on later months, or put rare ones together",
    "shift": "look for another unit or meaning since then; where the change is real, train on later months or name the "
    "feature in shift_exempt",
    "time shift": "look at the clock of the source since then: another time zone, or summer time",
    "gives the answer away": "it is known afterwards, or made from the label: leave it out",
}


def advise(check: Check) -> str:
    """What to do when this check has failed."""
    return _ADVICE[check.name]


def told(checks: Iterable[Check]) -> Sequence[str]:
    """The failed checks in words, those of one column in several splits together."""
    failed = sorted((check for check in checks if not check.passed), key=_about)
    return [_told(list(group)) for _, group in groupby(failed, key=_about)]


def _about(check: Check) -> tuple[int, str]:
    return list(_ADVICE).index(check.name), check.column


def _told(checks: Sequence[Check]) -> str:
    first = checks[0]
    where = ", ".join(check.split for check in checks)
    what = f"{first.name} {first.column}".strip()
    return f"{what} ({where}): wanted {first.wanted}, found {first.found}; {advise(first)}"
