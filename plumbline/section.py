"""The building blocks of a config: sections that pydantic checks at the door and that are frozen ever after."""

from typing import Annotated, TypeVar, dataclass_transform

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

T = TypeVar("T")

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""A name that BigQuery, Vertex AI labels and Python all take."""
Text = Annotated[str, Field(min_length=1, pattern=r"\S")]
Count = Annotated[int, Field(ge=1, strict=True)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


@dataclass_transform(frozen_default=True, kw_only_default=True)
def section(cls: type[T]) -> type[T]:
    """A frozen, slotted dataclass that refuses unknown keys, NaN and infinities."""
    # A step checks few of the sections that it imports: each is made ready when it is first used.
    settings = ConfigDict(extra="forbid", allow_inf_nan=False, defer_build=True)
    return dataclass(frozen=True, slots=True, kw_only=True, config=settings)(cls)  # type: ignore[return-value] # pydantic types the decorated class as its own protocol


def unique(values: tuple[T, ...]) -> tuple[T, ...]:
    """The values, when none is there twice."""
    if len(set(values)) != len(values):
        raise ValueError("the same entry is there twice")
    return values


Names = Annotated[tuple[Name, ...], AfterValidator(unique)]


def to_json(value: object) -> str:
    """The section as canonical JSON: same section, same text.

    Sections travel to their steps as text, since numbers in the Struct of a pipeline parameter come back as floats.
    """
    return TypeAdapter(type(value)).dump_json(value).decode()


def from_json(kind: type[T], text: str) -> T:
    """The section that `to_json` wrote, validated again."""
    return TypeAdapter(kind).validate_json(text)
