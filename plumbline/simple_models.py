"""The quick prototypes by scikit-learn, on the dataset's own rows."""

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
    fitted = (
        _logistic(train, data, known, prototype) if kind == "logistic_regression" else _trees(train, data, prototype)
    )
    return lambda rows: fitted(matrix(rows, data, known).values)


def _trees(train: Matrix, data: Data, prototype: Prototype) -> Callable[[Floats], Floats]:
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415 - takes a second to import

    model = HistGradientBoostingClassifier(
        max_iter=prototype.trees,
        early_stopping=False,
        class_weight="balanced",
        categorical_features=categorical(data.features),
        random_state=_SEED,
    ).fit(train.values, train.positive)
    return lambda values: model.predict_proba(values)[:, 1]


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
