"""The quick prototype: simple models of the same rows, which a costly one has to beat."""

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field

from plumbline.section import Positive, section, unique

PrototypeModel = Literal["logistic_regression", "boosted_trees"]
PROTOTYPES: tuple[PrototypeModel, ...] = get_args(PrototypeModel)


@section
class Prototype:
    """Which simple models are tried."""

    models: Annotated[tuple[PrototypeModel, ...], AfterValidator(unique)] = ("logistic_regression", "boosted_trees")
    trees: Annotated[int, Field(ge=1, strict=True)] = 100
    """Of the boosted trees."""
    l2: Positive = 1.0
    """Regularisation of the logistic regression."""


@section
class PrototypeResult:
    """One prototype."""

    model: str
    engine: str
    """BigQuery ML or scikit-learn."""
    reason: str
    """Why this engine."""
    seconds: float


@section
class PrototypeReport:
    """What was tried."""

    results: tuple[PrototypeResult, ...]
