"""How much each column matters on average: by Shapley values, and by what the model loses without it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plumbline.attribution import Attribution, Floats, Score
from plumbline.explanation import Importance
from plumbline.features import Arrays, Features

Labels = npt.NDArray[np.bool_]
Area = Callable[[Labels, Floats], float]
"""The area under the precision-recall curve, of labels and scores."""
_REPEATS = 4
_MARGIN = 0.005
"""AUC-PR that must be at stake on training rows before a column is said to help there only."""
_ERRORS = 2.0
"""Standard errors that a difference must have."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What AUC-PR loses when a column is shuffled, with its standard error over several shuffles."""

    mean: float
    error: float

    @property
    def is_seen(self) -> bool:
        """Whether it is more than the shuffling itself explains."""
        return self.mean > _ERRORS * self.error


def permutation_losses(score: Score, rows: Arrays, positive: Labels, area: Area, *, seed: int) -> Mapping[str, Loss]:
    """The loss of each column: its values are dealt to the rows anew, several times.

    Source: Breiman, "Random forests", Machine Learning 45, 2001, section 10.

    Args:
        score: The model.
        rows: Raw columns, each of shape (n,).
        positive: Shape (n,).
        area: Of labels and scores.
        seed: Of the shuffling.
    """
    random, whole = np.random.default_rng(seed), area(positive, score(rows))
    found = {}
    for name, values in rows.items():
        dealt = [{**rows, name: values[random.permutation(len(values))]} for _ in range(_REPEATS)]
        together = {each: np.concatenate([part[each] for part in dealt]) for each in rows}
        scores = score(together).reshape(_REPEATS, -1)
        losses = [whole - area(positive, part) for part in scores]
        found[name] = Loss(float(np.mean(losses)), float(np.std(losses, ddof=1) / np.sqrt(_REPEATS)))
    return found


def importances(
    attribution: Attribution, test: Mapping[str, Loss], train: Mapping[str, Loss], features: Features
) -> tuple[Importance, ...]:
    """All columns, the one with the largest attribution first."""
    groups = {column.column or name: column.group for name, column in features.items()}
    found = [
        Importance(
            feature=name,
            group=groups[name],
            attribution=float(np.abs(attribution.values[:, place]).mean()),
            permutation=test[name].mean,
            permutation_train=train[name].mean,
            overfits=_overfits(test[name], train[name]),
        )
        for place, name in enumerate(attribution.columns)
    ]
    return tuple(sorted(found, key=lambda each: -each.attribution))


def _overfits(test: Loss, train: Loss) -> bool:
    """Whether a column helps on training rows, and nothing is seen of that on test rows."""
    return train.is_seen and train.mean > _MARGIN and not test.is_seen
