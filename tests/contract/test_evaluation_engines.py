"""Both evaluation engines give the same numbers; TFMA, run as its makers mean it, is the reference."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow_model_analysis as tfma
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.proto import config_pb2

from plumbline.adapters.tfma import eval_config, evaluate_with_tfma
from plumbline.problem import Evaluation, Gate
from plumbline.scoreboard import Scoreboard, SliceKey, SliceResult, find
from plumbline.vectorised import evaluate_vectorised

# TFMA divides 0 by 0 where no row lies between two thresholds, and sums what is not NaN.
pytestmark = pytest.mark.filterwarnings("ignore:(invalid value|divide by zero) encountered in divide:RuntimeWarning")

MODELS = ("candidate", "today")
THRESHOLD = 0.3
TOLERANCE = 1e-6

# Ends, the threshold and its neighbours, starts of buckets, thresholds of the area, and the epsilon around them.
NASTY = [
    0.0,
    1.0,
    THRESHOLD,
    float(np.nextafter(THRESHOLD, 0)),
    float(np.nextafter(THRESHOLD, 1)),
    float(np.float32(THRESHOLD)),
    0.5,
    0.0001,
    0.9999,
    0.7777,
    1 / 9999,
    5000 / 9999,
    9998 / 9999,
    9998 / 9999 + 1e-7,
    1e-7,
    1 - 1e-7,
    1e-300,
]
Rows = list[tuple[bool, float]]
rows = st.lists(
    st.tuples(st.booleans(), st.one_of(st.sampled_from(NASTY), st.floats(0, 1, allow_subnormal=False))),
    min_size=1,
    max_size=40,
)


def evaluation(*slices: tuple[str, ...]) -> Evaluation:
    """An evaluation of all rows together and by these columns."""
    return Evaluation(slices=((), *slices), gates=(Gate(metric="auc", minimum=0.5),), threshold=THRESHOLD)


def by_tfma(found: Rows) -> Mapping[str, float]:
    """TFMA's metrics of these rows by its own combiners, without Beam."""
    metrics = {
        "auc": tfma.metrics.AUC(name="auc"),
        "auc_pr": tfma.metrics.AUC(name="auc_pr", curve="PR"),
        "precision": tfma.metrics.Precision(name="precision", thresholds=[THRESHOLD]),
        "recall": tfma.metrics.Recall(name="recall", thresholds=[THRESHOLD]),
        "calibration": tfma.metrics.Calibration(name="calibration"),
        "true_positives": tfma.metrics.TruePositives(name="true_positives", thresholds=[THRESHOLD]),
        "false_positives": tfma.metrics.FalsePositives(name="false_positives", thresholds=[THRESHOLD]),
    }
    return {name: compute(metric, found) for name, metric in metrics.items()}


def compute(metric: Any, found: Rows) -> float:
    """One of TFMA's metrics over the rows."""
    known: dict[Any, Any] = {}
    for step in metric.computations(eval_config=config_pb2.EvalConfig(), model_names=[""], output_names=[""]):
        if isinstance(step, metric_types.MetricComputation):
            combiner = step.combiner
            parts = [combiner.create_accumulator(), combiner.create_accumulator()]
            for i, (label, score) in enumerate(found):
                inputs = metric_types.StandardMetricInputs(
                    labels=np.array([float(label)]), predictions=np.array([score]), example_weights=np.array([1.0])
                )
                parts[i % 2] = combiner.add_input(parts[i % 2], inputs)
            known |= combiner.extract_output(combiner.merge_accumulators(parts))
        else:
            known |= step.result(known)
    return float(next(value for key, value in known.items() if key.name == metric.name))


@settings(max_examples=25, deadline=None)
@given(rows)
def test_the_vectorised_engine_equals_tfma_on_any_rows(found: Rows) -> None:
    """Ties, ends, thresholds hit exactly, one class, one example. TFMA's NaN, and its area of one class, are None."""
    table = pa.table({"label": [label for label, _ in found], "candidate": [score for _, score in found]})
    ours = find(evaluate_vectorised(table, evaluation(), ["candidate"]), "candidate", ())
    assert ours is not None
    theirs = by_tfma(found)
    one_class = ours.positives in {0, ours.count}
    for name, estimate in ours.metrics.items():
        if name in {"example_count", "positives"}:
            continue
        if estimate.value is None:
            assert np.isnan(theirs[name]) or (one_class and name in {"auc", "auc_pr"}), name
        else:
            assert estimate.value == pytest.approx(theirs[name], abs=TOLERANCE, rel=TOLERANCE), name
    assert ours.confusion.true_positives == theirs["true_positives"]
    assert ours.confusion.false_positives == theirs["false_positives"]


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """Two models on 120 rows with ties, missing and empty slicing values, and slices of one class or one row."""
    random = np.random.default_rng(11)
    size = 120
    case = ["mixed", "mixed", "", "positive", None, "negative"]
    labels = [{"positive": 1, "negative": 0}.get(case[i % 6] or "", int(random.random() < 0.4)) for i in range(size)]
    return pa.table(
        {
            "label": labels,
            "candidate": random.choice([*NASTY, *random.random(10)], size),
            "today": np.full(size, THRESHOLD),
            "case": ["single" if i == 0 else case[i % 6] for i in range(size)],
            "hour": pa.array([None if i % 7 == 0 else 9 + i % 2 for i in range(size)], pa.int64()),
            "flag": [None if i % 11 == 0 else i % 5 == 0 for i in range(size)],
        }
    )


SLICED = evaluation(("case",), ("hour",), ("flag",), ("hour", "case"))


@pytest.fixture(scope="module")
def run(table: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> tuple[Scoreboard, Path]:
    """TFMA's scoreboard of the table, without intervals, and its folder."""
    output = tmp_path_factory.mktemp("tfma")
    return evaluate_with_tfma(table, SLICED, MODELS, output, intervals=False), output


def test_both_engines_see_the_same_slices_in_the_same_order(table: pa.Table, run: tuple[Scoreboard, Path]) -> None:
    """Rows that lack a value are left out alike; a cross has its columns in the config's order, not TFMA's."""

    def keys(board: Scoreboard, model: str) -> list[SliceKey]:
        return [result.slice for result in board.results if result.model == model]

    ours = evaluate_vectorised(table, SLICED, MODELS)
    for model in MODELS:
        assert keys(run[0], model) == keys(ours, model)
    assert (("hour", "9"), ("case", "mixed")) in keys(ours, "candidate")


def test_both_engines_find_the_same_numbers_on_every_slice(table: pa.Table, run: tuple[Scoreboard, Path]) -> None:
    """Undefined in one means undefined in the other."""

    def plain(result: SliceResult) -> Mapping[str, float]:
        values = {name: estimate.value for name, estimate in result.metrics.items()}
        return {name: np.nan if value is None else value for name, value in values.items()}

    for ours in evaluate_vectorised(table, SLICED, MODELS).results:
        theirs = find(run[0], ours.model, ours.slice)
        assert theirs is not None
        assert plain(ours) == pytest.approx(plain(theirs), abs=TOLERANCE, rel=TOLERANCE, nan_ok=True)
        assert (ours.confusion, ours.count, ours.positives) == (theirs.confusion, theirs.count, theirs.positives)


def test_both_engines_draw_the_same_curves(table: pa.Table, run: tuple[Scoreboard, Path]) -> None:
    """They come from the rows."""
    assert {curve.model for curve in run[0].curves} == set(MODELS)
    assert set(run[0].curves) == set(evaluate_vectorised(table, SLICED, MODELS).curves)


def test_tfma_can_read_its_own_result_again(run: tuple[Scoreboard, Path]) -> None:
    """The folder is one of TFMA's, with all slices of a model: for its views and loaders."""
    loaded = tfma.load_eval_result(str(run[1]), model_name="candidate")
    assert len(loaded.slicing_metrics) == sum(result.model == "candidate" for result in run[0].results)


def test_tfma_finds_intervals_around_its_values(tmp_path: Path) -> None:
    """By the jackknife, at 95 per cent; slow, so on all rows only. TFMA drops the name of an only model, we do not."""
    random = np.random.default_rng(5)
    labels = random.random(60) < 0.4
    table = pa.table({"label": labels, "candidate": np.clip(random.random(60) * 0.7 + 0.3 * labels, 0, 1)})
    board = evaluate_with_tfma(table, evaluation(), ["candidate"], tmp_path)
    found = find(board, "candidate", ())
    assert found is not None
    assert board.confidence == 0.95
    assert found.metrics["example_count"].low is None
    for name in ("auc", "auc_pr", "precision", "recall", "calibration"):
        estimate = found.metrics[name]
        assert estimate.value is not None
        assert estimate.low is not None
        assert estimate.high is not None
        assert estimate.low <= estimate.value <= estimate.high


def test_the_config_is_tfmas_own() -> None:
    """Every model by its column, every entry of the config a slicing spec, metrics at the config's threshold."""
    config = eval_config(evaluation(("origin", "carrier")), MODELS)
    assert [spec.prediction_key for spec in config.model_specs] == list(MODELS)
    assert [list(spec.feature_keys) for spec in config.slicing_specs] == [[], ["origin", "carrier"]]
    assert {f'{{"name": "{name}", "thresholds": [0.3]}}' for name in ("precision", "recall", "confusion")} <= {
        metric.config for metric in config.metrics_specs[0].metrics
    }
    assert config.options.compute_confidence_intervals.value
    assert not eval_config(evaluation(), MODELS, intervals=False).options.compute_confidence_intervals.value
