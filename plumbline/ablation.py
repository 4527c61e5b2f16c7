"""What each group of features is worth: trainings with all of them, and with one group less."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from plumbline.errors import ModelError
from plumbline.features import Features
from plumbline.histogram import pr_area
from plumbline.section import section
from plumbline.sums import PARTS, Request, sum_up

ALL = ""
"""The group that a training with all features leaves out: none."""
Verdict = Literal["helps", "no difference seen", "hurts"]
Floats = npt.NDArray[np.float64]
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Trial:
    """One training."""

    without: str
    """The group that it lacks, or ALL."""
    seed: int
    """Counted from 0; trainings of the same seed begin alike, and are compared with each other."""

    @property
    def name(self) -> str:
        """Of its folder, and of its column of scores."""
        return f"{self.seed}-without-{self.without}" if self.without else f"{self.seed}-all"


@section
class Worth:
    """What a group was worth."""

    group: str
    features: tuple[str, ...]
    without: float
    """Mean AUC-PR on the validation split of the trainings that lack the group."""
    worth: float
    """By how much it is higher with the group, on average."""
    low: float
    """Of the 95 % interval of the worth."""
    high: float
    verdict: Verdict
    """What the interval says."""


@section
class Ablation:
    """The result, as it is written down."""

    dataset: str
    """gs:// URI."""
    rows: int
    """Of the validation split, on which all were scored."""
    seeds: int
    whole: float
    """Mean AUC-PR of the trainings with all features."""
    groups: tuple[Worth, ...]
    """The most valuable first."""


@dataclass(frozen=True, slots=True)
class Areas:
    """AUC-PR of one training: on all rows, and on all but each part of them."""

    whole: float
    without: Floats
    """Shape (PARTS,)."""


def groups(features: Features) -> Mapping[str, tuple[str, ...]]:
    """The features by group; one without a group is a group of its own."""
    found: dict[str, list[str]] = {}
    for name, column in features.items():
        found.setdefault(column.group or name, []).append(name)
    return {group: tuple(names) for group, names in found.items()}


def kept(features: Features, without: str) -> Features:
    """The features but for those of a group."""
    return {name: column for name, column in features.items() if (column.group or name) != without}


def areas(batches: Iterable[pa.Table], trials: Sequence[Trial], *, weight: str = "") -> Mapping[Trial, Areas]:
    """AUC-PR of each training, all on the same parts of the same rows.

    Args:
        batches: Rows with `label` (0 and 1), and a column of scores for each training, by its name.
        trials: The trainings.
        weight: The column of weights; rows weigh 1 where there is none.

    Raises:
        DataError: A label is neither 0 nor 1.
        ModelError: A score is not a number in [0, 1], or there are too few rows: a part holds all of a class.
    """
    models = {trial.name: trial.name for trial in trials}
    counted = sum_up(batches, Request(models=models, slices=[()], thresholds=(), weight=weight, parts=PARTS))
    found = {trial: counted.sliced(trial.name, ()) for trial in trials}
    result = {
        trial: Areas(
            float(pr_area(sliced.whole.histogram).value[0]),
            np.array([pr_area(sums.histogram).value[0] for sums in sliced.without]),
        )
        for trial, sliced in found.items()
    }
    if not all(np.isfinite(each.without).all() and np.isfinite(each.whole) for each in result.values()):
        raise ModelError("the validation split is too small: without one of its 20 parts it has rows of one class only")
    return result


def worths(found: Mapping[Trial, Areas], members: Mapping[str, tuple[str, ...]]) -> tuple[Worth, ...]:
    """What each group was worth, the most valuable first.

    A training with all features and one without the group that began from the same seed are a pair. The variance of
    their mean difference is that of the rows (the delete-a-group jackknife of the paired difference) and, from two
    seeds on, that of the trainings (between seeds) together; the interval is Student's, with the degrees of freedom
    of such a sum.

    Args:
        found: AUC-PR of every training; the same seeds for every group and for ALL.
        members: The features of each group.

    Source: TFMA 0.52, evaluators/jackknife.py (20 parts); Satterthwaite, Biometrics Bulletin 2 (1946).
    """
    seeds = sorted(trial.seed for trial in found if trial.without == ALL)
    result = []
    for group, features in members.items():
        pairs = [(found[Trial(ALL, seed)], found[Trial(group, seed)]) for seed in seeds]
        differences = np.array([whole.whole - less.whole for whole, less in pairs])
        worth = float(differences.mean())
        half = _half_width(differences, np.mean([whole.without - less.without for whole, less in pairs], axis=0))
        low, high = worth - half, worth + half
        without = float(np.mean([less.whole for _, less in pairs]))
        verdict: Verdict = "helps" if low > 0 else "hurts" if high < 0 else "no difference seen"
        result.append(
            Worth(group=group, features=features, without=without, worth=worth, low=low, high=high, verdict=verdict)
        )
    return tuple(sorted(result, key=lambda each: -each.worth))


def _half_width(differences: Floats, without: Floats) -> float:
    """Half of the interval of a mean difference.

    Args:
        differences: On all rows, shape (seeds,).
        without: The mean difference without each part of the rows, shape (parts,).
    """
    from scipy.stats import t  # noqa: PLC0415 - takes half a second, and only this needs it

    parts, seeds = without.size, differences.size
    variances = [((parts - 1) / parts * float(((without - without.mean()) ** 2).sum()), parts - 1)]
    if seeds > 1:
        variances.append((float(differences.var(ddof=1)) / seeds, seeds - 1))
    total = sum(variance for variance, _ in variances)
    if not total:
        return 0.0
    degrees = total**2 / sum(variance**2 / freedom for variance, freedom in variances)
    return float(t.ppf((1 + _CONFIDENCE) / 2, degrees)) * total**0.5


def table(found: Ablation) -> Sequence[str]:
    """The result as lines of text for a terminal."""
    row = "{:<20}{:>8}{:>10}{:>10}{:>20}  {}".format
    lines = [row("without", "features", "AUC-PR", "worth", "95 % interval", "")]
    lines += [
        row(
            each.group,
            len(each.features),
            f"{each.without:.4f}",
            f"{each.worth:+.4f}",
            f"{each.low:+.4f} to {each.high:+.4f}",
            each.verdict,
        )
        for each in found.groups
    ]
    whole = f"with all features: AUC-PR {found.whole:.4f} on the {found.rows:,} rows of the validation split"
    return [whole, *lines]
