"""A quick prototype by AutoML: what it needs, how long it may take, and the scores in what it answers."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.bigquery_ml import TARGET, YES
from plumbline.dataset import SplitSummary
from plumbline.errors import DataError
from plumbline.problem import Data
from plumbline.prototype import AutoML

_ROWS = 1000
"""Source: Vertex AI, "Best practices for creating tabular training data": fewer are refused."""
_POSITIVES = 50
"""Vertex AI cuts the rows 8 : 1 : 1 by chance, and fails where a part has no positive one: with 50 of them that is less
likely than one in 90, by 0.9 ** 50 for each of the two small parts."""
Json = Mapping[str, object]


def check_rows(train: SplitSummary) -> None:
    """Nothing, when AutoML can learn from the training split.

    Raises:
        DataError: It has too few rows, or too few of a class, and the training would be paid for in vain.
    """
    rarer = min(train.positives, train.rows - train.positives)
    if train.rows < _ROWS or rarer < _POSITIVES:
        raise DataError(
            f"AutoML needs {_ROWS:,} training rows and {_POSITIVES} of each class, got {train.rows:,} and {rarer}: "
            "widen data.split.train, or take prototype.automl away"
        )


def training_inputs(data: Data, automl: AutoML) -> Json:
    """What the training is asked for, beside its rows.

    Source: the schema `automl_tables` of training jobs, `AutoMlTablesInputs`. Categories are named as such, since an
    integer one would be taken for a number.
    """
    return {
        "targetColumn": TARGET,
        "predictionType": "classification",
        "optimizationObjective": "maximize-au-prc",
        "trainBudgetMilliNodeHours": round(automl.budget_hours * 1000),
        "transformations": [
            {"categorical" if column.type == "categorical" else "auto": {"column_name": name}}
            for name, column in data.features.items()
        ],
    }


def scores(predicted: pa.Table, key: Sequence[str]) -> pa.Table:
    """Keys and `score`, the probability of the positive class, of what a batch prediction has written.

    Args:
        predicted: n rows with keys and a struct of `classes` and `scores`, two lists of the same length a row.
        key: The key columns.
    """
    answers = pa.chunked_array(predicted.column(f"predicted_{TARGET}"), type=pa.struct(_ANSWER)).combine_chunks()
    classes, values = (pc.struct_field(answers, name) for name in ("classes", "scores"))
    positive = pc.equal(pc.list_flatten(classes), YES).to_numpy(zero_copy_only=False).astype(bool)
    rows = pc.list_parent_indices(classes).to_numpy()[positive]
    found = np.full(predicted.num_rows, np.nan)
    found[rows] = pc.list_flatten(values).to_numpy(zero_copy_only=False)[positive]
    score = pa.array(found, mask=np.isnan(found))
    return predicted.select(list(key)).append_column("score", score)


_ANSWER = {"classes": pa.list_(pa.string()), "scores": pa.list_(pa.float64())}
