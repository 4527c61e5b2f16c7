"""The quick prototype: simple models of the same rows, which a costly one has to beat."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from plumbline.section import Positive, section, unique

PrototypeModel = Literal["logistic_regression", "boosted_trees"]


@section
class AutoML:
    """An AutoML tabular training on Vertex AI; its objective is the area under the precision-recall curve."""

    budget_hours: Annotated[float, Field(ge=1, le=72)] = 1.0
    """Node hours at most, which are what it costs."""


_HOUR_S = 3600.0
SCORING_S = 2 * _HOUR_S
"""How long a batch prediction of AutoML's model may take."""
SCORING_MACHINE = "n1-standard-4"
"""On which it runs, one of them."""


def training_limit_s(automl: AutoML) -> float:
    """How long a training may take: node hours are not hours, since it has several nodes and also prepares the data."""
    return (2 * automl.budget_hours + 2) * _HOUR_S


@section
class Prototype:
    """Which simple models are tried."""

    models: Annotated[tuple[PrototypeModel, ...], AfterValidator(unique)] = ("logistic_regression", "boosted_trees")
    trees: Annotated[int, Field(ge=1, strict=True)] = 100
    """Of the boosted trees."""
    l2: Positive = 1.0
    """Regularisation of the logistic regression."""
    automl: AutoML | None = None


def tried(prototype: Prototype) -> tuple[str, ...]:
    """The names of the models that are tried."""
    return (*prototype.models, *(["automl"] if prototype.automl else []))


@section
class PrototypeResult:
    """One prototype."""

    model: str
    engine: str
    """BigQuery ML, scikit-learn or Vertex AI AutoML."""
    reason: str
    """Why this engine."""
    seconds: float


@section
class PrototypeReport:
    """What was tried."""

    results: tuple[PrototypeResult, ...]
