"""Both evaluation engines give the same numbers; TFMA, run as its makers mean it, is the reference."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow_model_analysis as tfma
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_model_analysis.evaluators import confidence_intervals_util, jackknife
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.view import util

from plumbline import interval
from plumbline.adapters.tfma import evaluate_with_tfma, read_results
from plumbline.adapters.tfma_config import eval_config
from plumbline.adapters.tfma_files import Judgement, write_result
from plumbline.adapters.tfma_reading import read
from plumbline.gates import Verdict
from plumbline.histogram import roc_area
from plumbline.measured import Interest, measure
from plumbline.measures import Measures
from plumbline.problem import Gate
from plumbline.scoreboard import Estimate, Scoreboard, SliceKey, SliceResult, find
from plumbline.sums import Request, sum_up
from plumbline.vectorised import Evaluated, evaluate_batches
from tests.contract.engine_case import (
    METRICS,
    MODELS,
    NASTY,
    THRESHOLD,
    TOLERANCE,
    Row,
    by_tfma,
    evaluation,
    failures,
    judged,
    nasty_table,
)

# TFMA divides 0 by 0 where no row lies between two thresholds, and sums what is not NaN.
pytestmark = pytest.mark.filterwarnings("ignore:(invalid value|divide by zero) encountered in divide:RuntimeWarning")

rows = st.lists(
    st.tuples(
        st.booleans(),
        st.one_of(st.sampled_from(NASTY), st.floats(0, 1, allow_subnormal=False)),
        st.sampled_from([1.0, 0.0, 0.25, 3.0, 1e-3, 1e4]),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(rows, st.booleans())
def test_the_vectorised_engine_equals_tfma_on_any_rows(found: list[Row], weighted: bool) -> None:
    """Ties, ends, thresholds hit, weights, one class, one example; TFMA's NaN, and its area of one class, are None."""
    columns = zip(("label", "candidate", "weight"), zip(*found, strict=True), strict=True)
    measures = Measures(weight="weight" if weighted else "", thresholds=(THRESHOLD,))
    config = replace(evaluation(), measures=measures)
    result = evaluate_batches([pa.table({n: list(v) for n, v in columns})], config, ["candidate"])
    ours: dict[str, Estimate] = {str(name): value for name, value in result.board.results[0].metrics.items()}
    ours |= {str(name): value for name, value in result.decisions[0].indicators.items()}
    weights = {
        label: sum(w if weighted else 1 for found_label, _, w in found if found_label == label) for label in (0, 1)
    }
    for name, metric in METRICS.items():
        value, theirs = ours[name].value, by_tfma(metric, found, weighted=weighted)
        if np.isnan(theirs) or (name in {"auc", "auc_pr"} and not all(weights.values())):
            assert value is None, name
        else:
            assert value == pytest.approx(theirs, abs=TOLERANCE, rel=TOLERANCE), name


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """Rows that are nasty in every way."""
    return nasty_table()


GATES = (
    Gate(metric="auc", minimum=0.5),
    Gate(metric="auc_pr", by=("flag",), minimum=0.9),
    Gate(metric="auc", against="today", margin=0.02),
    Gate(metric="calibration", by=("hour",), maximum=1.5),
)
MEASURES = Measures(weight="weight", thresholds=(0.1, THRESHOLD, 0.7777))
SLICED = replace(evaluation(("case",), ("hour",), ("flag",), ("hour", "case"), gates=GATES), measures=MEASURES)


@dataclass(frozen=True, slots=True)
class Run:
    """The same rows by both engines, each with its folder."""

    tfma: Scoreboard
    ours: Evaluated
    verdict: Verdict
    tfma_folder: Path
    our_folder: Path


@pytest.fixture(scope="module")
def run(table: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Both engines on the table with weights, thresholds and gates, without TFMA's intervals."""
    theirs, mine = tmp_path_factory.mktemp("tfma"), tmp_path_factory.mktemp("ours")
    board = evaluate_with_tfma(table, SLICED, MODELS, theirs)
    ours, verdict = judged(table, SLICED)
    config = eval_config(SLICED, MODELS)
    judgement = Judgement(verdict, SLICED.gates)
    write_result(mine, config, read(config), measured=ours.measured, schema=table.schema, judgement=judgement)
    return Run(board, ours, verdict, theirs, mine)


def test_both_engines_see_the_same_slices_in_the_same_order(run: Run) -> None:
    """Rows that lack a value are left out alike; a cross has its columns in the config's order, not TFMA's."""

    def keys(board: Scoreboard, model: str) -> list[SliceKey]:
        return [result.slice for result in board.results if result.model == model]

    for model in MODELS:
        assert keys(run.tfma, model) == keys(run.ours.board, model)
    assert (("hour", "9"), ("case", "mixed")) in keys(run.ours.board, "candidate")


def test_both_engines_find_the_same_numbers_on_every_slice(run: Run) -> None:
    """By weight, with the rows counted; undefined in one means undefined in the other."""

    def plain(result: SliceResult) -> Mapping[str, float]:
        values = {name: estimate.value for name, estimate in result.metrics.items()}
        return {name: np.nan if value is None else value for name, value in values.items()}

    for ours in run.ours.board.results:
        theirs = find(run.tfma, ours.model, ours.slice)
        assert theirs is not None
        assert plain(ours) == pytest.approx(plain(theirs), abs=TOLERANCE, rel=TOLERANCE, nan_ok=True)
        assert (ours.confusion, ours.count, ours.positives) == (theirs.confusion, theirs.count, theirs.positives)


def test_both_engines_draw_the_same_curves(run: Run) -> None:
    """They come from the rows."""
    assert {curve.model for curve in run.tfma.curves} == set(MODELS)
    assert run.tfma.curves == run.ours.board.curves


def loaded(folder: Path, model: str) -> Mapping[Any, Mapping[str, Any]]:
    """What TFMA reads of a model from a folder: its metrics by slice."""
    found = tfma.load_eval_result(str(folder), model_name=model)
    return {key: values[""][""] for key, values in found.slicing_metrics}


def numbers(value: Mapping[str, Any]) -> Mapping[str, float]:
    """All numbers of a metric as TFMA reads it, by where they are."""
    found: dict[str, float] = {}
    for name, inner in value.items():
        if name == "boundedValue":
            found["doubleValue"] = float(inner.get("value", 0.0))
        elif name == "confusionMatrixAtThresholds":
            for place, matrix in enumerate(inner["matrices"]):
                found |= {f"{place}.{cell}": float(number) for cell, number in matrix.items() if float(number) != 0}
        else:
            found[name] = float(inner)
    return found


@pytest.mark.parametrize("model", MODELS)
def test_tfma_reads_the_same_metrics_from_either_folder(run: Run, model: str) -> None:
    """The same slices with the same keys: metrics, matrices, fairness indicators, differences to the baseline."""
    ours, theirs = loaded(run.our_folder, model), loaded(run.tfma_folder, model)
    assert set(ours) == set(theirs)
    for key, metrics in theirs.items():
        assert set(ours[key]) == set(metrics), key
        for name, value in metrics.items():
            if name.startswith("auc") and not both_classes(metrics):
                # TFMA says 0 where there is no area.
                assert np.isnan(numbers(ours[key][name])["doubleValue"])
                continue
            expected = pytest.approx(numbers(value), abs=TOLERANCE, rel=TOLERANCE, nan_ok=True)
            assert numbers(ours[key][name]) == expected, (key, name)
    assert "fairness_indicators_metrics/false_positive_rate@0.1000" in theirs[()]
    assert ("auc_diff" in theirs[()]) == (model == "candidate")


def both_classes(metrics: Mapping[str, Any]) -> bool:
    """Whether a slice has weight of either class."""
    cells = numbers(metrics["confusion"])
    return all(any(cells.get(f"0.{name}", 0) > 0 for name in names) for names in
               (("truePositives", "falseNegatives"), ("falsePositives", "trueNegatives")))  # fmt: skip


def test_tfma_s_validator_says_what_our_gates_say(run: Run) -> None:
    """TFMA's own file, judged by TFMA, and ours, judged by the gates: the same failures on the same slices."""
    ours, theirs = (tfma.load_validation_result(str(folder)) for folder in (run.our_folder, run.tfma_folder))
    assert ours.validation_ok == theirs.validation_ok == run.verdict.passed
    assert failures(ours) == failures(theirs)
    assert failures(ours)
    counts = [
        {
            tuple(each.slicing_spec.feature_keys): each.num_matching_slices
            for each in result.validation_details.slicing_details
        }
        for result in (ours, theirs)
    ]
    assert counts[0] == counts[1]


def test_our_folder_has_everything_that_tfma_shows(run: Run) -> None:
    """Its config is read again, and its views find the slices of a column with intervals."""
    result = tfma.load_eval_result(str(run.our_folder), model_name="candidate")
    assert [spec.name for spec in result.config.model_specs] == list(MODELS)
    shown = util.get_slicing_metrics(result.slicing_metrics, slicing_column="hour")
    assert sorted(row["slice"] for row in shown) == ["hour:10", "hour:9"]
    assert "boundedValue" in shown[0]["metrics"][""][""]["auc"]


def test_results_are_read_back_from_either_folder_with_their_intervals(run: Run) -> None:
    """What `engine: tfma` reads of our folder is our scoreboard again, the ends of every interval too."""
    again = read_results(run.our_folder, SLICED, MODELS)
    for ours, found in zip(run.ours.board.results, again, strict=True):
        assert (ours.model, ours.slice, ours.confusion) == (found.model, found.slice, found.confusion)
        # TFMA has none, so it is not in the folder.
        for name, estimate in {n: e for n, e in ours.metrics.items() if n != "calibration_error"}.items():
            read_back = found.metrics[name]
            assert read_back.value == pytest.approx(estimate.value), name
            if estimate.low is not None:
                assert (read_back.low, read_back.high) == pytest.approx((estimate.low, estimate.high)), name


def test_the_jackknife_is_tfmas(table: pa.Table) -> None:
    """The same error as TFMA's own combiner from the metric without each of 20 parts of the rows."""
    request = Request(models={"candidate": "candidate"}, slices=((),), thresholds=(THRESHOLD,), parts=20)
    sliced = sum_up([table], request).sliced("candidate", ())
    key = metric_types.MetricKey(name="auc")
    combine = jackknife._JackknifeSampleCombineFn(20)
    samples = [
        (i, roc_area(sums.histogram).value[0]) for i, sums in enumerate((sliced.whole, *sliced.without), start=-1)
    ]
    accumulator = combine.create_accumulator()
    for i, value in samples:
        sample = confidence_intervals_util.SampleMetrics(metrics={key: value}, sample_id=i)
        accumulator = combine.add_input(accumulator, sample)
    theirs = combine.extract_output(accumulator)[key]
    column = measure("candidate", sliced, Interest("jackknife", 0.95)).columns["auc"]
    half = interval.quantile(0.95, degrees=theirs.sample_degrees_of_freedom) * theirs.sample_standard_deviation
    value = theirs.unsampled_value
    logits = [np.log(end / (1 - end)) for end in (column.low[0], value, column.high[0])]
    assert np.diff(logits) == pytest.approx([half / (value * (1 - value))] * 2, rel=1e-6)


def test_the_config_is_tfmas_own() -> None:
    """Every model by its column, every entry of the config a slicing spec, metrics at the config's threshold."""
    config = eval_config(evaluation(("origin", "carrier")), MODELS)
    assert [spec.prediction_key for spec in config.model_specs] == list(MODELS)
    assert [list(spec.feature_keys) for spec in config.slicing_specs] == [[], ["origin", "carrier"]]
    assert {f'{{"name": "{name}", "thresholds": [0.3]}}' for name in ("precision", "recall", "confusion")} <= {
        metric.config for metric in config.metrics_specs[0].metrics
    }
    assert not config.options.compute_confidence_intervals.value
    jackknife = replace(evaluation(), measures=Measures(intervals="jackknife"))
    assert eval_config(jackknife, MODELS).options.compute_confidence_intervals.value
    assert config.__class__ is config_pb2.EvalConfig
