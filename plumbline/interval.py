"""Confidence intervals that stay within the range of what they are about.

Every function takes and returns arrays of shape (slices,) and gives NaN where there is no interval.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """Both ends."""

    low: Floats
    high: Floats


def quantile(confidence: float, *, degrees: int | None = None) -> float:
    """The z with `confidence` of a standard normal variable between -z and z; 1.96 for 0.95.

    Args:
        confidence: Between 0 and 1.
        degrees: Of freedom, at least 10: of Student's t in place of the normal variable; right to 0.001 then.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.7.5.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    if degrees is None:
        return z
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / degrees + second / degrees**2 + third / degrees**3


def share(successes: Floats, trials: Floats, *, confidence: float) -> Interval:
    """Wilson's interval of a share, such as precision; none without trials.

    Source: Wilson, JASA 22 (1927); Brown, Cai and DasGupta, Statistical Science 16 (2001) on its coverage.
    """
    z = quantile(confidence)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = successes / trials
        middle = (rate + z * z / (2 * trials)) / (1 + z * z / trials)
        half = z / (1 + z * z / trials) * np.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    # Rounding must not put the ends beyond the share itself.
    return Interval(np.clip(middle - half, 0, rate), np.clip(middle + half, rate, 1))


def area(value: Floats, error: Floats, *, confidence: float, degrees: int | None = None) -> Interval:
    """The interval of an area or share from its standard error, symmetric in its logit; none at 0, 1 or without error.

    Source: Pepe, The Statistical Evaluation of Medical Tests (2003), 5.2 (ROC); Boyd, Eng and Page (2013) (PR).
    """
    known = (value > 0) & (value < 1) & (error > 0)
    inside = np.where(known, value, 0.5)
    logit = np.log(inside / (1 - inside))
    half = quantile(confidence, degrees=degrees) * error / (inside * (1 - inside))
    ends = (1 / (1 + np.exp(-(logit + side * half))) for side in (-1, 1))
    return Interval(*(np.where(known, end, np.nan) for end in ends))


def ratio(value: Floats, error: Floats, *, confidence: float, degrees: int | None = None) -> Interval:
    """The interval of a positive ratio from its standard error, symmetric in its logarithm; none without error."""
    known = (value > 0) & (error > 0)
    inside = np.where(known, value, 1.0)
    half = quantile(confidence, degrees=degrees) * error / inside
    return Interval(*(np.where(known, inside * np.exp(side * half), np.nan) for side in (-1, 1)))
