"""What a group of features is worth, against scipy's paired t-test."""

import numpy as np
import pytest
from scipy import stats

from plumbline.ablation import ALL, groups, table, worths
from plumbline.problem import Column

MEMBERS = {"weather": ("wind", "rain"), "noise": ("noise",), "harm": ("harm",)}
FOUND = {
    ALL: [0.30, 0.32, 0.31],
    "weather": [0.25, 0.28, 0.26],
    "noise": [0.31, 0.31, 0.31],
    "harm": [0.35, 0.37, 0.365],
}


def test_features_are_grouped() -> None:
    """One without a group is its own."""
    features = {
        "wind": Column(type="numeric", group="weather"),
        "noise": Column(type="numeric"),
        "rain": Column(type="numeric", group="weather"),
    }
    assert groups(features) == {"weather": ("wind", "rain"), "noise": ("noise",)}


def test_the_most_valuable_comes_first() -> None:
    """Helps, nothing seen, hurts."""
    found = worths(FOUND, MEMBERS)
    assert [(each.group, each.verdict) for each in found] == [
        ("weather", "helps"),
        ("noise", "no difference seen"),
        ("harm", "hurts"),
    ]
    assert found[0].worth == pytest.approx(0.31 - 0.79 / 3)
    assert found[0].features == ("wind", "rain")


@pytest.mark.parametrize("group", MEMBERS)
def test_the_interval_is_that_of_a_paired_t_test(group: str) -> None:
    """By scipy."""
    (found,) = (each for each in worths(FOUND, MEMBERS) if each.group == group)
    wanted = stats.ttest_rel(FOUND[ALL], FOUND[group]).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))
    assert found.without == pytest.approx(np.mean(FOUND[group]))


def test_the_table_has_a_line_for_each_group() -> None:
    """With what it was worth, in which bounds, and what that says."""
    lines = table(worths(FOUND, MEMBERS), FOUND[ALL])
    assert lines[0] == "with all features: AUC-PR 0.3100 on the validation split"
    assert lines[2].split() == ["weather", "0.2633", "+0.0467", "+0.0323", "to", "+0.0610", "helps"]
    assert lines[-1].endswith("hurts")
