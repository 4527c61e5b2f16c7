"""Simple models by scikit-learn: the quick prototypes, on the dataset's own rows, and the trees of the signal check."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from plumbline.dataset import read_summary, stored_rows
from plumbline.design_matrix import Floats, Matrix, Vocabularies, categorical, matrix, needed, spread, vocabularies
from plumbline.problem import Data
from plumbline.prototype import Prototype, PrototypeModel

_ROWS = 500_000
"""Of the training split, spread evenly, where it has more: they are in memory together."""
_SEED = 7
_ITERATIONS = 200


def fit_simple(kind: PrototypeModel, data: Data, prototype: Prototype, dataset: Path) -> Callable[[pa.Table], Floats]:
    """How a model of the training split scores rows: n rows to (n,). Both classes weigh the same in sum."""
    rows = read_summary(dataset).splits["train"].rows
    sample = spread(stored_rows(dataset, "train").parts(needed(data)), _ROWS, rows)
    known = vocabularies(sample, data.features)
    train = matrix(sample, data, known)
    if kind == "logistic_regression":
        fitted = _logistic(train, data, known, prototype)
    else:
        fitted = boosted_trees(train, data, trees=prototype.trees, balanced=True)
    return lambda rows: fitted(matrix(rows, data, known).values)


def boosted_trees(
    train: Matrix, data: Data, *, trees: int, leaves: int = 31, balanced: bool = False
) -> Callable[[Floats], Floats]:
    """How boosted trees score rows, (n, d) to (n,), once they have learnt; the same each time.

    Args:
        train: What they learn from; both classes are in it.
        data: The columns.
        trees: How many.
        leaves: Of a tree, at most.
        balanced: Whether both classes weigh the same in sum.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415 - takes a second to import

    empty = np.isnan(train.values).all(axis=0)

    def filled(values: Floats) -> Floats:
        # scikit-learn 1.9 fails on a column without any value; one that is the same everywhere says as little.
        return np.where(empty, 0.0, values) if empty.any() else values

    model = HistGradientBoostingClassifier(
        max_iter=trees,
        max_leaf_nodes=leaves,
        early_stopping=False,
        class_weight="balanced" if balanced else None,
        categorical_features=categorical(data.features),
        random_state=_SEED,
    ).fit(filled(train.values), train.positive)
    return lambda values: model.predict_proba(filled(values))[:, 1]


def _logistic(train: Matrix, data: Data, known: Vocabularies, prototype: Prototype) -> Callable[[Floats], Floats]:
    """On standardised numbers, their missing values at the mean, and a column a category, as BigQuery ML has it."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - as above

    design = _design(train, data, known)
    model = LogisticRegression(
        C=1 / prototype.l2, class_weight="balanced", solver="newton-cholesky", max_iter=_ITERATIONS
    ).fit(design(train.values), train.positive)
    return lambda values: model.predict_proba(design(values))[:, 1]


def _design(train: Matrix, data: Data, known: Vocabularies) -> Callable[[Floats], npt.NDArray[np.float32]]:
    """What a linear model is given of the values of rows, (n, d) to (n, columns)."""
    means, spreads = _moments(train.values)

    def design(values: Floats) -> npt.NDArray[np.float32]:
        columns = []
        for place, name in enumerate(data.features):
            column = values[:, place]
            if name in known:
                columns.append((column[:, None] == np.arange(len(known[name]))).astype(np.float32))
            else:
                scaled = (column - means[place]) / spreads[place]
                columns.append(np.nan_to_num(scaled, nan=0.0)[:, None].astype(np.float32))
        return np.concatenate(columns, axis=1)

    return design


def _moments(values: Floats) -> tuple[Floats, Floats]:
    """Means and standard deviations of the columns; 0 and 1 for one without values."""
    there = ~np.isnan(values)
    count = np.maximum(there.sum(axis=0), 1)
    means = np.where(there, values, 0.0).sum(axis=0) / count
    variances = np.where(there, (values - means) ** 2, 0.0).sum(axis=0) / count
    return means, np.where(variances > 0, np.sqrt(variances), 1.0)
