"""A small problem with every type of column, for tests: one row an hour from 2020-01-01 on."""

import datetime as dt

import numpy as np
import pyarrow as pa

from plumbline.dataset import SPLITS, SplitName
from plumbline.ingestion import windows
from plumbline.problem import Column, Data, Label, Split, Validation, Window

START = dt.datetime(2020, 1, 1)  # noqa: DTZ001 - a wall clock
HOURS = 24 * 90


def data() -> Data:
    """Ninety days: sixty train, fifteen validate, fifteen test."""
    return Data(
        query="orders.sql",
        tables=("orders",),
        key=("order_id",),
        time="ordered_at",
        label=Label(column="outcome", positive="returned"),
        split=Split(
            train=Window(start=dt.date(2020, 1, 1), end=dt.date(2020, 3, 1)),
            validation=Window(start=dt.date(2020, 3, 1), end=dt.date(2020, 3, 16)),
            test=Window(start=dt.date(2020, 3, 16), end=dt.date(2020, 3, 31)),
        ),
        features={
            "price": Column(type="numeric", minimum=0, maximum=100),
            "shop": Column(type="categorical", nullable=False),
            "gift": Column(type="boolean"),
            "hour": Column(type="timestamp", column="ordered_at", part="hour"),
        },
        attributes={"month": Column(type="timestamp", column="ordered_at", part="month")},
    )


def validation() -> Validation:
    """Limits that the rows keep."""
    return Validation(
        minimum_rows={"train": 500, "validation": 100, "test": 100},
        minimum_positives=20,
        maximum_shift=0.2,
        maximum_single_auc=0.9,
    )


def rows() -> pa.Table:
    """All rows; the outcome depends weakly on the price."""
    random = np.random.default_rng(7)
    price = random.uniform(0, 100, HOURS)
    returned = random.random(HOURS) < 0.1 + price / 400
    return pa.table(
        {
            "order_id": pa.array([f"o{i}" for i in range(HOURS)]),
            "ordered_at": pa.array([START + dt.timedelta(hours=i) for i in range(HOURS)], pa.timestamp("us")),
            "outcome": pa.array(np.where(returned, "returned", "kept")),
            "price": pa.array(price, mask=random.random(HOURS) < 0.1),
            "shop": pa.array(random.choice(["north", "south"], HOURS)),
            "gift": pa.array(random.random(HOURS) < 0.3),
        }
    )


def splits(table: pa.Table | None = None) -> dict[SplitName, pa.Table]:
    """The rows by split."""
    table = rows() if table is None else table
    days = table.column("ordered_at").cast(pa.date32()).to_pylist()
    cut = windows(data())
    return {
        name: table.filter(pa.array([day is not None and cut[name].start <= day < cut[name].end for day in days]))
        for name in SPLITS
    }
