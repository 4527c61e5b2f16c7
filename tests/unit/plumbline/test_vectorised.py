"""The vectorised evaluation engine."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.errors import DataError, ModelError
from plumbline.measures import Intervals, Measures
from plumbline.problem import Evaluation, Gate, Metric
from plumbline.scoreboard import Confusion, Estimate, Scoreboard, SliceKey, SliceResult, find
from plumbline.vectorised import Evaluated, evaluate_batches

MODEL = "candidate"


def evaluation(*slices: tuple[str, ...], threshold: float = 0.5, confidence: float = 0.95) -> Evaluation:
    """An evaluation of all rows together and by these columns."""
    return Evaluation(
        slices=((), *slices), gates=(Gate(metric="auc", minimum=0.5),), threshold=threshold, confidence=confidence
    )


def evaluate_vectorised(table: pa.Table, evaluation: Evaluation, models: Sequence[str]) -> Scoreboard:
    """The scoreboard of a table."""
    return evaluate_batches([table], evaluation, models).board


def asked(intervals: Intervals) -> Evaluation:
    """The same with intervals found like this."""
    return replace(evaluation(), measures=Measures(intervals=intervals))


def evaluated(
    labels: Sequence[int | bool | None],
    scores: Sequence[float | None],
    *slices: tuple[str, ...],
    columns: Mapping[str, Sequence[object]] | None = None,
    threshold: float = 0.5,
) -> Scoreboard:
    """The scoreboard of one model."""
    table = pa.table({"label": pa.array(labels), MODEL: pa.array(scores, pa.float64()), **(columns or {})})
    return evaluate_vectorised(table, evaluation(*slices, threshold=threshold), [MODEL])


def result(board: Scoreboard, key: SliceKey = ()) -> SliceResult:
    """The model's result on a slice that must be there."""
    found = find(board, MODEL, key)
    assert found is not None
    return found


def values(found: SliceResult) -> Mapping[Metric, float | None]:
    """Metrics without their intervals."""
    return {name: estimate.value for name, estimate in found.metrics.items()}


def exact(found: SliceResult) -> dict[str, float | None]:
    """The metrics that do not depend on how wide a segment is."""
    return {name: value for name, value in values(found).items() if name != "calibration_error"}


def of_drawn(rows: int, *, seed: int = 3) -> SliceResult:
    """The result on such rows."""
    labels, scores = drawn(rows, seed=seed)
    return result(evaluated(labels.tolist(), scores.tolist()))


def drawn(rows: int, *, seed: int = 3) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Labels, a fifth of them positive, and scores that know something of them."""
    random = np.random.default_rng(seed)
    labels = random.random(rows) < 0.2
    return labels, np.clip(random.beta(2, 5, rows) + 0.25 * labels, 0, 1)


def test_all_metrics_by_hand() -> None:
    """Five rows: two positives at 0.9 and 0.3, three negatives at 0.6, 0.2 and 0.1."""
    found = result(evaluated([1, 1, 0, 0, 0], [0.9, 0.3, 0.6, 0.2, 0.1]))
    assert found.confusion == Confusion(true_positives=1, false_positives=1, true_negatives=2, false_negatives=1)
    assert (found.count, found.positives) == (5, 2)
    # Of the 6 pairs only (0.3, 0.6) is in the wrong order. Precision-recall: the first positive alone adds 1 x 1/2; the
    # second, after the negative, 1 x 1/2 of (1 + (1 - 2) ln(3/2)), by Davis and Goadrich.
    expected = {
        "auc": 5 / 6,
        "auc_pr": 0.5 + 0.5 * (1 + (1 - 2) * np.log(3 / 2)),
        "precision": 1 / 2,
        "recall": 1 / 2,
        "calibration": 2.1 / 2,
        "example_count": 5.0,
        "positives": 2.0,
    }
    assert exact(found) == pytest.approx(expected, abs=1e-12)
    # Each row is alone in its tenth: the mean of 0.1, 0.7, 0.6, 0.2 and 0.1.
    assert values(found)["calibration_error"] == pytest.approx(0.34, abs=1e-4)


def test_a_score_at_the_threshold_is_a_negative_decision() -> None:
    """As in TFMA: strictly above counts, at the threshold does not."""
    just_above = float(np.nextafter(0.3, 1))
    found = result(evaluated([1, 1, 0, 0], [0.3, just_above, 0.3, just_above], threshold=0.3))
    assert found.confusion == Confusion(true_positives=1, false_positives=1, true_negatives=1, false_negatives=1)


def test_a_single_precision_score_is_compared_as_it_is() -> None:
    """The float32 nearest to 0.3 is 0.300000012, which is above 0.3."""
    table = pa.table({"label": [1], MODEL: pa.array([0.3], pa.float32())})
    board = evaluate_vectorised(table, evaluation(threshold=0.3), [MODEL])
    assert result(board).confusion.true_positives == 1


@pytest.mark.parametrize(
    ("labels", "scores", "undefined"),
    [
        pytest.param([1, 1], [0.9, 0.2], {"auc", "auc_pr"}, id="only positives"),
        pytest.param([0, 0], [0.9, 0.2], {"auc", "auc_pr", "recall", "calibration"}, id="only negatives"),
        pytest.param([1, 0], [0.4, 0.2], {"precision"}, id="no positive decision"),
        pytest.param([0], [0.2], {"auc", "auc_pr", "precision", "recall", "calibration"}, id="one example"),
    ],
)
def test_what_is_not_defined_is_none(labels: list[int], scores: list[float], undefined: set[str]) -> None:
    """No 0.0 and no NaN that a gate could take for a result; nor an interval."""
    found = result(evaluated(labels, scores)).metrics
    assert {name for name, estimate in found.items() if estimate.value is None} == undefined
    assert all(found[name] == Estimate(value=None) for name in found if name in undefined)


def test_slices_are_in_the_order_of_the_config_and_of_their_values() -> None:
    """Numbers by size, not by text; a cross in the order of its entry's columns; combinations without rows absent."""
    columns: Mapping[str, Sequence[object]] = {"hour": [10, 9, 9, 10], "origin": ["B", "A", "A", "A"]}
    board = evaluated([0, 1, 0, 1], [0.1] * 4, ("hour",), ("origin", "hour"), columns=columns)
    assert [found.slice for found in board.results] == [
        (),
        (("hour", "9"),),
        (("hour", "10"),),
        (("origin", "A"), ("hour", "9")),
        (("origin", "A"), ("hour", "10")),
        (("origin", "B"), ("hour", "10")),
    ]
    assert result(board, (("origin", "A"), ("hour", "9"))).count == 2


def test_a_row_without_a_slicing_value_is_in_no_such_slice() -> None:
    """It still counts in all rows; the empty text is a value, and a missing one is none."""
    columns: Mapping[str, Sequence[object]] = {"origin": ["A", None, "", "A"], "flag": [True, False, None, None]}
    board = evaluated([0, 1, 0, 1], [0.1] * 4, ("origin",), ("flag",), ("origin", "flag"), columns=columns)
    assert {found.slice: found.count for found in board.results} == {
        (): 4,
        (("origin", ""),): 1,
        (("origin", "A"),): 2,
        (("flag", "false"),): 1,
        (("flag", "true"),): 1,
        (("origin", "A"), ("flag", "true")): 1,
    }


def test_a_column_without_any_value_has_no_slices() -> None:
    """The gates ask for the slices they expect, so nothing passes for it."""
    nothing = pa.array([None, None], pa.string())
    table = pa.table({"label": [0, 1], MODEL: [0.1, 0.2], "origin": nothing})
    board = evaluate_vectorised(table, evaluation(("origin",)), [MODEL])
    assert [found.slice for found in board.results] == [()]


def test_no_rows_have_no_slices() -> None:
    """Not even all rows together, as in TFMA; no curves either."""
    table = pa.table({"label": pa.array([], pa.int64()), MODEL: pa.array([], pa.float64())})
    board = evaluate_vectorised(table, evaluation(), [MODEL])
    assert (board.results, board.curves) == ((), ())


def test_models_do_not_touch_each_other() -> None:
    """Two models together have the results of each alone."""
    labels, scores = drawn(300)
    table = pa.table({"label": labels, MODEL: scores, "today": scores[::-1]})
    both = evaluate_vectorised(table, evaluation(), [MODEL, "today"])
    alone = [evaluate_vectorised(table, evaluation(), [model]) for model in (MODEL, "today")]
    assert both.results == alone[0].results + alone[1].results
    assert both.curves == alone[0].curves + alone[1].curves


def test_chunks_make_no_difference() -> None:
    """A table in pieces, with a dictionary for each, is the same table."""
    labels, scores = drawn(100)
    table = pa.table({"label": labels, MODEL: scores, "origin": pa.array(["B", "A"] * 50).dictionary_encode()})
    pieces = pa.concat_tables([table.slice(1, 0), table.slice(0, 41), table.slice(41)])
    plain = table.set_column(2, "origin", table.column("origin").cast(pa.string()))
    boards = [evaluate_vectorised(each, evaluation(("origin",)), [MODEL]) for each in (table, pieces, plain)]
    assert boards[0] == boards[1] == boards[2]


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf"), None, -0.001, 1.001])
def test_a_score_that_is_no_probability_is_refused(wrong: float | None) -> None:
    """The message names the model and the row."""
    with pytest.raises(ModelError, match=r"score of candidate in row 2 must be in \[0, 1\]"):
        evaluated([0, 1, 0], [0.1, 0.2, wrong])


@pytest.mark.parametrize("wrong", [None, 2, -1])
def test_a_label_that_is_neither_0_nor_1_is_refused(wrong: int | None) -> None:
    """It would count as a negative otherwise."""
    with pytest.raises(DataError, match=f"label of row 1 must be 0 or 1, got {wrong}"):
        evaluated([0, wrong, 1], [0.1, 0.2, 0.3])


def test_intervals_hold_the_spread_of_other_samples() -> None:
    """Half an interval is about as wide as 1.96 standard deviations of the metric over 150 samples of its size."""
    samples = [values(of_drawn(2000, seed=seed)) for seed in range(100, 250)]
    found = of_drawn(2000).metrics
    metrics: tuple[Metric, ...] = ("auc", "auc_pr", "precision", "recall", "calibration")
    for name in metrics:
        estimate = found[name]
        assert estimate.value is not None
        assert estimate.low is not None
        assert estimate.high is not None
        assert estimate.low < estimate.value < estimate.high
        spread = 1.96 * float(np.std(np.array([sample[name] for sample in samples], np.float64)))
        # A standard error from 20 groups is itself known to about a sixth.
        assert (estimate.high - estimate.low) / 2 == pytest.approx(spread, rel=0.5), name


def test_more_confidence_makes_wider_intervals() -> None:
    """On the logit, by the ratio of the normal quantiles: 2.576 for 99 %, 1.960 for 95 %."""
    labels, scores = drawn(2000)
    table = pa.table({"label": labels, MODEL: scores})
    widths = []
    for confidence in (0.95, 0.99):
        auc = result(evaluate_vectorised(table, evaluation(confidence=confidence), [MODEL])).metrics["auc"]
        assert auc.low is not None
        assert auc.high is not None
        widths.append(np.log(auc.high / (1 - auc.high)) - np.log(auc.low / (1 - auc.low)))
    assert widths[1] / widths[0] == pytest.approx(2.575829 / 1.959964, rel=1e-5)


@settings(max_examples=50, deadline=None)
@given(rows=st.integers(20, 80), seed=st.integers(0, 10_000))
def test_intervals_hold_the_value_and_stay_in_range(rows: int, seed: int) -> None:
    """Areas and shares within 0 and 1, calibration above 0; counts have none."""
    found = of_drawn(rows, seed=seed).metrics
    assert found["example_count"].low is None
    assert found["positives"].high is None
    for name, estimate in found.items():
        if estimate.value is not None and estimate.low is not None and estimate.high is not None:
            assert 0 <= estimate.low <= estimate.value <= estimate.high, name
            assert name == "calibration" or estimate.high <= 1


def test_the_same_rows_have_the_same_scoreboard() -> None:
    """Intervals too: nothing is drawn at random."""
    assert of_drawn(500) == of_drawn(500)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=1, max_size=40))
def test_numbers_equal_those_of_counting_pairs(rows: list[tuple[bool, int]]) -> None:
    """On scores that no bucket mixes: the ROC area over all pairs, the confusion matrix row by row."""
    labels, scores = [label for label, _ in rows], [step / 20 for _, step in rows]
    found = result(evaluated(labels, scores))
    pairs = [(p > n) + (p == n) / 2 for p, yes in zip(scores, labels, strict=True) if yes
             for n, no in zip(scores, labels, strict=True) if not no]  # fmt: skip
    assert found.metrics["auc"].value == (pytest.approx(sum(pairs) / len(pairs)) if pairs else None)
    decided = [(label, score > 0.5) for label, score in zip(labels, scores, strict=True)]
    assert found.confusion == Confusion(
        true_positives=decided.count((True, True)),
        false_positives=decided.count((False, True)),
        true_negatives=decided.count((False, False)),
        false_negatives=decided.count((True, False)),
    )


def weighed(
    labels: Sequence[int],
    scores: Sequence[float],
    weights: Sequence[float | None],
    *,
    intervals: Intervals = "analytic",
) -> Evaluated:
    """What is found of one model whose rows weigh something."""
    table = pa.table({"label": labels, MODEL: scores, "weight": pa.array(weights, pa.float64())})
    measures = Measures(weight="weight", thresholds=(0.25, 0.5), intervals=intervals)
    return evaluate_batches([table], replace(evaluation(), measures=measures), [MODEL])


def test_weights_by_hand() -> None:
    """A positive of weight 3 at 0.9, one of 1 at 0.3; a negative of 2 at 0.6, one of 4 at 0.2."""
    found = result(weighed([1, 1, 0, 0], [0.9, 0.3, 0.6, 0.2], [3, 1, 2, 4]).board)
    assert (found.count, found.positives) == (4, 2)
    assert found.confusion == Confusion(true_positives=1, false_positives=1, true_negatives=1, false_negatives=1)
    # Of the pairs, 24 by weight, those of 0.3 and 0.6 are in the wrong order: 1 x 2.
    expected = {
        "auc": 22 / 24,
        "auc_pr": 3 / 4 + 1 / 4 * (1 + (3 - 5) * np.log(6 / 5)),
        "precision": 3 / 5,
        "recall": 3 / 4,
        "calibration": (2.7 + 0.3 + 1.2 + 0.8) / 4,
        "example_count": 10.0,
        "positives": 4.0,
    }
    assert exact(found) == pytest.approx(expected, abs=1e-12)
    # 3 x 0.1 + 1 x 0.7 + 2 x 0.6 + 4 x 0.2, over 10.
    assert values(found)["calibration_error"] == pytest.approx(0.3, abs=1e-4)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20), st.integers(0, 4)), min_size=1, max_size=25))
def test_a_row_of_weight_n_is_n_rows(rows: list[tuple[int, int, int]]) -> None:
    """In every metric; a weight of 0 is no row, but for the count of rows."""
    labels, scores, weights = ([row[i] for row in rows] for i in range(3))
    found = result(weighed(labels, [score / 20 for score in scores], [float(w) for w in weights]).board)
    again = [(label, score / 20) for label, score, weight in rows for _ in range(weight)]
    if not sum(weights):
        assert all(found.metrics[name].value is None for name in ("auc", "auc_pr", "precision", "recall"))
        return
    expected = result(evaluated([label for label, _ in again], [score for _, score in again]))
    assert values(found) == pytest.approx(values(expected), abs=1e-9)


def test_equal_weights_change_no_metric_and_no_interval() -> None:
    """All rows at weight 1/4: precision, areas and calibration with their ends are those without weights."""
    labels, scores = drawn(400)
    found = result(weighed(labels.astype(int).tolist(), scores.tolist(), [0.25] * 400).board).metrics
    plain = of_drawn(400).metrics
    for name in ("auc", "auc_pr", "precision", "recall", "calibration"):
        for end in ("value", "low", "high"):
            assert getattr(found[name], end) == pytest.approx(getattr(plain[name], end), abs=1e-12), name


@pytest.mark.parametrize("wrong", [None, float("nan"), float("inf"), -0.5])
def test_a_weight_that_is_none_is_refused(wrong: float | None) -> None:
    """It would make a metric of nothing, or one beyond its range."""
    with pytest.raises(DataError, match="weight of row 1 must be a finite weight of at least 0"):
        weighed([0, 1], [0.1, 0.2], [1.0, wrong])


def test_decisions_at_several_thresholds_by_hand() -> None:
    """At 0.25 the positives at 0.9 and 0.3 and the negative at 0.6 are decided positive; rates by weight."""
    found = weighed([1, 1, 0, 0], [0.9, 0.3, 0.6, 0.2], [3, 1, 2, 4]).decisions
    assert [decision.threshold for decision in found] == [0.25, 0.5]
    low = found[0]
    cells = (low.true_positives, low.false_positives, low.true_negatives, low.false_negatives)
    assert cells == pytest.approx((4, 2, 4, 0))
    assert {name: estimate.value for name, estimate in low.indicators.items()} == pytest.approx(
        {
            "false_positive_rate": 2 / 6,
            "false_negative_rate": 0.0,
            "true_positive_rate": 1.0,
            "true_negative_rate": 4 / 6,
            "positive_rate": 6 / 10,
            "negative_rate": 4 / 10,
            "false_discovery_rate": 2 / 6,
            "false_omission_rate": 0.0,
        }
    )


def test_a_rate_out_of_nothing_is_none() -> None:
    """Without negatives there is no false positive rate; without positive decisions no false discovery rate."""
    indicators = weighed([1, 1], [0.1, 0.2], [1, 1]).decisions[1].indicators
    assert indicators["false_positive_rate"] == Estimate(value=None)
    assert indicators["false_discovery_rate"] == Estimate(value=None)
    assert indicators["false_negative_rate"].value == 1.0


def test_batches_are_the_table() -> None:
    """However the rows are cut, also into pieces without a row: same board, decisions and jackknife."""
    labels, scores = drawn(200)
    table = pa.table(
        {"label": labels, MODEL: scores, "origin": ["B", "A", None, "C"] * 50, "hour": list(range(5)) * 40}
    )
    measures = Measures(thresholds=(0.1,), intervals="jackknife")
    config = replace(evaluation(("origin",), ("hour", "origin")), measures=measures)
    whole = evaluate_batches([table], config, [MODEL])
    pieces = [table.slice(0, 3), table.slice(3, 0), table.slice(3, 140), *table.slice(143).to_batches(max_chunksize=9)]
    cut = evaluate_batches(pieces, config, [MODEL])
    assert cut.board.curves == whole.board.curves
    for one, other in zip(cut.board.results, whole.board.results, strict=True):
        assert (one.slice, one.count, one.confusion) == (other.slice, other.count, other.confusion)
        for name, estimate in one.metrics.items():
            expected = other.metrics[name]
            ends = (estimate.value, estimate.low, estimate.high)
            assert ends == pytest.approx((expected.value, expected.low, expected.high), abs=1e-9), name


def test_more_slices_than_counters_change_nothing() -> None:
    """Slices by a column of a thousand values hold only cells that occur; its rows together are all rows."""
    labels, scores = drawn(3000)
    table = pa.table({"label": labels, MODEL: scores, "flight": [i % 1000 for i in range(3000)]})
    board = evaluate_vectorised(table, evaluation(("flight",)), [MODEL])
    assert len(board.results) == 1001
    assert values(result(board)) == pytest.approx(values(of_drawn(3000)), abs=1e-12)
    rows = [i for i in range(3000) if i % 1000 == 7]
    alone = result(evaluated([bool(labels[i]) for i in rows], [float(scores[i]) for i in rows]))
    assert values(result(board, (("flight", "7"),))) == pytest.approx(values(alone), abs=1e-12, nan_ok=True)


def test_the_jackknife_is_about_as_wide_as_the_analytic_interval() -> None:
    """Half of it, on 2000 rows: an error from 20 groups is known to about a sixth, and Student's t is 7 % wider."""
    labels, scores = drawn(2000)
    table = pa.table({"label": labels, MODEL: scores})
    found = result(evaluate_vectorised(table, asked("jackknife"), [MODEL])).metrics
    plain = of_drawn(2000).metrics
    metrics: tuple[Metric, ...] = ("auc", "auc_pr", "precision", "recall", "calibration")
    for name in metrics:
        assert found[name].value == pytest.approx(plain[name].value, abs=1e-12), name
        assert width(found[name]) == pytest.approx(width(plain[name]), rel=0.5), name


def width(estimate: Estimate) -> float:
    """Of an interval that must be there."""
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.high - estimate.low


def test_the_jackknife_of_the_calibration_by_its_formula() -> None:
    """The spread of the pseudo-values over 20 groups, as they are dealt, drawn here without the engine."""
    labels, scores = drawn(300)
    groups = np.random.default_rng(7).integers(0, 20, 300, dtype=np.int32)
    value = scores.sum() / labels.sum()
    left = np.array([scores[groups != g].sum() / labels[groups != g].sum() for g in range(20)])
    error = np.std(20 * value - 19 * left, ddof=1) / np.sqrt(20)
    table = pa.table({"label": labels, MODEL: scores})
    found = result(evaluate_vectorised(table, asked("jackknife"), [MODEL]))
    estimate = found.metrics["calibration"]
    assert estimate.high == pytest.approx(value * np.exp(2.09302 * error / value), rel=1e-4)
    assert estimate.low == pytest.approx(value * np.exp(-2.09302 * error / value), rel=1e-4)


def test_intervals_may_be_left_out() -> None:
    """Values alone."""
    table = pa.table({"label": [0, 1, 1, 0], MODEL: [0.1, 0.9, 0.4, 0.6]})
    found = result(evaluate_vectorised(table, asked("none"), [MODEL])).metrics
    assert all(estimate.low is None and estimate.high is None for estimate in found.values())
    assert found["auc"].value == 0.75
