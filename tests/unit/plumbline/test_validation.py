"""Validation: sound data passes, and each fault is found by the check that is meant for it."""

import dataclasses
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from plumbline import validation
from plumbline.dataset import SplitName, table_rows
from plumbline.problem import Data, Validation
from plumbline.validation import Check, ValidationReport


def _case() -> ModuleType:
    """The module beside this one; with importlib's import mode tests are no package."""
    path = Path(__file__).with_name("data_case.py")
    spec = importlib.util.spec_from_file_location("data_case", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["data_case"] = module
    spec.loader.exec_module(module)
    return module


case = _case()
Splits = Mapping[SplitName, pa.Table]


def validate(splits: Splits, data: Data, limits: Validation) -> ValidationReport:
    """The verdict on tables, of which 500 rows are looked at at once."""
    rows = {split: table_rows(table, size=500) for split, table in splits.items()}
    return validation.validate(rows, data, limits)


def failed(splits: Splits) -> set[tuple[str, str, str]]:
    """Name, column and split of the checks that fail."""
    report = validate(splits, case.data(), case.validation())
    found = {(check.name, check.column, check.split) for check in report.checks if not check.passed}
    assert report.passed is (not found)
    return found


def with_column(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    """A table with one column's values replaced."""
    return table.set_column(table.column_names.index(name), name, values)


def test_sound_data_passes() -> None:
    """Data without a fault passes, and every kind of check was made."""
    report = validate(case.splits(), case.data(), case.validation())
    assert report.passed, [check for check in report.checks if not check.passed]
    assert {check.name for check in report.checks} == {
        "schema",
        "rows",
        "duplicate keys",
        "duplicate rows",
        "time window",
        "label nulls",
        "label classes",
        "positives",
        "nulls",
        "not a number",
        "range",
        "shared keys",
        "unseen categories",
        "shift",
        "time shift",
        "gives the answer away",
    }


Fault = Callable[[pa.Table], pa.Table]
FAULTS: list[tuple[str, Fault, tuple[str, str]]] = [
    ("a column is gone", lambda t: t.drop_columns(["gift"]), ("schema", "gift")),
    (
        "a number became text",
        lambda t: with_column(t, "price", pa.array(["dear"] * t.num_rows)),
        ("schema", "price"),
    ),
    ("rows are gone", lambda t: t.slice(0, 99), ("rows", "")),
    ("a day is there twice", lambda t: pa.concat_tables([t, t.slice(0, 24)]), ("duplicate keys", "order_id")),
    (
        "a key is missing",
        lambda t: with_column(t, "order_id", pa.array([None, *t.column("order_id").to_pylist()[1:]])),
        ("nulls", "order_id"),
    ),
    (
        "a time became text",
        lambda t: with_column(t, "ordered_at", t.column("ordered_at").cast(pa.string())),
        ("schema", "ordered_at"),
    ),
    (
        "a NaN",
        lambda t: with_column(t, "price", pa.array([np.nan, *t.column("price").to_pylist()[1:]])),
        ("not a number", "price"),
    ),
    (
        "a number above its range",
        lambda t: with_column(t, "price", pa.array([100.5, *t.column("price").to_pylist()[1:]])),
        ("range", "price"),
    ),
    (
        "a number below its range",
        lambda t: with_column(t, "price", pa.array([-0.5, *t.column("price").to_pylist()[1:]])),
        ("range", "price"),
    ),
    (
        "numbers all missing",
        lambda t: with_column(t, "price", pa.array([None] * t.num_rows, pa.float64())),
        ("nulls", "price"),
    ),
    (
        "other shares of a flag",
        lambda t: with_column(t, "gift", pa.array([True] * t.num_rows)),
        ("shift", "gift"),
    ),
    (
        "labels are missing",
        lambda t: with_column(t, "outcome", pa.array([None, *t.column("outcome").to_pylist()[1:]])),
        ("label nulls", "outcome"),
    ),
    (
        "one class only",
        lambda t: with_column(t, "outcome", pa.array(["kept"] * t.num_rows)),
        ("label classes", "outcome"),
    ),
    (
        "too few positives",
        lambda t: with_column(t, "outcome", pa.array(["returned"] * 19 + ["kept"] * (t.num_rows - 19))),
        ("positives", "outcome"),
    ),
    (
        "nulls where none may be",
        lambda t: with_column(t, "shop", pa.array([None, *t.column("shop").to_pylist()[1:]])),
        ("nulls", "shop"),
    ),
    (
        "mostly nulls",
        lambda t: with_column(t, "gift", pa.array([None] * (t.num_rows - 10) + [True, False] * 5)),
        ("nulls", "gift"),
    ),
    (
        "an infinity",
        lambda t: with_column(t, "price", pa.array([np.inf, *t.column("price").to_pylist()[1:]])),
        ("not a number", "price"),
    ),
    (
        "another unit",
        lambda t: with_column(t, "price", pc.multiply(t.column("price"), 100.0)),
        ("range", "price"),
    ),
    (
        "a new category",
        lambda t: with_column(t, "shop", pa.array(["east"] * 20 + t.column("shop").to_pylist()[20:])),
        ("unseen categories", "shop"),
    ),
    (
        "other shares of categories",
        lambda t: with_column(t, "shop", pa.array(["north"] * t.num_rows)),
        ("shift", "shop"),
    ),
    (
        "other numbers",
        lambda t: with_column(t, "price", pc.add(pc.divide(t.column("price"), 10.0), 90.0)),
        ("shift", "price"),
    ),
]


@pytest.mark.parametrize(("fault", "wanted"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_a_fault_in_the_test_split_is_found(fault: Fault, wanted: tuple[str, str]) -> None:
    """Each fault, put into the test split alone, is found there."""
    splits = case.splits()
    found = failed({**splits, "test": fault(splits["test"])})
    assert (*wanted, "test") in found


def test_rows_outside_their_window_are_found() -> None:
    """Rows of the future in the training split are found, by time and by key."""
    splits = case.splits()
    mixed = pa.concat_tables([splits["train"], splits["test"].slice(0, 5)])
    found = failed({**splits, "train": mixed})
    assert ("time window", "ordered_at", "train") in found
    assert ("shared keys", "order_id", "train, test") in found


@pytest.mark.parametrize("disguise", ["the answer itself", "its opposite", "as a category", "by being missing"])
def test_a_feature_made_from_the_answer_is_found(disguise: str) -> None:
    """A column that gives the answer away is found, whatever it looks like."""
    table = case.rows()
    late = pc.equal(table.column("outcome"), "returned")
    numbers = pc.cast(late, pa.float64())
    given = {
        "the answer itself": lambda: with_column(table, "price", numbers),
        "its opposite": lambda: with_column(table, "price", pc.subtract(1.0, numbers)),
        "as a category": lambda: with_column(table, "shop", pc.if_else(late, "x", "y")),
        "by being missing": lambda: with_column(table, "price", pc.if_else(late, None, 5.0)),
    }[disguise]()
    column = "shop" if disguise == "as a category" else "price"
    assert ("gives the answer away", column, "train") in failed(case.splits(given))


def test_a_category_with_a_value_a_row_gives_nothing_away() -> None:
    """A column of identifiers does not look like the answer, since no row votes for itself."""
    table = case.rows()
    identifiers = with_column(table, "shop", table.column("order_id"))
    assert ("gives the answer away", "shop", "train") not in failed(case.splits(identifiers))


@pytest.mark.parametrize("rare", [0, 1, 20], ids=["one category", "one row differs", "twenty rows differ"])
def test_a_category_that_says_nothing_gives_nothing_away(rare: int) -> None:
    """A column that is the same in nearly every row tells positives from negatives in no direction."""
    table = case.rows()
    shops = pa.array(["south"] * rare + ["north"] * (table.num_rows - rare))
    found = validate(case.splits(with_column(table, "shop", shops)), case.data(), case.validation())
    (check,) = [c for c in found.checks if c.name == "gives the answer away" and c.column == "shop"]
    assert check.passed
    assert float(check.found) == pytest.approx(0.5, abs=0.05)


def test_a_weak_feature_is_measured_by_its_area() -> None:
    """A number is ranked as it stands: the area that pairs of a positive and a negative give, counted one by one."""
    splits = case.splits()
    report = validate(splits, case.data(), case.validation())
    (check,) = [c for c in report.checks if c.name == "gives the answer away" and c.column == "price"]
    rows = splits["train"].select(["price", "outcome"]).to_pylist()
    # A missing price ranks below every other.
    prices = [(-1.0 if row["price"] is None else row["price"], row["outcome"] == "returned") for row in rows]
    wins = [
        (high > low) + (high == low) / 2 for high, positive in prices if positive for low, other in prices if not other
    ]
    assert float(check.found) == pytest.approx(sum(wins) / len(wins), abs=5e-4)


@pytest.mark.parametrize("exempt", [(), ("price",)])
def test_a_known_shift_can_be_accepted(exempt: tuple[str, ...]) -> None:
    """A feature whose shift is exempt is not asked about its shift."""
    splits = case.splits()
    cheap = with_column(splits["test"], "price", pc.divide(splits["test"].column("price"), 50.0))
    limits = dataclasses.replace(case.validation(), shift_exempt=exempt)
    report = validate({**splits, "test": cheap}, case.data(), limits)
    assert report.passed is ("price" in exempt)
    assert any(check.name == "shift" and check.column == "price" for check in report.checks) is not bool(exempt)


def test_a_time_with_a_zone_puts_rows_into_splits() -> None:
    """TIMESTAMP serves as the time column; a part of the clock is only read off one without a zone."""
    zoned = with_column(case.rows(), "ordered_at", case.rows().column("ordered_at").cast(pa.timestamp("us", "UTC")))
    data = dataclasses.replace(case.data(), features={"price": case.data().features["price"]}, attributes={})
    splits = case.splits(zoned)
    assert validate(splits, data, case.validation()).passed
    report = validate(splits, case.data(), case.validation())
    wrong = {(check.column, check.wanted, check.found) for check in report.checks if not check.passed}
    assert wrong == {("ordered_at", "timestamp without a zone (DATETIME)", "timestamp[us, tz=UTC]")}


def test_a_column_that_may_not_be_null_may_not_be_null_once() -> None:
    """The share that is allowed elsewhere is not asked for."""
    splits = case.splits()
    gone = with_column(splits["train"], "shop", pa.array([None, *splits["train"].column("shop").to_pylist()[1:]]))
    report = validate({**splits, "train": gone}, case.data(), case.validation())
    (check,) = [c for c in report.checks if not c.passed]
    assert (check.name, check.column, check.wanted) == ("nulls", "shop", "at most 0.00%")


def test_an_empty_split_fails() -> None:
    """A split without rows passes nothing."""
    splits = case.splits()
    found = failed({**splits, "validation": splits["validation"].slice(0, 0)})
    assert {("rows", "", "validation"), ("label classes", "outcome", "validation")} <= found


def test_a_report_says_what_was_wanted_and_found() -> None:
    """A failed check can be understood without the data."""
    splits = case.splits()
    report = validate({**splits, "test": splits["test"].slice(0, 50)}, case.data(), case.validation())
    (check,) = [c for c in report.checks if c.name == "rows" and not c.passed]
    wanted = Check(name="rows", split="test", column="", wanted="at least 100", found="50", passed=False)
    assert check == wanted
