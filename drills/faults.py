"""Faults of tables and configs, to be put together into drills."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from drills.drill import Config

Rows = Callable[[pa.Table], pa.Table]
Change = Callable[[Config], None]
_SEED = 3
_HOUR_US = 3_600_000_000


def with_feature(name: str, **column: object) -> Change:
    """A config with one feature more."""
    return lambda config: config["data"]["features"].update({name: dict(column)})


def only_features(*names: str) -> Change:
    """A config in which the model does not see the other features."""

    def change(config: Config) -> None:
        features = config["data"]["features"]
        config["data"]["attributes"] |= {name: features[name] for name in features if name not in names}
        config["data"]["features"] = {name: features[name] for name in names}
        config["validation"]["shift_exempt"] = []
        config["monitoring"]["skew"] = {}

    return change


def set_to(path: str, value: object) -> Change:
    """A config in which the key at a dotted path has a value; a number is a place in a list."""

    def change(config: Config) -> None:
        *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
        inner: Any = config
        for name in parents:
            inner = inner[name]
        inner[last] = value

    return change


def also(*changes: Change) -> Change:
    """Several changes of a config, one after the other."""

    def change(config: Config) -> None:
        for one in changes:
            one(config)

    return change


def without_gate(**wanted: object) -> Change:
    """A config without the gates that have these values."""

    def change(config: Config) -> None:
        gates = config["evaluation"]["gates"]
        config["evaluation"]["gates"] = [g for g in gates if any(g.get(n) != value for n, value in wanted.items())]

    return change


def keep_gates(against: str, *more: Config) -> Change:
    """A config with no gates but those against one model, and some more."""

    def change(config: Config) -> None:
        gates = config["evaluation"]["gates"]
        config["evaluation"]["gates"] = [gate for gate in gates if gate.get("against") == against] + list(more)

    return change


def without_bounds(*features: str) -> Change:
    """A config that says of some features only what type they are."""

    def change(config: Config) -> None:
        known = config["data"]["features"]
        for name in features:
            known[name] = {key: value for key, value in known[name].items() if key in {"type", "column", "part"}}

    return change


def told_by_the_label(rows: pa.Table, random: np.random.Generator) -> list[str]:
    """A text of which 19 in 20 tell whether the flight was late."""
    late = rows.column("late").to_numpy(zero_copy_only=False).astype(bool)
    return ["desk" if told else "gate" for told in late ^ (random.random(rows.num_rows) < 0.05)]


def shuffled(column: str, *, where: tuple[str, Sequence[str]] | None = None) -> Rows:
    """The values of a column in another order, in all rows or only in those with certain values in another column."""

    def spoil(rows: pa.Table) -> pa.Table:
        chosen = np.arange(rows.num_rows)
        if where is not None:
            chosen = np.flatnonzero(pc.is_in(rows.column(where[0]), pa.array(where[1])).to_numpy())
        order = np.arange(rows.num_rows)
        order[chosen] = np.random.default_rng(_SEED).permutation(chosen)
        return replaced(rows, column, rows.column(column).take(pa.array(order)))

    return spoil


def scaled(column: str, factor: float, *, since: str = "") -> Rows:
    """The numbers of a column in another unit, of all rows or of those from a date on."""

    def spoil(rows: pa.Table) -> pa.Table:
        values = rows.column(column)
        other = pc.multiply(values, factor)
        return replaced(rows, column, pc.if_else(_since(rows, since), other, values) if since else other)

    return spoil


def later(hours: int) -> Rows:
    """Every scheduled departure by so many hours later: a clock of another time zone."""

    def spoil(rows: pa.Table) -> pa.Table:
        moved = pc.add(rows.column("scheduled_departure"), pa.scalar(hours * _HOUR_US, pa.duration("us")))
        return replaced(rows, "scheduled_departure", moved)

    return spoil


def twice(day: str, *, anew: bool) -> Rows:
    """The rows of a day once more, under the same keys or under new ones."""

    def spoil(rows: pa.Table) -> pa.Table:
        again = rows.filter(pc.equal(pc.cast(rows.column("scheduled_departure"), pa.date32()), _date(day)))
        if anew:
            keys = pc.binary_join_element_wise(again.column("flight_id"), "again", "-")
            again = replaced(again, "flight_id", keys)
        return pa.concat_tables([rows, again])

    return spoil


def added(name: str, make: Callable[[pa.Table, np.random.Generator], object]) -> Rows:
    """One column more."""
    return lambda rows: rows.append_column(name, pa.array(make(rows, np.random.default_rng(_SEED))))


def dropped(name: str) -> Rows:
    """One column less."""
    return lambda rows: rows.drop_columns([name])


def fewer_positives(share: float) -> Rows:
    """So few late flights that they are this share of the rows."""

    def spoil(rows: pa.Table) -> pa.Table:
        late = rows.column("late").to_numpy(zero_copy_only=False).astype(bool)
        kept = np.random.default_rng(_SEED).random(rows.num_rows) < share * (~late).sum() / late.sum() / (1 - share)
        return rows.filter(pa.array(~late | kept))

    return spoil


def none_late(before: str) -> Rows:
    """No late flight before a date."""

    def spoil(rows: pa.Table) -> pa.Table:
        return replaced(rows, "late", pc.and_(rows.column("late"), _since(rows, before)))

    return spoil


def replaced(rows: pa.Table, name: str, values: object) -> pa.Table:
    """The rows with other values in a column."""
    return rows.set_column(rows.column_names.index(name), name, values)


def _since(rows: pa.Table, date: str) -> pa.ChunkedArray:
    return pc.greater_equal(pc.cast(rows.column("scheduled_departure"), pa.date32()), _date(date))


def _date(text: str) -> pa.Scalar:
    return pa.scalar(text).cast(pa.date32())
