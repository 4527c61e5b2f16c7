"""How well scores rank positives above negatives."""

import numpy as np
import numpy.typing as npt


def auc(scores: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_]) -> float:
    """The area under the ROC curve, ties counted half; 0.5 where there is only one class.

    Source: the Mann-Whitney statistic; Hanley and McNeil, Radiology 143 (1982).
    """
    positives = int(positive.sum())
    negatives = positive.size - positives
    if not positives or not negatives:
        return 0.5
    values, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    # The mean rank of each distinct value, from 1.
    ranks = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = float(ranks[inverse][positive].sum()) if values.size else 0.0
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)
