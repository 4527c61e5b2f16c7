"""Class weights: how much each class counts in the loss."""

from plumbline.errors import DataError
from plumbline.imbalance import Imbalance
from plumbline.section import section


@section
class Weights:
    """The weight of a negative and of a positive row."""

    negative: float
    positive: float


EVEN = Weights(negative=1.0, positive=1.0)


def class_weights(positives: int, negatives: int, imbalance: Imbalance) -> Weights:
    """The weight of each class: rows / (classes x rows of the class), and at most the cap; 1 by the other methods.

    Source: BigQuery ML, AUTO_CLASS_WEIGHTS.

    Raises:
        DataError: A class has no rows: its weight would be infinite, and there would be nothing to learn.
    """
    if absent := [name for name, count in (("negative", negatives), ("positive", positives)) if count <= 0]:
        raise DataError(f"the training split has no {absent[0]} row ({positives} positive, {negatives} negative)")
    if imbalance.method != "class_weight":
        return EVEN
    total = positives + negatives
    return Weights(
        negative=min(imbalance.cap, total / (2 * negatives)), positive=min(imbalance.cap, total / (2 * positives))
    )
