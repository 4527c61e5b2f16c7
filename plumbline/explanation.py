"""Explanations: how much each feature moves the scores."""

from typing import Annotated

from pydantic import Field

from plumbline.section import Name, section


@section
class Explanation:
    """How scores are explained, on average in the report and the card, and by instance at the endpoint."""

    rows: Annotated[int, Field(ge=50, strict=True)] = 500
    """Of the test split, explained for the average."""
    background: Annotated[int, Field(ge=1, le=100, strict=True)] = 10
    """Training rows that stand for what is not known: an explanation is against their mean score."""
    permutations: Annotated[int, Field(ge=1, le=1000, strict=True)] = 10
    """Random orders in which the columns become known, each with a background row of its own."""
    shuffled_rows: Annotated[int, Field(ge=50, strict=True)] = 20_000
    """Of the test and of the training split, on which each column is shuffled."""


@section
class Importance:
    """One column of the query, on average; several features can be parts of one timestamp."""

    feature: Name
    group: str
    attribution: float
    """Mean absolute Shapley value over test rows, in units of the score's log-odds."""
    permutation: float
    """What AUC-PR on the test split loses when the feature's values are shuffled."""
    permutation_train: float
    """The same on training rows."""
    overfits: bool
    """It helps on training rows only: a candidate for being left out."""


@section
class ImportanceReport:
    """All features, the most important first."""

    rows: int
    base: float
    """Mean log-odds of the background rows, from which the attributions start."""
    seconds: float
    features: tuple[Importance, ...]
