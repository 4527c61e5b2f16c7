"""Scores of a model that learnt from weighted classes, brought back to the true prevalence."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def at_true_prevalence(scores: Floats, prevalence: float) -> Floats:
    """The scores (n,) of a model whose classes weighed the same in sum, for rows of which a share is positive.

    The odds are multiplied by p / (1 - p): see `plumbline.balancing.shift`, with a half for the share in the loss.

    Args:
        scores: In [0, 1], shape (n,).
        prevalence: p, within (0, 1).
    """
    odds = prevalence / (1 - prevalence)
    return scores * odds / (scores * odds + (1 - scores))
