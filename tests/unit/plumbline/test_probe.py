"""Probe: online answers are checked against offline ones."""

import numpy as np
import pytest

from plumbline.errors import ModelError
from plumbline.probe import check_smoke

OFFLINE = np.array([0.1, 0.9])


def test_equal_scores_pass() -> None:
    """The largest difference is what is told."""
    assert check_smoke([0.1, 0.9 + 5e-5], OFFLINE, tolerance=1e-4) == pytest.approx(5e-5)


@pytest.mark.parametrize(
    ("online", "wanted"),
    [
        ([0.1, 0.91], "row 1 scores 0.910000 online and 0.900000 offline"),
        ([0.1], "wanted 2 online scores"),
        ([], "wanted 2 online scores"),
        ([0.1, float("nan")], "not finite"),
    ],
)
def test_other_scores_fail(online: list[float], wanted: str) -> None:
    """A wrong, missing or undefined answer fails the smoke test."""
    with pytest.raises(ModelError, match=wanted):
        check_smoke(online, OFFLINE, tolerance=1e-4)


def test_nothing_to_compare_fails() -> None:
    """An empty probe proves nothing."""
    with pytest.raises(ModelError, match="at least 1"):
        check_smoke([], np.array([]), tolerance=1e-4)
