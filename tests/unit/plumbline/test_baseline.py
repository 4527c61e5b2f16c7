"""Baselines: rates by hand on a handful of rows."""

import dataclasses
import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from plumbline.baseline import historical_rates, look_up, score
from plumbline.errors import DataError
from plumbline.problem import Baseline, Column, Data, Label, Split, Window

DAY = dt.date(2020, 1, 1)
DATA = Data(
    query="q.sql",
    tables=("t",),
    key=("id",),
    time="at",
    label=Label(column="late", positive=True),
    split=Split(
        train=Window(start=DAY, end=dt.date(2020, 1, 2)),
        validation=Window(start=dt.date(2020, 1, 2), end=dt.date(2020, 1, 3)),
        test=Window(start=dt.date(2020, 1, 3), end=dt.date(2020, 1, 4)),
    ),
    features={"line": Column(type="categorical"), "hour": Column(type="timestamp", column="at", part="hour")},
)


def table(*rows: tuple[str | None, int, bool]) -> pa.Table:
    """Rows of line, hour and label."""
    at = [dt.datetime(2020, 1, 1, hour) for _, hour, _ in rows]  # noqa: DTZ001 - a wall clock
    return pa.table(
        {
            "id": list(range(len(rows))),
            "line": pa.array([line for line, _, _ in rows], pa.string()),
            "at": pa.array(at, pa.timestamp("us")),
            "late": [late for _, _, late in rows],
        }
    )


TRAIN = table(("A", 8, True), ("A", 8, False), ("A", 9, False), ("B", 8, False))


def test_rates_without_smoothing() -> None:
    """A at 8: one of two; the others: none of one; overall one of four."""
    rates = historical_rates([TRAIN], DATA, Baseline(by=("line", "hour"), smoothing=0))
    assert rates.prevalence == 0.25
    assert {rate.group: rate.rate for rate in rates.rates} == {("A", "8"): 0.5, ("A", "9"): 0.0, ("B", "8"): 0.0}


def test_smoothing_draws_a_group_to_the_prevalence() -> None:
    """(1 + 2 x 0.25) / (2 + 2) = 0.375."""
    rates = historical_rates([TRAIN], DATA, Baseline(by=("line", "hour"), smoothing=2))
    assert {rate.group: rate.rate for rate in rates.rates}["A", "8"] == pytest.approx(0.375)


def test_an_unknown_group_gets_the_prevalence() -> None:
    """A line that training does not know, and a missing one, get the rate of all rows."""
    rates = historical_rates([TRAIN], DATA, Baseline(by=("line",), smoothing=0))
    found = look_up(table(("C", 8, True), (None, 8, True), ("A", 8, True)), DATA, rates)
    np.testing.assert_allclose(found, [0.25, 0.25, 1 / 3])


def test_scores_carry_the_keys_in_the_order_of_the_split() -> None:
    """Both baselines stand beside the keys of the test rows."""
    test = table(("B", 8, True), ("A", 8, False))
    scores = score(test, DATA, historical_rates([TRAIN], DATA, Baseline(by=("line",), smoothing=0)))
    assert scores.column("id").to_pylist() == [0, 1]
    assert scores.column("prevalence").to_pylist() == [0.25, 0.25]
    np.testing.assert_allclose(scores.column("today").to_numpy(), [0.0, 1 / 3])


def test_parts_give_the_rates_of_the_whole() -> None:
    """However the rows are cut, a group's rows are counted together."""
    by = Baseline(by=("line", "hour"), smoothing=2)
    parts = [TRAIN.slice(0, 1), TRAIN.slice(1, 0), TRAIN.slice(1, 3)]
    assert historical_rates(parts, DATA, by) == historical_rates([TRAIN], DATA, by)


def test_no_rows_are_refused() -> None:
    """Without a training row there is no rate."""
    with pytest.raises(DataError, match="needs training rows"):
        historical_rates([TRAIN.slice(0, 0)], DATA, Baseline(by=("line",)))


def test_the_rate_of_all_is_the_mean_of_the_groups_weighed_by_their_rows() -> None:
    """Without smoothing, groups put together give the prevalence again."""
    rates = historical_rates([TRAIN], DATA, Baseline(by=("line", "hour"), smoothing=0))
    assert sum(rate.rows * rate.rate for rate in rates.rates) / 4 == pytest.approx(rates.prevalence)


def test_a_missing_group_of_training_is_a_group() -> None:
    """Rows without a line have a rate of their own, which rows without a line get."""
    train = table((None, 8, True), (None, 8, True), ("A", 8, False), ("A", 8, False))
    rates = historical_rates([train], DATA, Baseline(by=("line",), smoothing=0))
    np.testing.assert_allclose(look_up(table((None, 9, False), ("A", 9, False)), DATA, rates), [1.0, 0.0])


def test_a_column_may_be_called_positive() -> None:
    """No name of a column gets in the way of our own."""
    data = dataclasses.replace(DATA, features={"positive": Column(type="categorical", column="line")})
    rates = historical_rates([TRAIN], data, Baseline(by=("positive",), smoothing=0))
    assert {rate.group: rate.rate for rate in rates.rates} == {("A",): pytest.approx(1 / 3), ("B",): 0.0}
