"""SMOTE: positive rows made between positive rows, for encoded rows of numbers and categories."""

import numpy as np
import numpy.typing as npt

from plumbline.errors import DataError, ModelError
from plumbline.imbalance import Imbalance
from trainer.rows import Layout, Records

_NEIGHBOURS = 5
"""Source: Chawla, Bowyer, Hall, Kegelmeyer, "SMOTE: Synthetic Minority Over-sampling Technique", 2002."""


def smote(records: Records, layout: Layout, flags: tuple[int, ...], imbalance: Imbalance, *, seed: int) -> Records:
    """The rows, and as many new positive ones as bring the share of positive rows to what is wanted.

    A new row's numbers lie between those of a positive row and one of its five nearest; its flags and codes are what
    most of the five have.

    Args:
        records: Training rows, as `Layout.pack` makes them.
        layout: Of a row.
        flags: Places of the numbers that are 0 or 1.
        imbalance: The wanted share.
        seed: Of the choice of neighbours.

    Raises:
        DataError: There are too few positive rows for five neighbours.
        ModelError: The package imbalanced-learn is not installed.
    """
    try:
        from imblearn.over_sampling import SMOTE, SMOTENC  # noqa: PLC0415 - takes seconds, and only SMOTE needs it
    except ImportError as error:
        raise ModelError("training.imbalance.method smote needs the package imbalanced-learn in the image") from error
    values, labels = _values(records, layout), records[:, -2]
    positives, negatives = int(labels.sum()), int((labels == 0).sum())
    if positives <= _NEIGHBOURS:
        raise DataError(
            f"SMOTE needs more than {_NEIGHBOURS} positive rows in the training split, there are {positives}: "
            "take training.imbalance.method class_weight"
        )
    ratio = imbalance.share / (1 - imbalance.share)
    if positives >= ratio * negatives:
        return records
    categories = [*flags, *range(layout.numbers, layout.numbers + layout.codes)]
    settings = {"sampling_strategy": ratio, "k_neighbors": _NEIGHBOURS, "random_state": seed}
    sampler = SMOTENC(categories, **settings) if categories else SMOTE(**settings)
    made, of = sampler.fit_resample(values, labels.astype(np.int64))
    encoded = made[:, : layout.numbers].astype(np.float32), made[:, layout.numbers :].astype(np.int32)
    return layout.pack(encoded, of.astype(np.float32), np.ones(len(of), np.float32))


def _values(records: Records, layout: Layout) -> npt.NDArray[np.float64]:
    """Numbers and codes of rows side by side, shape (n, d + k)."""
    numbers = records[:, : layout.numbers]
    codes = np.ascontiguousarray(records[:, layout.numbers : layout.numbers + layout.codes]).view(np.int32)
    return np.concatenate([numbers, codes], axis=1, dtype=np.float64)
