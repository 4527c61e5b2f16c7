"""SMOTE: positive rows made between positive rows, for encoded rows of numbers and categories."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from plumbline.errors import DataError, ModelError
from plumbline.imbalance import Imbalance
from trainer.rows import Layout, Records

_NEIGHBOURS = 5
"""Source: Chawla, Bowyer, Hall, Kegelmeyer, "SMOTE: Synthetic Minority Over-sampling Technique", 2002."""
_DOUBLE = np.dtype(np.float64).itemsize
_VALUES = 3
"""Of a discrete number, at most: a boolean is false, true, or missing."""
_COPIES = 1.5
"""What gathering the neighbours takes, against the neighbours themselves, as measured."""
_DISTANCES = 1 << 30
"""Bytes of distances at once, at most. Source: scikit-learn, `working_memory`."""
_PASSES = 8
"""Copies of the encoded rows beside that, as measured."""
_GB = 1e9


def require(  # noqa: PLR0913 - everything that decides how much memory is taken
    known: tuple[int, int],
    layout: Layout,
    discrete: Sequence[int],
    cardinalities: Sequence[int],
    imbalance: Imbalance,
    *,
    memory: int,
) -> None:
    """Nothing, where SMOTE has neighbours enough and its work fits into so many bytes.

    imbalanced-learn gathers the five neighbours of all new rows at once, each category as wide as it has values.

    Args:
        known: Positive and negative rows of the training split.
        layout: Of a row.
        discrete: Places of the numbers that are treated as categories.
        cardinalities: Number of codes of each categorical feature.
        imbalance: The wanted share.
        memory: Bytes.

    Raises:
        DataError: There are too few positive rows for five neighbours.
        ModelError: It does not fit.
    """
    positives, negatives = known
    _require_neighbours(positives)
    made = max(0.0, negatives * imbalance.share / (1 - imbalance.share) - positives)
    width = layout.numbers + (_VALUES - 1) * len(discrete) + sum(cardinalities)
    needed = _COPIES * made * _NEIGHBOURS * width * _DOUBLE + min(_DISTANCES, positives * positives * _DOUBLE)
    needed += _PASSES * (sum(known) + made) * layout.size
    if needed > memory:
        raise ModelError(
            f"training.imbalance.method smote works in memory and would take about {needed / _GB:.2g} GB for "
            f"{made:,.0f} new rows, training.memory_gb is {memory / _GB:g}: raise it, lower training.imbalance.share, "
            "or take class_weight"
        )


def _require_neighbours(positives: int) -> None:
    if positives <= _NEIGHBOURS:
        raise DataError(
            f"SMOTE needs more than {_NEIGHBOURS} positive rows in the training split, there are {positives}: "
            "take training.imbalance.method class_weight"
        )


def smote(records: Records, layout: Layout, discrete: Sequence[int], imbalance: Imbalance, *, seed: int) -> Records:
    """The rows, and as many new positive ones as bring the share of positive rows to what is wanted.

    A new row's numbers lie between those of a positive row and one of its five nearest; its discrete numbers and codes
    are what most of the five have.

    Args:
        records: Training rows, as `Layout.pack` makes them.
        layout: Of a row.
        discrete: Places of the numbers that are treated as categories.
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
    _require_neighbours(positives)
    ratio = imbalance.share / (1 - imbalance.share)
    if positives >= ratio * negatives:
        return records
    categories = [*discrete, *range(layout.numbers, layout.numbers + layout.codes)]
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
