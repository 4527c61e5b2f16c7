"""What an evaluation may ask for beyond its metrics at one threshold."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from plumbline.section import Name, section, unique

Threshold = Annotated[float, Field(ge=0, lt=1)]
Intervals = Literal["analytic", "jackknife", "none"]


@section
class Measures:
    """Weights, further thresholds, and how intervals are found."""

    weight: Name | Literal[""] = ""
    """The column that says how much a row counts; every row counts the same where there is none."""
    thresholds: Annotated[tuple[Threshold, ...], AfterValidator(unique)] = ()
    """Thresholds at which the confusion matrix and the fairness indicators of every slice are reported."""
    intervals: Intervals = "analytic"
    """analytic: Wilson's, and the infinitesimal jackknife; jackknife: each of 20 random parts of the rows is left out
    in turn, as in TFMA; none: no intervals."""
