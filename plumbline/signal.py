"""Whether the features say anything of the label, asked on a sample before anything costly runs."""

from typing import Annotated

from pydantic import Field

from plumbline.section import Positive, section


@section
class Signal:
    """How a quick model is tried on a sample, and what it must find there."""

    rows: Annotated[int, Field(ge=500, strict=True)] = 20_000
    """Of each sample, spread evenly: of the training split to learn from, and of the validation split to judge by."""
    shuffles: Annotated[int, Field(ge=4, strict=True)] = 9
    """How often the same model learns from shuffled labels, to see what chance finds."""
    margin: Positive = 0.01
    """The quick model's AUC-PR must be above the best that chance found by at least this."""
    maximum_auc: Annotated[float, Field(gt=0.5, le=1)] = 0.99
    """An area under the ROC curve above this is too good to be true: the features give the answer away together."""


@section
class SignalReport:
    """What the signal check found."""

    passed: bool
    summary: str
    """One sentence, with advice where it did not pass."""
    model: str
    """What was tried."""
    rows: Annotated[int, Field(ge=0)]
    """That it learnt from."""
    positives: int
    auc: float
    auc_pr: float
    prevalence: float
    """Of the rows that it was judged by: the AUC-PR of a model that knows nothing."""
    shuffled: tuple[float, ...]
    """AUC-PR after each shuffle of the labels."""
    seconds: float
