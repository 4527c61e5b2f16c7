"""The signal check: a quick model of a sample, against the same model on labels that say nothing."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from plumbline.dataset import SplitName, read_summary, stored_rows
from plumbline.design_matrix import Floats, Matrix, matrix, needed, spread, vocabularies
from plumbline.problem import Data
from plumbline.signal import Signal, SignalReport
from plumbline.simple_models import boosted_trees

_SEED = 7
_TREES, _LEAVES = 20, 15
"""Of the quick model: few, since it learns once for each shuffle."""
MODEL = f"{_TREES} boosted trees of {_LEAVES} leaves (scikit-learn)"
_ADVICE = "do not pay for a training; look whether the label is joined to the right rows, and what is known in time"
_FEWEST = 10
"""Of each class, in each sample: of fewer, luck finds as much as a model."""
Labels = npt.NDArray[np.bool_]
_NOTHING = Matrix(np.zeros((0, 0)), np.zeros(0, np.bool_))


@dataclass(frozen=True, slots=True)
class _Found:
    """What the quick model reaches; nothing where it cannot be tried."""

    auc: float = 0.0
    auc_pr: float = 0.0
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
    fewest = min(_rarer(train), _rarer(judged))
    found = _try(train, judged, data, signal) if fewest >= _FEWEST else _Found()
    passed, summary = _verdict(found, signal) if fewest >= _FEWEST else (False, _too_few(fewest))
    return SignalReport(
        passed=passed,
        summary=summary,
        model=MODEL,
        rows=train.positive.size,
        positives=int(train.positive.sum()),
        auc=found.auc,
        auc_pr=found.auc_pr,
        prevalence=float(judged.positive.mean()) if judged.positive.size else 0.0,
        shuffled=found.shuffled,
        seconds=clock() - start,
    )


def _samples(dataset: Path, data: Data, signal: Signal) -> tuple[Matrix, Matrix]:
    """Rows spread evenly over the training split, and over the validation split; none where a split is empty."""
    columns, summary = needed(data), read_summary(dataset)
    if not (summary.splits["train"].rows and summary.splits["validation"].rows):
        return _NOTHING, _NOTHING

    def rows(split: SplitName) -> pa.Table:
        return spread(stored_rows(dataset, split).parts(columns), signal.rows, summary.splits[split].rows)

    train, judged = rows("train"), rows("validation")
    known = vocabularies(train, data.features)
    return matrix(train, data, known), matrix(judged, data, known)


def _try(train: Matrix, judged: Matrix, data: Data, signal: Signal) -> _Found:
    from sklearn.metrics import average_precision_score, roc_auc_score  # noqa: PLC0415 - takes a second to import
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - comes with it

    def learnt(positive: Labels) -> Callable[[Floats], Floats]:
        return boosted_trees(Matrix(train.values, positive), data, trees=_TREES, leaves=_LEAVES)

    random = np.random.default_rng(_SEED)
    # So small a model gains nothing from threads, and where cores are shared they spin for one another.
    with threadpool_limits(1):
        scores = learnt(train.positive)
        own = scores(judged.values)
        chance = [learnt(random.permutation(train.positive))(judged.values) for _ in range(signal.shuffles)]
    auc = float(roc_auc_score(judged.positive, own))
    too_good = auc > signal.maximum_auc
    return _Found(
        auc=auc,
        auc_pr=float(average_precision_score(judged.positive, own)),
        shuffled=tuple(float(average_precision_score(judged.positive, each)) for each in chance),
        suspect=_suspect(scores, judged, data) if too_good else "",
    )


def _suspect(scores: Callable[[Floats], Floats], judged: Matrix, data: Data) -> str:
    """The feature whose loss costs the model most."""
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415 - as above

    left = {}
    for place, name in enumerate(data.features):
        without = judged.values.copy()
        without[:, place] = np.nan
        left[name] = roc_auc_score(judged.positive, scores(without))
    return min(left, key=left.__getitem__)


def _rarer(rows: Matrix) -> int:
    """How many rows the rarer class has."""
    positives = int(rows.positive.sum())
    return min(positives, rows.positive.size - positives)


def _too_few(fewest: int) -> str:
    if not fewest:
        return f"a class is absent from the sample, so nothing can be learnt: {_ADVICE}"
    return f"a class has only {fewest} rows in the sample, and {_FEWEST} are needed to tell: raise signal.rows"


def _verdict(found: _Found, signal: Signal) -> tuple[bool, str]:
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
