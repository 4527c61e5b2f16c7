"""The signal check: a quick model of a sample, against the same model on labels that say nothing."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from plumbline.dataset import SplitName, read_summary, stored_rows
from plumbline.design_matrix import Floats, Matrix, categorical, matrix, needed, spread, vocabularies
from plumbline.problem import Data
from plumbline.signal import Signal, SignalReport

_SEED = 7
_TREES, _LEAVES = 20, 15
"""Of the quick model: few, since it learns once for each shuffle."""
MODEL = f"{_TREES} boosted trees of {_LEAVES} leaves (scikit-learn)"
_ADVICE = "do not pay for a training; look whether the label is joined to the right rows, and what is known in time"
Labels = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Found:
    """What the quick model reaches; NaN where it cannot be tried."""

    auc: float = np.nan
    auc_pr: float = np.nan
    shuffled: tuple[float, ...] = ()
    suspect: str = ""
    """The feature without which the model is worst."""


def look(dataset: Path, data: Data, signal: Signal, *, clock: Callable[[], float] = time.monotonic) -> SignalReport:
    """What a quick model of the training split finds, judged on the validation split, and what chance finds there.

    Args:
        dataset: The dataset's directory.
        data: The columns.
        signal: How large the sample is, and what must be found.
        clock: Seconds.
    """
    start = clock()
    train, judged = _samples(dataset, data, signal)
    both = all(0 < each.positive.sum() < each.positive.size for each in (train, judged))
    found = _try(train, judged, data, signal) if both else _Found()
    passed, summary = _verdict(found, signal)
    return SignalReport(
        passed=passed,
        summary=summary,
        model=MODEL,
        rows=train.positive.size,
        positives=int(train.positive.sum()),
        auc=0.0 if np.isnan(found.auc) else found.auc,
        auc_pr=0.0 if np.isnan(found.auc_pr) else found.auc_pr,
        prevalence=float(judged.positive.mean()) if judged.positive.size else 0.0,
        shuffled=found.shuffled,
        seconds=clock() - start,
    )


def _samples(dataset: Path, data: Data, signal: Signal) -> tuple[Matrix, Matrix]:
    """Rows spread evenly over the training split, and over the validation split."""
    columns, summary = needed(data), read_summary(dataset)

    def rows(split: SplitName) -> pa.Table:
        return spread(stored_rows(dataset, split).parts(columns), signal.rows, summary.splits[split].rows)

    train, judged = rows("train"), rows("validation")
    known = vocabularies(train, data.features)
    return matrix(train, data, known), matrix(judged, data, known)


def _try(train: Matrix, judged: Matrix, data: Data, signal: Signal) -> _Found:
    from sklearn.metrics import average_precision_score, roc_auc_score  # noqa: PLC0415 - takes a second to import

    random = np.random.default_rng(_SEED)
    scores = _scorer(train.values, train.positive, data)
    own = scores(judged.values)
    shuffled = [_scorer(train.values, random.permutation(train.positive), data) for _ in range(signal.shuffles)]
    auc = float(roc_auc_score(judged.positive, own))
    too_good = auc > signal.maximum_auc
    return _Found(
        auc=auc,
        auc_pr=float(average_precision_score(judged.positive, own)),
        shuffled=tuple(float(average_precision_score(judged.positive, each(judged.values))) for each in shuffled),
        suspect=_suspect(scores, judged, data) if too_good else "",
    )


def _scorer(values: Floats, positive: Labels, data: Data) -> Callable[[Floats], Floats]:
    """The scores that a quick model gives after it has learnt from some rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415 - as above

    model = HistGradientBoostingClassifier(
        max_iter=_TREES,
        max_leaf_nodes=_LEAVES,
        early_stopping=False,
        categorical_features=categorical(data.features),
        random_state=_SEED,
    ).fit(values, positive)
    return lambda rows: model.predict_proba(rows)[:, 1]


def _suspect(scores: Callable[[Floats], Floats], judged: Matrix, data: Data) -> str:
    """The feature whose loss costs the model most."""
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415 - as above

    left = {}
    for place, name in enumerate(data.features):
        without = judged.values.copy()
        without[:, place] = np.nan
        left[name] = roc_auc_score(judged.positive, scores(without))
    return min(left, key=left.__getitem__)


def _verdict(found: _Found, signal: Signal) -> tuple[bool, str]:
    if np.isnan(found.auc_pr):
        return False, f"a class is absent from the sample of {signal.rows:,} rows, so nothing can be learnt: {_ADVICE}"
    chance = max(found.shuffled)
    if found.auc > signal.maximum_auc:
        return False, (
            f"the features together give the answer away: AUC {found.auc:.3f}, at most {signal.maximum_auc:g} can be "
            f"true; look at {found.suspect} first: is it known at the time of the prediction?"
        )
    if found.auc_pr <= chance + signal.margin:
        return False, (
            f"the features say no more of the label than chance: AUC-PR {found.auc_pr:.3f}, and {chance:.3f} from "
            f"shuffled labels; {_ADVICE}"
        )
    return True, f"AUC-PR {found.auc_pr:.3f} on the validation split, at most {chance:.3f} from shuffled labels"
