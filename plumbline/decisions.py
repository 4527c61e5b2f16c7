"""The confusion matrix and the fairness indicators of every slice at several thresholds."""

from collections.abc import Iterator, Mapping
from typing import Literal, get_args

from plumbline.measured import Measured
from plumbline.scoreboard import Estimate, SliceKey
from plumbline.section import section

Indicator = Literal[
    "false_positive_rate",
    "false_negative_rate",
    "true_positive_rate",
    "true_negative_rate",
    "positive_rate",
    "negative_rate",
    "false_discovery_rate",
    "false_omission_rate",
]
INDICATORS: tuple[Indicator, ...] = get_args(Indicator)
"""Source: Fairness Indicators, FAIRNESS_INDICATORS_SUB_METRICS."""


@section
class Decision:
    """One model on one slice at one threshold. The four cells are weights: counts where every row weighs 1."""

    model: str
    slice: SliceKey
    threshold: float
    true_positives: float
    false_positives: float
    true_negatives: float
    false_negatives: float
    indicators: Mapping[Indicator, Estimate]


def decisions(measured: Measured, thresholds: tuple[float, ...]) -> Iterator[Decision]:
    """What the model decides on each slice at these of its thresholds."""
    for place, key in enumerate(measured.keys):
        for threshold in thresholds:
            i = measured.thresholds.index(threshold)
            tn, fp, fn, tp = (float(cell) for cell in measured.weights[place, i])
            yield Decision(
                model=measured.model,
                slice=key,
                threshold=threshold,
                true_positives=tp,
                false_positives=fp,
                true_negatives=tn,
                false_negatives=fn,
                indicators={name: measured.shares[i][name].estimate(place) for name in INDICATORS},
            )
