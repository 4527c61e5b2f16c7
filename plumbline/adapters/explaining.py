"""The explanation of a model on average, over rows of the test split."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from plumbline.adapters.savedmodel import load
from plumbline.attribution import Floats, sampled_shapley
from plumbline.background import read_background
from plumbline.dataset import SplitName, read_summary, stored_rows
from plumbline.design_matrix import needed, spread
from plumbline.explanation import Explanation, ImportanceReport
from plumbline.features import Arrays, from_table
from plumbline.histogram import cells, gather, pr_area, segments
from plumbline.importance import Labels, importances, permutation_losses
from plumbline.ingestion import is_positive
from plumbline.problem import Data

_SEED = 7


def explain(
    data: Data,
    explanation: Explanation,
    *,
    dataset: Path,
    model: Path,
    clock: Callable[[], float] = time.monotonic,
) -> ImportanceReport:
    """How much each column moves the scores of test rows, and what the model loses without it.

    Args:
        data: The columns.
        explanation: How many rows and orders.
        dataset: The dataset's directory.
        model: The model's directory.
        clock: Seconds.

    Raises:
        ModelError: There is no model, or it has no background rows.
    """
    start, scorer = clock(), load(model)
    features = scorer.signature.features
    test, _ = _rows(dataset, "test", data, explanation.rows)
    background = read_background(model, features, rows=explanation.background)
    attribution = sampled_shapley(scorer.score, test, background, permutations=explanation.permutations, seed=_SEED)
    losses = {
        split: permutation_losses(
            scorer.score, *_rows(dataset, split, data, explanation.shuffled_rows), area, seed=_SEED
        )
        for split in ("test", "train")
    }
    return ImportanceReport(
        rows=len(attribution.values),
        base=attribution.base,
        seconds=clock() - start,
        features=importances(attribution, losses["test"], losses["train"], features),
    )


def _rows(dataset: Path, split: SplitName, data: Data, rows: int) -> tuple[Arrays, Labels]:
    """Raw columns and labels of rows that are spread evenly over a split."""
    total = read_summary(dataset).splits[split].rows
    table = spread(stored_rows(dataset, split).parts(needed(data)), rows, total)
    positive = is_positive(table, data.label).fill_null(fill_value=False)
    return from_table(table, data.features), positive.to_numpy()


def area(positive: Labels, scores: Floats) -> float:
    """The area under the precision-recall curve, as the evaluation has it."""
    keys = cells(np.zeros(scores.size, np.int64), segments(scores), positive)
    return float(pr_area(gather(keys, np.ones((1, scores.size)), slices=1)).value[0])
