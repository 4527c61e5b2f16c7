"""The decision threshold: chosen on the validation split by the config's rule, and kept with the model."""

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from plumbline.section import Positive, from_json, section, to_json

POINTS = "operating_points.json"
"""The file in an evaluation's folder that has the thresholds."""
Open = Annotated[float, Field(gt=0, lt=1)]


@section
class Costs:
    """What each kind of error costs, in the same unit."""

    false_positive: Positive
    false_negative: Positive


@section
class Rule:
    """How the threshold is chosen on the validation split: exactly one of the ways."""

    costs: Costs | None = None
    """The threshold of the least cost."""
    precision: Open | None = None
    """The threshold of the highest recall among those that reach this precision."""
    recall: Open | None = None
    """The threshold of the highest precision among those that reach this recall."""
    f_beta: Positive | None = None
    """The threshold of the highest F-beta: recall counts beta times as much as precision."""

    @model_validator(mode="after")
    def _one_way(self) -> "Rule":
        given = [name for name in ("costs", "precision", "recall", "f_beta") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"a rule has exactly one of costs, precision, recall and f_beta, got {given or 'none'}")
        return self


Threshold: TypeAlias = Open | Rule


@section
class OperatingPoint:
    """The threshold of a model, and where it comes from."""

    model: str
    threshold: float
    source: Literal["config", "rule", "registry"]
    """config: a number there; rule: chosen on the validation split; registry: the champion's own."""
    explanation: str
    """In words, with what was reached on the validation split."""
    reached: bool = True
    """Whether the rule could be met there; a candidate that cannot meet it is blocked."""


@section
class OperatingPoints:
    """Of all models that were judged, the candidate's first."""

    points: tuple[OperatingPoint, ...]


def write_points(folder: Path, points: OperatingPoints) -> None:
    """Put the thresholds beside the scoreboard."""
    (folder / POINTS).write_text(to_json(points), encoding="utf-8")


def read_points(folder: Path) -> OperatingPoints:
    """The thresholds that lie beside the scoreboard."""
    return from_json(OperatingPoints, (folder / POINTS).read_text(encoding="utf-8"))


def read_threshold(folder: Path) -> float:
    """The candidate's threshold."""
    return read_points(folder).points[0].threshold
