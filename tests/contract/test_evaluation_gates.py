"""Our gates beside TFMA's thresholds: where they say the same, and where they do not."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_model_analysis.evaluators import metrics_validator
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.slicer import slicer_lib
from tensorflow_model_analysis.writers import metrics_plots_and_validations_writer as tfma_writer

from plumbline.adapters.tfma_config import eval_config
from plumbline.adapters.tfma_files import metrics_for_slices
from plumbline.adapters.tfma_reading import read
from plumbline.problem import Gate
from tests.contract.engine_case import (
    METRICS,
    MODELS,
    TOLERANCE,
    by_tfma,
    evaluation,
    failures,
    judged,
    nasty_table,
)

# TFMA divides 0 by 0 where no row lies between two thresholds, and sums what is not NaN.
pytestmark = pytest.mark.filterwarnings("ignore:(invalid value|divide by zero) encountered in divide:RuntimeWarning")

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


@pytest.mark.parametrize(
    "gate", [Gate(metric="recall", by=("third",), gap=0.001), Gate(metric="calibration_error", maximum=0.001)]
)
def test_what_tfma_cannot_express_is_judged_by_our_gates_alone(mixed: pa.Table, gate: Gate) -> None:
    """A gap between slices, and the calibration error: TFMA sees the other gate only, which passes."""
    config = evaluation(("third",), gates=[gate, Gate(metric="auc", minimum=0.01)])
    found, verdict = judged(mixed, config)
    asked = eval_config(config, MODELS)
    theirs = [
        metrics_validator.validate_metrics(as_tfma(message), asked)
        for message in metrics_for_slices(read(asked), found.measured, mixed.schema)
    ]
    assert all(not failures(each) for each in theirs)
    assert [result.metric for result in verdict.results if result.result == "failed"] == [gate.metric]


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """Rows that are nasty in every way."""
    return nasty_table()


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
