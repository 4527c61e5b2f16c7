"""Both evaluation engines give the same numbers; TFMA, run as its makers mean it, is the reference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import tensorflow_model_analysis as tfma
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_model_analysis.evaluators import confidence_intervals_util, jackknife, metrics_validator
from tensorflow_model_analysis.metrics import confusion_matrix_metrics, metric_types
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.slicer import slicer_lib
from tensorflow_model_analysis.view import util
from tensorflow_model_analysis.writers import metrics_plots_and_validations_writer as tfma_writer

from plumbline import interval
from plumbline.adapters.tfma import evaluate_with_tfma, read_results
from plumbline.adapters.tfma_config import eval_config
from plumbline.adapters.tfma_files import Judgement, metrics_for_slices, write_result
from plumbline.adapters.tfma_reading import read
from plumbline.gates import Verdict, decide
from plumbline.histogram import roc_area
from plumbline.measured import Interest, measure
from plumbline.measures import Measures
from plumbline.problem import Evaluation, Gate
from plumbline.scoreboard import Estimate, Scoreboard, SliceKey, SliceResult, find
from plumbline.sums import Request, sum_up
from plumbline.vectorised import Evaluated, evaluate_batches

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
Row = tuple[bool, float, float]
"""Label, score and weight."""
rows = st.lists(
    st.tuples(
        st.booleans(),
        st.one_of(st.sampled_from(NASTY), st.floats(0, 1, allow_subnormal=False)),
        st.sampled_from([1.0, 0.0, 0.25, 3.0, 1e-3, 1e4]),
    ),
    min_size=1,
    max_size=30,
)
METRICS = {
    "auc": tfma.metrics.AUC(name="auc"),
    "auc_pr": tfma.metrics.AUC(name="auc_pr", curve="PR"),
    "precision": tfma.metrics.Precision(name="precision", thresholds=[THRESHOLD]),
    "recall": tfma.metrics.Recall(name="recall", thresholds=[THRESHOLD]),
    "calibration": tfma.metrics.Calibration(name="calibration"),
    "example_count": tfma.metrics.ExampleCount(name="example_count"),
    "false_positive_rate": tfma.metrics.FPR(name="false_positive_rate", thresholds=[THRESHOLD]),
    "false_negative_rate": tfma.metrics.FNR(name="false_negative_rate", thresholds=[THRESHOLD]),
    "true_positive_rate": tfma.metrics.TPR(name="true_positive_rate", thresholds=[THRESHOLD]),
    "true_negative_rate": tfma.metrics.TNR(name="true_negative_rate", thresholds=[THRESHOLD]),
    "positive_rate": confusion_matrix_metrics.PredictedPositiveRate(name="positive_rate", thresholds=[THRESHOLD]),
    "false_discovery_rate": tfma.metrics.FalseDiscoveryRate(name="false_discovery_rate", thresholds=[THRESHOLD]),
    "false_omission_rate": tfma.metrics.FalseOmissionRate(name="false_omission_rate", thresholds=[THRESHOLD]),
}


def evaluation(*slices: tuple[str, ...], gates: Sequence[Gate] = (Gate(metric="auc", minimum=0.5),)) -> Evaluation:
    """An evaluation of all rows together and by these columns, in which no slice is too small."""
    return Evaluation(
        slices=((), *slices), gates=tuple(gates), threshold=THRESHOLD, minimum_count=1, minimum_positives=1
    )


def by_tfma(metric: Any, found: Sequence[Row], *, weighted: bool) -> float:
    """One of TFMA's metrics of the rows by its own combiners, without Beam."""
    known: dict[Any, Any] = {}
    steps = metric.computations(
        eval_config=config_pb2.EvalConfig(), model_names=[""], output_names=[""], example_weighted=weighted
    )
    for step in steps:
        if isinstance(step, metric_types.MetricComputation):
            combiner = step.combiner
            parts = [combiner.create_accumulator(), combiner.create_accumulator()]
            for i, (label, score, weight) in enumerate(found):
                inputs = metric_types.StandardMetricInputs(
                    labels=np.array([float(label)]),
                    predictions=np.array([score]),
                    example_weights=np.array([weight if weighted else 1.0]),
                )
                parts[i % 2] = combiner.add_input(parts[i % 2], inputs)
            known |= combiner.extract_output(combiner.merge_accumulators(parts))
        else:
            known |= step.result(known)
    return float(next(value for key, value in known.items() if key.name == metric.name))


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
            "weight": random.choice([0.0, 0.5, 1.0, 2.0], size),
        }
    )


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


def judged(table: pa.Table, config: Evaluation) -> tuple[Evaluated, Verdict]:
    """What the vectorised engine finds and the gates say."""
    found = evaluate_batches([table], config, MODELS)
    keys = [result.slice for result in found.board.results if result.model == "candidate"]
    return found, decide(found.board, config, keys)


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


Failures = set[tuple[str, str, bool]]


def failures(result: Any) -> Failures:
    """Slice, metric and whether it is a difference."""
    return {
        (str(slicer_lib.deserialize_slice_key(each.slice_key)), failure.metric_key.name, failure.metric_key.is_diff)
        for each in result.metric_validations_per_slice
        for failure in each.failures
    }


def test_our_folder_has_everything_that_tfma_shows(run: Run) -> None:
    """Its config is read again, and its views find the slices of a column with intervals."""
    result = tfma.load_eval_result(str(run.our_folder), model_name="candidate")
    assert [spec.name for spec in result.config.model_specs] == list(MODELS)
    shown = util.get_slicing_metrics(result.slicing_metrics, slicing_column="hour")
    assert sorted(row["slice"] for row in shown) == ["hour:10", "hour:9"]
    assert "boundedValue" in shown[0]["metrics"][""][""]["auc"]


gates = st.builds(
    lambda metric, by, kind, bound: Gate(
        metric=metric,
        by=by,
        **{
            "minimum": {"minimum": bound},
            "maximum": {"maximum": bound},
            "margin": {"margin": bound - 0.5, "against": "today"},
        }[kind],
    ),
    st.sampled_from(["auc", "auc_pr", "precision", "recall", "calibration"]),
    st.sampled_from([(), ("half",), ("third",), ("half", "third")]),
    st.sampled_from(["minimum", "maximum", "margin"]),
    st.floats(0.05, 0.95).map(lambda bound: round(bound, 3)),
)


@pytest.fixture(scope="module")
def mixed() -> pa.Table:
    """Two models on rows whose slices all have both classes; one model decides positively on nothing at all."""
    random = np.random.default_rng(3)
    size = 240
    return pa.table(
        {
            "label": [int(i % 4 in {0, i // 60}) for i in range(size)],
            "candidate": random.random(size),
            "today": random.random(size) * 0.29,
            "half": [i // 120 for i in range(size)],
            "third": [f"t{i % 3}" for i in range(size)],
        }
    )


@settings(max_examples=10, deadline=None)
@given(st.lists(gates, min_size=1, max_size=6, unique=True))
def test_tfma_s_validator_agrees_with_our_gates_on_any_gates(mixed: pa.Table, given_gates: list[Gate]) -> None:
    """Bounds from below and above, margins, by any slices; a metric without value fails in both."""
    config = evaluation(("half",), ("third",), ("half", "third"), gates=given_gates)
    found, verdict = judged(mixed, config)
    asked = eval_config(config, MODELS)
    combine = tfma_writer.CombineValidations(asked)
    judgements = [
        metrics_validator.validate_metrics(as_tfma(message), asked)
        for message in metrics_for_slices(read(asked), found.measured, mixed.schema)
    ]
    theirs = combine.extract_output(combine.merge_accumulators(judgements))
    ours = {
        (str(tuple(sorted((n, int(v) if n == "half" else v) for n, v in one.slice))), one.metric, bool(one.against))
        for one in verdict.results
        if one.result == "failed"
    }
    assert failures(theirs) == ours
    assert theirs.validation_ok == verdict.passed


def as_tfma(message: Any) -> tuple[Any, Mapping[Any, float]]:
    """A slice as TFMA's validator takes it."""
    values = {
        metric_types.MetricKey.from_proto(each.key): each.value.double_value.value
        for each in message.metric_keys_and_values
        if each.value.HasField("double_value")
    }
    return slicer_lib.deserialize_slice_key(message.slice_key), values


def test_where_our_gates_and_tfma_s_thresholds_differ(table: pa.Table) -> None:
    """A slice without positives is too small for us and fails in TFMA, whose area of only positives is 1 and passes."""
    gate = Gate(metric="auc_pr", by=("case",), minimum=0.01)
    config = evaluation(("case",), gates=[gate])
    found, verdict = judged(table, config)
    asked = eval_config(config, MODELS)
    results = {one.slice[0][1]: one.result for one in verdict.results}
    assert (results["negative"], results["positive"]) == ("too small to judge", "failed")
    key = metric_types.MetricKey(name="auc_pr", model_name="candidate", example_weighted=False)
    for case, area, ok in (("negative", 0.0, False), ("positive", 1.0, True)):
        rows = table.filter(pc.equal(table["case"], case)).to_pylist()
        theirs = by_tfma(
            METRICS["auc_pr"], [(bool(row["label"]), row["candidate"], 1.0) for row in rows], weighted=False
        )
        assert theirs == pytest.approx(area, abs=TOLERANCE)
        judgement = metrics_validator.validate_metrics(((("case", case),), {key: theirs}), asked)
        assert judgement.validation_ok == ok
    assert found.board.results


def test_results_are_read_back_from_either_folder_with_their_intervals(run: Run) -> None:
    """What `engine: tfma` reads of our folder is our scoreboard again, the ends of every interval too."""
    again = read_results(run.our_folder, SLICED, MODELS)
    for ours, found in zip(run.ours.board.results, again, strict=True):
        assert (ours.model, ours.slice, ours.confusion) == (found.model, found.slice, found.confusion)
        for name, estimate in ours.metrics.items():
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
