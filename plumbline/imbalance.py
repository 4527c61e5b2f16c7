"""Imbalanced classes: how the rare class is made to count, and how scores are brought back to the true prevalence."""

from typing import Annotated, Literal

from pydantic import Field

from plumbline.section import Fraction, section

Method = Literal["none", "class_weight", "oversample", "undersample", "smote"]


@section
class Imbalance:
    """How the rare class is made to count in training; validation and test rows stay as they are."""

    method: Method = "class_weight"
    """class_weight: rows / (classes x rows of the class), as BigQuery ML's AUTO_CLASS_WEIGHTS; oversample, undersample,
    smote: rows of the training split are repeated, left out, or made between neighbours."""
    cap: Annotated[float, Field(ge=1)] = 50.0
    """No class weight exceeds this."""
    share: Annotated[float, Field(gt=0, le=0.5)] = 0.5
    """Of positive rows after over- or undersampling or SMOTE."""
    correct: bool = True
    """Scores are brought back to the true prevalence, so that they are probabilities."""


@section
class Balance:
    """What balancing has come to."""

    method: Method
    prevalence: Fraction
    """Share of positive rows in the training split."""
    trained: Fraction
    """Share of the positive class that the loss saw."""
    rows: int
    """That were trained on in each epoch."""
