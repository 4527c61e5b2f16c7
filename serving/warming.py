"""Warm-up: what a model does for the first time, it does before anybody waits for it."""

import gc
import time

from plumbline.features import from_instances
from serving.app import Asked, Served, answer
from serving.settings import Limits


def warm(served: Served, limits: Limits) -> int:
    """Scores batches of 1, 2, 4, ... rows, and gives the most rows that a batch may have.

    That is the largest of these that is within the limit of rows and was scored, the second time, within the limit of
    milliseconds; 1 in any case.
    """
    fits = rows = 1
    while rows <= limits.batch_rows:
        arrays = from_instances([{}] * rows, served.features)
        served.model.score(arrays)
        start = time.perf_counter()
        served.model.score(arrays)
        if (time.perf_counter() - start) * 1000 > limits.batch_ms:
            break
        fits, rows = rows, rows * 2
    if served.background is not None:
        answer(served, Asked([{}], explain=True))
    if served.gradients is not None:
        served.gradients(from_instances([{}], served.features))
    # What is there now stays: the collector, which would take a tenth of a second each time, need not look at it again.
    gc.collect()
    gc.freeze()
    return fits
