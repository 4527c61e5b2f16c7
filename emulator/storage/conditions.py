"""The preconditions of a request: what must be true of the object (or bucket) for it to be carried out.

Source: https://docs.cloud.google.com/storage/docs/request-preconditions
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from emulator.storage.errors import StorageError, condition_not_met, invalid


@dataclass(frozen=True, slots=True)
class Version:
    """Which content and which metadata an object has; generation 0 is no object."""

    generation: int
    metageneration: int

    def __str__(self) -> str:
        """The version as messages show it."""
        if self.generation == 0:
            return "no object"
        return f"generation {self.generation}, metageneration {self.metageneration}"


ABSENT = Version(0, 0)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is asked of the version that is there; None asks nothing. Generation 0 asks that there be no object."""

    generation_match: int | None = None
    generation_not_match: int | None = None
    metageneration_match: int | None = None
    metageneration_not_match: int | None = None

    @property
    def must_be_new(self) -> bool:
        """Whether there must be no object of the name."""
        return self.generation_match == 0

    def check(self, found: Version) -> None:
        """Raises 412 if a condition does not hold."""
        if not (self._matches(found) and self._differs(found)):
            raise condition_not_met(str(self), str(found))

    def check_for_reading(self, found: Version) -> None:
        """Raises 412 if a match fails, and 304 (not modified) if the reader has this version already."""
        if not self._matches(found):
            raise condition_not_met(str(self), str(found))
        if not self._differs(found):
            raise StorageError(304, "notModified", "Not Modified")

    def _matches(self, found: Version) -> bool:
        return self.generation_match in {None, found.generation} and self.metageneration_match in {
            None,
            found.metageneration,
        }

    def _differs(self, found: Version) -> bool:
        return self.generation_not_match != found.generation and self.metageneration_not_match != found.metageneration

    def __str__(self) -> str:
        """The conditions as messages show them."""
        asked = ((field.name, getattr(self, field.name)) for field in fields(self))
        return ", ".join(f"{name} {value}" for name, value in asked if value is not None)


NONE = Conditions()

_PARAMETERS = {
    "ifGenerationMatch": "generation_match",
    "ifGenerationNotMatch": "generation_not_match",
    "ifMetagenerationMatch": "metageneration_match",
    "ifMetagenerationNotMatch": "metageneration_not_match",
    # Google's Python client spells it so when it uploads.
    "ifMetaGenerationNotMatch": "metageneration_not_match",
}
_SOURCE_PARAMETERS = {f"ifSource{name.removeprefix('if')}": field for name, field in _PARAMETERS.items()}
PARAMETERS = frozenset(_PARAMETERS)
SOURCE_PARAMETERS = frozenset(_SOURCE_PARAMETERS)


def conditions_of(query: Mapping[str, str]) -> Conditions:
    """The conditions on the object that a request names."""
    return _parse(query, _PARAMETERS)


def source_conditions_of(query: Mapping[str, str]) -> Conditions:
    """The conditions on the object that a request copies."""
    return _parse(query, _SOURCE_PARAMETERS)


def number_of(name: str, value: str) -> int:
    """The value of a parameter that is a number from 0 up.

    Raises:
        StorageError: It is none.
    """
    if not (value.isascii() and value.isdecimal()):
        raise invalid(f"Invalid value of {name}: wanted a number, got {value!r}")
    return int(value)


def _parse(query: Mapping[str, str], parameters: Mapping[str, str]) -> Conditions:
    return Conditions(**{field: number_of(name, query[name]) for name, field in parameters.items() if name in query})
