"""What can go wrong, as one small tree.

    PlumblineError
    ├── ConfigError      a config file is wrong: every problem in it, each with file and line
    ├── DataError        a table, a query or a split is not what the config says it is
    ├── ModelError       a model cannot be trained, loaded, or scores what it must not (NaN, wrong shape)
    ├── GateError        a comparison cannot be made at all, so nothing may pass
    └── ServiceError     Google Cloud, or its emulator, refused or failed
        └── NotOfferedError  it does not have what was asked for (501), and another way may be taken

A message says what was wanted, what came and where, and what to do next where there is something to do.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class PlumblineError(Exception):
    """The root of everything that this project raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file: where it is and what to do about it."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        """The problem as compilers print it."""
        return f"{self.file}:{self.line}: {self.message}"


class ConfigError(PlumblineError):
    """A config file is wrong; `problems` holds all that is wrong with it, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.file, problem.line)))
        super().__init__("\n".join(map(str, self.problems)))


class DataError(PlumblineError):
    """A table, a query or a split is not what the config says it is."""


class ModelError(PlumblineError):
    """A model cannot be trained, loaded, or gives scores that are none."""


class GateError(PlumblineError):
    """A comparison cannot be made at all, so nothing may pass."""


class ServiceError(PlumblineError):
    """Google Cloud, or its emulator, refused or failed."""


class NotOfferedError(ServiceError):
    """A service does not have what was asked for: an emulator answers so."""
