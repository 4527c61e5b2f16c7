"""Confidence intervals: by hand or from tables, and never outside what they are about."""

import numpy as np
import pytest

from plumbline import interval


def test_the_normal_quantile() -> None:
    """1.96 for 95 %, 2.576 for 99 %."""
    assert interval.quantile(0.95) == pytest.approx(1.959964, abs=1e-6)
    assert interval.quantile(0.99) == pytest.approx(2.575829, abs=1e-6)


@pytest.mark.parametrize(("degrees", "expected"), [(19, 2.0930), (10, 2.2281), (1000, 1.9623)])
def test_student_s_quantile(degrees: int, expected: float) -> None:
    """From a table, for 95 %."""
    assert interval.quantile(0.95, degrees=degrees) == pytest.approx(expected, abs=1e-3)


def test_wilson_by_hand() -> None:
    """8 of 10 at z = 1.96: middle (0.8 + 0.19208) / 1.38416, half 1.96 / 1.38416 x sqrt(0.016 + 0.009604)."""
    found = interval.share(np.array([8.0]), np.array([10.0]), confidence=0.95)
    assert (found.low[0], found.high[0]) == (pytest.approx(0.49016, abs=1e-4), pytest.approx(0.94331, abs=1e-4))


def test_a_share_of_nothing_has_no_interval() -> None:
    """No trials, no interval; none and all of some stay within 0 and 1."""
    found = interval.share(np.array([0.0, 0.0, 5.0]), np.array([0.0, 5.0, 5.0]), confidence=0.95)
    assert np.isnan(found.low[0])
    assert found.low[1] == 0
    assert found.high[2] == 1


def test_an_area_s_interval_is_symmetric_in_its_logit() -> None:
    """0.9 with an error of 0.09: one logit unit is the error over 0.9 x 0.1."""
    found = interval.area(np.array([0.9]), np.array([0.09]), confidence=0.95)
    middle = np.log(9)
    for end, side in ((found.low[0], -1), (found.high[0], 1)):
        assert np.log(end / (1 - end)) == pytest.approx(middle + side * 1.959964, abs=1e-5)


@pytest.mark.parametrize(("value", "error"), [(0.0, 0.1), (1.0, 0.1), (0.5, 0.0), (np.nan, 0.1)])
def test_an_area_at_the_end_has_no_interval(value: float, error: float) -> None:
    """Nor has one without error, or none at all."""
    found = interval.area(np.array([value]), np.array([error]), confidence=0.95)
    assert np.isnan(found.low[0])
    assert np.isnan(found.high[0])


def test_a_ratio_s_interval_is_symmetric_in_its_logarithm() -> None:
    """2 with an error of 0.2: a tenth on the logarithm, to both sides."""
    found = interval.ratio(np.array([2.0]), np.array([0.2]), confidence=0.95)
    assert found.low[0] == pytest.approx(2 * np.exp(-0.1959964), rel=1e-6)
    assert found.high[0] == pytest.approx(2 * np.exp(0.1959964), rel=1e-6)
