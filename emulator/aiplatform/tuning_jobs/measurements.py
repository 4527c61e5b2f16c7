"""What trials have reported, and which of them are to be stopped.

`cloudml-hypertune` writes a line of JSON a measurement: the metric under its id, as text, and `global_step`.
"""

import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path

Measured = Sequence[tuple[int, float]]
"""Steps with the metric at each, in the order in which they were reported."""


def read(path: Path, metric: str) -> Measured:
    """The measurements that are in a file now; a line that is being written does not count yet."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [measured for line in lines if (measured := _measured(line, metric)) is not None]


def _measured(line: str, metric: str) -> tuple[int, float] | None:
    """What a line says of a metric; None where it says nothing that is a number."""
    try:
        said = json.loads(line)
        step, value = int(said["global_step"]), float(said[metric])
    except (ValueError, KeyError, TypeError):
        return None
    return (step, value) if math.isfinite(value) else None


def is_hopeless(own: Measured, others: Sequence[Measured], *, sign: int) -> bool:
    """Whether the best of a trial so far is below the median of what the trials that have ended had on average by then.

    Source: study.proto, MedianAutomatedStoppingSpec.

    Args:
        own: Of the trial that runs.
        others: Of the trials that have ended.
        sign: 1 where the metric is to be large, -1 where it is to be small.
    """
    if not own:
        return False
    step = own[-1][0]
    before = ([sign * value for at, value in measured if at <= step] for measured in others)
    averages = [statistics.fmean(values) for values in before if values]
    return bool(averages) and max(sign * value for _, value in own) < statistics.median(averages)
