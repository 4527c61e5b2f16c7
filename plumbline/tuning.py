"""Hyperparameter tuning: the space that is searched, and what the search found."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from plumbline.section import Count, section

_MOST_VALUES, _CLOSEST = 1000, 1e-10


@section
class Parameter:
    """The values that one hyperparameter may take: a range, or a list."""

    minimum: float | None = None
    maximum: float | None = None
    values: tuple[float, ...] = ()
    scale: Literal["linear", "log"] = "linear"

    @model_validator(mode="after")
    def _one_kind(self) -> "Parameter":
        is_range = self.minimum is not None and self.maximum is not None
        if is_range == bool(self.values):
            raise ValueError("a parameter has either minimum and maximum, or values")
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            raise ValueError(f"minimum {self.minimum:g} must be below maximum {self.maximum:g}")
        least = self.values[0] if self.values else self.minimum or 0.0
        if self.scale == "log" and least <= 0:
            raise ValueError(f"a logarithmic scale needs a minimum above 0, got {least:g}")
        # Source: study.proto, DiscreteValueSpec.
        if len(self.values) > _MOST_VALUES or any(b - a < _CLOSEST for a, b in pairwise(self.values)):
            raise ValueError(f"values must ascend and be at most {_MOST_VALUES}, got {list(self.values[:5])}")
        return self


Tunable = Literal["learning_rate", "batch_size", "dropout", "embedding", "width", "layers"]
TUNABLE: tuple[Tunable, ...] = get_args(Tunable)
WHOLE: frozenset[Tunable] = frozenset(("batch_size", "embedding", "width", "layers"))
"""The whole numbers among them."""
METRIC = "val_auc_pr"
"""What a search maximises: the area under the precision-recall curve on the validation split, after each epoch."""


@section
class Tuning:
    """A search over hyperparameters, as a Vertex AI hyperparameter tuning job; its goal is the validation AUC-PR."""

    parameters: Annotated[Mapping[Tunable, Parameter], Field(min_length=1)]
    trials: Annotated[int, Field(ge=1, le=1000, strict=True)] = 8
    parallel: Count = 2
    """Trials side by side."""
    algorithm: Literal["bayesian", "random", "grid"] = "bayesian"
    early_stopping: Literal["none", "median"] = "median"
    """median: a trial worse than the median of the others at the same epoch is ended."""
    epochs: Count | None = None
    """Of a trial; as many as a training has, where nothing is said."""


@section
class Trial:
    """One trial."""

    number: str
    parameters: Mapping[Tunable, float]
    state: str
    """Vertex AI's word: SUCCEEDED (also where it was stopped early) or INFEASIBLE."""
    auc_pr: float | None
    """The best validation AUC-PR that it reached."""
    epochs: int
    """That it went through; fewer than others had where it was stopped early."""


@section
class TuningReport:
    """What the search found; without trials there was none."""

    job: str = ""
    """Resource name."""
    best: str = ""
    """Number of the best trial."""
    trials: tuple[Trial, ...] = ()
