"""What a drill is: a fault, what must catch it, and how to take that guard away."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import pyarrow as pa

Config: TypeAlias = dict[str, Any]
"""The content of a problem config, to be changed in place: each drill gets a copy of its own."""
Outcome = Literal["shipped", "blocked", "failed", "refused"]
STATUS: Mapping[Outcome, int] = {"shipped": 0, "failed": 1, "refused": 2, "blocked": 3}
"""Exit status of `make run-local`; refused: the config is wrong, and nothing was started."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One place of a source file, said otherwise."""

    file: str
    """Relative to the checkout."""
    old: str
    """Must be there exactly once."""
    new: str


def _same(rows: pa.Table) -> pa.Table:
    return rows


def _unchanged(_: Config) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a run."""

    rows: Callable[[pa.Table], pa.Table] = _same
    """The source table that the run reads, made from a sound one."""
    config: Callable[[Config], None] = _unchanged
    select: Mapping[str, str] = field(default_factory=dict)
    """SQL expressions of the query by the names of its further columns."""
    star: bool = False
    """The query takes every column there is, instead of those that the config declares."""
    code: tuple[Edit, ...] = ()
    """The code runs so."""
    then: tuple[Edit, ...] = ()
    """The code is changed so after a first run, and it is the second run that counts."""


@dataclass(frozen=True, slots=True)
class Caught:
    """How a user sees that the fault was caught."""

    outcome: Outcome
    says: tuple[str, ...]
    """Regular expressions, each found in what the command prints."""
    report: tuple[str, ...] = ()
    """Regular expressions, each found in the run's report."""
    silent: tuple[str, ...] = ()
    """Regular expressions, none found in what the command prints."""


@dataclass(frozen=True, slots=True)
class Without:
    """How the guard is taken away, so that the drill must fail."""

    config: Callable[[Config], None] = _unchanged
    code: tuple[Edit, ...] = ()


@dataclass(frozen=True, slots=True)
class Drill:
    """One fault and its guard."""

    name: str
    problem: int
    """Which of the ten ways in which ML projects go wrong; docs/guards.md has them."""
    wrong: str
    guard: str
    setting: str
    """The keys of the config that say how strict the guard is."""
    fault: Fault
    caught: Caught
    without: Without
