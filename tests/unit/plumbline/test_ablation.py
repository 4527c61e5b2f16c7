"""What each group of features is worth."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from plumbline.ablation import ALL, Ablation, Areas, Trial, Worth, areas, groups, kept, table, worths
from plumbline.errors import ModelError
from plumbline.problem import Column

FEATURES = {
    "amount": Column(type="numeric", group="order"),
    "shop": Column(type="categorical"),
    "hour": Column(type="numeric", group="order"),
}


def test_features_are_grouped_and_those_without_a_group_stand_alone() -> None:
    """Two of a group, and one of its own."""
    assert groups(FEATURES) == {"order": ("amount", "hour"), "shop": ("shop",)}


def test_a_group_is_left_out_whole() -> None:
    """And nothing is left out for the training with all features."""
    assert list(kept(FEATURES, "order")) == ["shop"]
    assert list(kept(FEATURES, "shop")) == ["amount", "hour"]
    assert list(kept(FEATURES, ALL)) == list(FEATURES)


def test_no_two_trainings_share_a_name() -> None:
    """Not even where a group is called as the training with all features."""
    names = {Trial(group, seed).name for group in (ALL, "all", "order") for seed in (0, 1, 10)}
    assert len(names) == 9


def scored(shift: Mapping[str, float], *, count: int = 4000) -> pa.Table:
    """Rows whose scores tell the label the better the larger the shift is."""
    random = np.random.default_rng(1)
    labels = random.random(count) < 0.2
    noise = random.normal(size=count)
    scores = {
        name: 1 / (1 + np.exp(-(labels * each + noise + random.normal(scale=0.2, size=count))))
        for name, each in shift.items()
    }
    return pa.table({"label": labels.astype(np.int64), **scores})


def precision_recall_area(scores: np.ndarray[tuple[int], np.dtype[np.float64]], labels: pa.ChunkedArray) -> float:
    """The average precision, row by row."""
    ordered = labels.to_numpy()[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(ordered) / np.arange(1, ordered.size + 1)
    return float(precision[ordered == 1].mean())


def test_areas_are_those_of_the_curve_drawn_row_by_row() -> None:
    """On all rows, and their jackknife error is that of the bootstrap of the paired difference."""
    whole, less = Trial(ALL, 0), Trial("order", 0)
    rows = scored({whole.name: 2.0, less.name: 1.0})
    found = areas([rows.slice(0, 1500), rows.slice(1500)], [whole, less])

    def area(each: pa.Table, trial: Trial) -> float:
        return precision_recall_area(each.column(trial.name).to_numpy(), each.column("label"))

    for trial in (whole, less):
        assert found[trial].whole == pytest.approx(area(rows, trial), abs=0.002)
    (worth,) = worths(found, {"order": ("amount", "hour")})
    random = np.random.default_rng(2)
    drawn = [rows.take(random.integers(0, rows.num_rows, rows.num_rows)) for _ in range(200)]
    differences = [area(each, whole) - area(each, less) for each in drawn]
    half = (worth.high - worth.low) / 2
    # Twenty parts tell a standard error to about a sixth: within three times that.
    assert half == pytest.approx(stats.t.ppf(0.975, 19) * np.std(differences, ddof=1), rel=0.5)
    assert worth.verdict == "helps"


def test_too_few_rows_are_refused() -> None:
    """One positive row: without its part there is no curve."""
    trial = Trial(ALL, 0)
    rows = pa.table({"label": [1] + [0] * 50, trial.name: np.linspace(0, 1, 51)})
    with pytest.raises(ModelError, match="too small"):
        areas([rows], [trial])


def constant(value: float, *parts: float) -> Areas:
    """A training whose area hardly depends on the rows."""
    return Areas(value, np.array(parts or [value, value]))


def test_the_rows_alone_by_hand() -> None:
    """One seed, two parts: differences 0.1 and 0.3, so the variance is 1/2 (0.01 + 0.01), with one degree."""
    found = {Trial(ALL, 0): constant(0.5, 0.5, 0.5), Trial("g", 0): constant(0.3, 0.4, 0.2)}
    (worth,) = worths(found, {"g": ("x",)})
    assert worth.worth == pytest.approx(0.2)
    # Student's t with one degree of freedom is Cauchy's: tan(0.475 pi).
    assert worth.high - worth.worth == pytest.approx(np.tan(0.475 * np.pi) * 0.1)
    assert worth.verdict == "no difference seen"


def test_the_seeds_alone_are_the_paired_t_test() -> None:
    """Where the rows play no part, the interval is the textbook's."""
    whole, less = [0.50, 0.52, 0.51], [0.45, 0.46, 0.47]
    found = {Trial(ALL, i): constant(v) for i, v in enumerate(whole)}
    found |= {Trial("g", i): constant(v) for i, v in enumerate(less)}
    (worth,) = worths(found, {"g": ("x",)})
    textbook = stats.ttest_rel(whole, less).confidence_interval(0.95)
    assert (worth.low, worth.high) == pytest.approx((textbook.low, textbook.high))
    assert worth.without == pytest.approx(0.46)
    assert worth.verdict == "helps"


def test_groups_come_by_their_worth_and_one_may_hurt() -> None:
    """The most valuable first; without chance a difference is one, and none is none."""
    found = {Trial(ALL, 0): constant(0.5)}
    found |= {Trial(name, 0): constant(value) for name, value in (("bad", 0.6), ("same", 0.5), ("good", 0.4))}
    result = worths(found, {name: (name,) for name in ("bad", "same", "good")})
    assert [(each.group, each.verdict) for each in result] == [
        ("good", "helps"),
        ("same", "no difference seen"),
        ("bad", "hurts"),
    ]


def test_the_table_has_a_line_for_each_group() -> None:
    """With how many features it has, and what leaving it out does."""
    worth = Worth(group="order", features=("a", "b"), without=0.31, worth=0.02, low=0.01, high=0.03, verdict="helps")
    lines = table(Ablation(dataset="gs://b/d", rows=1234, seeds=2, whole=0.33, groups=(worth,)))
    assert lines[0] == "with all features: AUC-PR 0.3300 on the 1,234 rows of the validation split"
    assert lines[2].split() == ["order", "2", "0.3100", "+0.0200", "+0.0100", "to", "+0.0300", "helps"]
