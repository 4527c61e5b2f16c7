"""What each group of features is worth: trainings with all of them, and with one group less."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from plumbline.features import Features

ALL = ""
"""The group that a training with all features leaves out: none."""
Verdict = Literal["helps", "no difference seen", "hurts"]
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
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

    @property
    def verdict(self) -> Verdict:
        """What the interval says."""
        return "helps" if self.low > 0 else "hurts" if self.high < 0 else "no difference seen"


def groups(features: Features) -> Mapping[str, tuple[str, ...]]:
    """The features by group; one without a group is a group of its own."""
    found: dict[str, list[str]] = {}
    for name, column in features.items():
        found.setdefault(column.group or name, []).append(name)
    return {group: tuple(names) for group, names in found.items()}


def worths(found: Mapping[str, Sequence[float]], members: Mapping[str, tuple[str, ...]]) -> tuple[Worth, ...]:
    """What each group was worth, the most valuable first.

    A training with all features and one without the group that began from the same seed are a pair; the interval is
    that of the mean difference by Student's t over the seeds.

    Args:
        found: AUC-PR by the group that was left out, one a seed, at least two; under ALL with all features.
        members: The features of each group.
    """
    from scipy.stats import t  # noqa: PLC0415 - takes half a second, and only this needs it

    whole, result = np.array(found[ALL]), []
    width = float(t.ppf((1 + _CONFIDENCE) / 2, whole.size - 1))
    for group, features in members.items():
        without = np.array(found[group])
        differences = whole - without
        half = width * float(differences.std(ddof=1)) / np.sqrt(whole.size)
        worth = float(differences.mean())
        result.append(Worth(group, features, float(without.mean()), worth, worth - half, worth + half))
    return tuple(sorted(result, key=lambda each: -each.worth))


def table(found: Sequence[Worth], whole: Sequence[float]) -> Sequence[str]:
    """The result as lines of text for a terminal."""
    row = "{:<16}{:>10}{:>10}{:>22}  {}".format
    lines = [row("without", "AUC-PR", "worth", "95 % interval", "")]
    lines += [
        row(
            each.group,
            f"{each.without:.4f}",
            f"{each.worth:+.4f}",
            f"{each.low:+.4f} to {each.high:+.4f}",
            each.verdict,
        )
        for each in found
    ]
    return [f"with all features: AUC-PR {np.mean(whole):.4f} on the validation split", *lines]
