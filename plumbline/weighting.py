"""Class weights: how much each class counts in the loss."""

from collections.abc import Mapping

from plumbline.errors import DataError
from plumbline.problem import ClassWeights
from plumbline.section import section


@section
class Weights:
    """The weight of a negative and of a positive row."""

    negative: float
    positive: float


def class_weights(positives: int, negatives: int, settings: ClassWeights) -> Weights:
    """The weight of each class: rows / (classes x rows of the class), and at most the cap.

    Source: BigQuery ML, AUTO_CLASS_WEIGHTS.

    Raises:
        DataError: A class has no rows: its weight would be infinite, and there would be nothing to learn.
    """
    counts: Mapping[str, int] = {"negative": negatives, "positive": positives}
    if absent := [name for name, count in counts.items() if count <= 0]:
        raise DataError(f"the training split has no {absent[0]} row ({positives} positive, {negatives} negative)")
    if settings.method == "none":
        return Weights(negative=1.0, positive=1.0)
    total = positives + negatives
    capped = {name: min(settings.cap, total / (2 * count)) for name, count in counts.items()}
    return Weights(**capped)
