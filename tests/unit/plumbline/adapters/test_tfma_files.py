"""TFMA's configuration and files without TFMA: contract tests hold them against what TFMA itself reads and writes."""

import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import google_crc32c
import pyarrow as pa
import pytest
from google.protobuf import json_format

from plumbline.adapters.tfma_config import eval_config, opponent
from plumbline.adapters.tfma_files import Judgement, metrics_for_slices, records, write_result
from plumbline.adapters.tfma_protos import messages
from plumbline.adapters.tfma_reading import Reading, read
from plumbline.errors import GateError
from plumbline.gates import decide
from plumbline.measured import Interest, Measured, measure
from plumbline.measures import Measures
from plumbline.problem import Evaluation, Gate
from plumbline.sums import sum_up
from plumbline.vectorised import evaluate_batches

MODELS = ("candidate", "today", "champion")
GATES = (
    Gate(metric="auc", minimum=0.6),
    Gate(metric="calibration", by=("origin",), maximum=2.0),
    Gate(metric="auc", against="today", margin=0.1),
    Gate(metric="auc", against="champion", margin=0.0),
)
EVALUATION = Evaluation(slices=((), ("origin",)), gates=GATES, minimum_count=1, minimum_positives=1)
TABLE = pa.table(
    {
        "label": [1, 0, 1, 0],
        "candidate": [0.9, 0.6, 0.4, 0.1],
        "today": [0.5, 0.5, 0.5, 0.5],
        "champion": [0.1, 0.6, 0.9, 0.2],
        "origin": [3, 3, 10, 10],
        "weight": [1.0, 2.0, 1.0, 0.5],
    }
)
Json = Mapping[str, Any]
SPEC = {"name": "m", "label_key": "label", "prediction_key": "candidate"}


def config(metrics: Sequence[Json] = ({"class_name": "AUC"},), **changes: Any) -> Any:
    """An EvalConfig of one model."""
    content = {"model_specs": [SPEC], "metrics_specs": [{"metrics": list(metrics)}], **changes}
    return json_format.ParseDict(content, messages().config.EvalConfig())


def test_tfma_is_not_imported_for_its_messages() -> None:
    """Nor TensorFlow or Beam; and TFMA's name is free for its own import afterwards."""
    program = """
import sys
from plumbline.adapters import tfma_config, tfma_files, tfma_reading
from plumbline.adapters.tfma_protos import messages
messages().config.EvalConfig(), messages().metrics.MetricsForSlice(), messages().validation.ValidationResult()
print([name for name in ("tensorflow", "apache_beam", "tensorflow_model_analysis") if name in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_record_has_its_length_and_checksums() -> None:
    """Byte by byte: eight of length, four of its checksum, the value, four of the value's."""

    def masked(value: bytes) -> int:
        checksum = google_crc32c.value(value)
        return (((checksum >> 15) | (checksum << 17)) + 0xA282EAD8) & 0xFFFFFFFF

    written = records([b"abc", b""])
    length = b"\x03" + b"\x00" * 7
    assert written[:8] == length
    assert struct.unpack("<I", written[8:12]) == (masked(length),)
    assert written[12:15] == b"abc"
    assert struct.unpack("<I", written[15:19]) == (masked(b"abc"),)
    assert len(written) == 19 + 16


def test_gates_are_thresholds_of_the_candidate_alone() -> None:
    """The others have the metrics too, but need not reach anything."""
    made = eval_config(EVALUATION, MODELS)
    judged, others = made.metrics_specs
    assert (list(judged.model_names), list(others.model_names)) == (["candidate"], ["today", "champion"])
    found = {metric.config: metric.per_slice_thresholds for metric in judged.metrics if metric.per_slice_thresholds}
    auc, calibration = found['{"name": "auc"}'], found['{"name": "calibration"}']
    assert [each.threshold.value_threshold.lower_bound.value for each in auc] == [0.6, 0.0]
    assert auc[1].threshold.change_threshold.absolute.value == 0.1
    assert list(calibration[0].slicing_specs[0].feature_keys) == ["origin"]
    assert calibration[0].threshold.value_threshold.upper_bound.value == 2.0
    assert not any(metric.per_slice_thresholds for metric in others.metrics)


def test_the_first_opponent_that_is_there_is_tfma_s_baseline() -> None:
    """TFMA has one at most: of today and champion the gates name today first; without it the champion."""
    assert opponent(EVALUATION, MODELS) == "today"
    assert opponent(EVALUATION, ("candidate", "champion")) == "champion"
    assert opponent(EVALUATION, ("candidate",)) == ""
    assert [spec.name for spec in eval_config(EVALUATION, MODELS).model_specs if spec.is_baseline] == ["today"]


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"metrics": [{"class_name": "NDCG"}]}, "the metric NDCG"),
        ({"metrics": [{"class_name": "AUC", "config": '{"num_thresholds": 200}'}]}, "AUC.num_thresholds 200"),
        ({"metrics": [{"class_name": "Precision", "config": '{"top_k": 2}'}]}, "Precision.top_k"),
        (
            {"metrics": [{"class_name": "Recall", "config": '{"thresholds": [0.5, 0.1]}'}]},
            "Recall.thresholds that do not ascend from 0 to 1",
        ),
        ({"slicing_specs": [{"feature_values": {"origin": "JFK"}}]}, "slicing_specs.feature_values"),
        ({"cross_slicing_specs": [{"baseline_spec": {}}]}, "cross_slicing_specs"),
        ({"options": {"min_slice_size": 10}}, "options.min_slice_size"),
        (
            {
                "options": {
                    "compute_confidence_intervals": True,
                    "confidence_intervals": {"method": "POISSON_BOOTSTRAP"},
                }
            },
            "options.confidence_intervals.method POISSON_BOOTSTRAP",
        ),
        ({"metrics_specs": [{"binarize": {"class_ids": {"values": [1]}}}]}, "metrics_specs.binarize"),
        ({"metrics_specs": [{"query_key": "user"}]}, "metrics_specs.query_key"),
        ({"model_specs": [SPEC, SPEC | {"name": "n", "label_key": "other"}]}, "model_specs.label_key that differs"),
        ({"model_specs": [{"name": "m", "label_key": "label"}]}, "model_specs without label_key and prediction_key"),
        ({"model_specs": []}, "an EvalConfig without model_specs"),
    ],
)
def test_what_the_engine_does_not_implement_is_refused_by_name(changes: dict[str, Any], refused: str) -> None:
    """With the engine that does it."""
    with pytest.raises(GateError, match=r"vectorised engine does not implement .*engine: tfma") as raised:
        read(config(**changes))
    assert refused in str(raised.value)


def test_all_that_is_refused_is_named_at_once() -> None:
    """Not one a run."""
    metrics = [{"class_name": "NDCG"}, {"class_name": "AUC", "config": '{"curve": "ROC", "class_id": 1}'}]
    with pytest.raises(GateError, match=r"the metric NDCG, AUC\.class_id: use"):
        read(config(metrics))


def test_a_config_without_slices_is_about_all_rows() -> None:
    """And a metric without name and thresholds has TFMA's own: 0.5."""
    reading = read(config([{"class_name": "FPR"}, {"class_name": "AUC", "config": '{"curve": "PR"}'}]))
    assert list(reading.request.slices) == [()]
    assert [(asked.name, asked.source, asked.thresholds) for asked in reading.metrics] == [
        ("fpr", "false_positive_rate", (0.5,)),
        ("auc", "auc_pr", ()),
    ]


def test_every_metric_is_written_by_hand() -> None:
    """Cells, counts, means, and several thresholds as an array: two positives at 0.9 and 0.4, negatives at 0.6, 0.1."""
    metrics: list[Json] = [
        {"class_name": "ExampleCount"},
        {"class_name": "TruePositives"},
        {"class_name": "FP", "config": '{"thresholds": [0.3]}'},
        {"class_name": "MeanLabel"},
        {"class_name": "MeanPrediction"},
        {"class_name": "Recall", "config": '{"thresholds": [0.3, 0.5]}'},
        {"class_name": "ConfusionMatrixAtThresholds", "config": '{"thresholds": [0.3]}'},
    ]
    reading = read(config(metrics))
    found = evaluate_of(reading)
    (message,) = metrics_for_slices(reading, found, TABLE.schema)
    values = {each.key.name: each.value for each in message.metric_keys_and_values}
    single = {name: value.double_value.value for name, value in values.items() if value.HasField("double_value")}
    assert single == pytest.approx(
        {"example_count": 4.0, "true_positives": 1.0, "fp": 1.0, "mean_label": 0.5, "mean_prediction": 0.5}
    )
    assert list(values["recall"].array_value.float64_values) == [1.0, 0.5]
    (matrix,) = values["confusion_matrix_at_thresholds"].confusion_matrix_at_thresholds.matrices
    assert (matrix.true_positives, matrix.false_positives, matrix.true_negatives) == (2, 1, 1)
    assert (matrix.precision, matrix.f1) == (pytest.approx(2 / 3), pytest.approx(0.8))
    assert {each.key.model_name for each in message.metric_keys_and_values} == {""}


def evaluate_of(reading: Reading) -> Sequence[Measured]:
    """What the engine finds for an EvalConfig's request."""
    counted = sum_up([TABLE], reading.request)
    return [
        measure(model, counted.sliced(model, names), Interest("none", 0.95))
        for model in reading.request.models
        for names in reading.request.slices
    ]


def written(folder: Path, evaluation: Evaluation) -> Any:
    """The validation result that is written for the gates."""
    evaluation = replace(evaluation, measures=Measures(weight="weight"))
    found = evaluate_batches([TABLE], evaluation, MODELS)
    keys = [result.slice for result in found.board.results if result.model == "candidate"]
    made = eval_config(evaluation, MODELS)
    judgement = Judgement(decide(found.board, evaluation, keys), evaluation.gates)
    write_result(folder, made, read(made), measured=found.measured, schema=TABLE.schema, judgement=judgement)
    content = (folder / "validations.tfrecord").read_bytes()
    return messages().validation.ValidationResult.FromString(content[12:-4])


def test_a_failure_names_slice_metric_threshold_and_value(tmp_path: Path) -> None:
    """Of the pairs, 5 by weight, the one of 1 x 2 is in the wrong order: the area is 3 / 5, 0.1 above today's."""
    gates = (Gate(metric="auc", minimum=0.7), Gate(metric="auc", against="today", margin=0.25))
    result = written(tmp_path, Evaluation(slices=((),), gates=gates, minimum_count=1, minimum_positives=1))
    assert not result.validation_ok
    (slice_,) = result.metric_validations_per_slice
    bound, margin = slice_.failures
    assert bound.metric_key.name == margin.metric_key.name == "auc"
    assert (bound.metric_key.is_diff, margin.metric_key.is_diff) == (False, True)
    assert bound.metric_key.example_weighted.value
    assert bound.metric_value.double_value.value == pytest.approx(0.6)
    assert bound.metric_threshold.value_threshold.lower_bound.value == 0.7
    assert margin.metric_value.double_value.value == pytest.approx(0.1)
    assert margin.metric_threshold.change_threshold.absolute.value == 0.25
    assert "wanted at least 0.7" in bound.message


def test_slices_of_numbers_stay_numbers_and_gates_without_slices_are_missing(tmp_path: Path) -> None:
    """In the validation as in the metrics: origin 3 is an integer to TFMA."""
    gates = (Gate(metric="calibration", by=("origin",), maximum=0.01), Gate(metric="auc", by=("weight",), minimum=0.5))
    result = written(tmp_path, Evaluation(slices=(("origin",),), gates=gates, minimum_count=1, minimum_positives=1))
    keys = [each.slice_key.single_slice_keys[0] for each in result.metric_validations_per_slice]
    assert [(key.column, key.int64_value) for key in keys] == [("origin", 3), ("origin", 10)]
    assert [list(spec.feature_keys) for spec in result.missing_slices] == [["weight"]]
    (details,) = result.validation_details.slicing_details
    assert details.num_matching_slices == 2


def test_a_gap_is_told_apart_from_a_minimum(tmp_path: Path) -> None:
    """Of origin 3 the candidate finds the one positive row, of origin 10 none: recall 1 and 0."""
    gates = (Gate(metric="recall", by=("origin",), minimum=0.0), Gate(metric="recall", by=("origin",), gap=0.5))
    result = written(tmp_path, Evaluation(slices=(("origin",),), gates=gates, minimum_count=1, minimum_positives=1))
    (slice_,) = result.metric_validations_per_slice
    assert slice_.slice_key.single_slice_keys[0].int64_value == 10
    (failure,) = slice_.failures
    assert failure.metric_threshold.value_threshold.upper_bound.value == 0.5
    assert failure.metric_value.double_value.value == 1.0
    assert "recall is 0 for origin 10 and 1 for origin 3: a gap of 1, wanted at most 0.5" in failure.message


def test_without_gates_the_result_is_not_valid(tmp_path: Path) -> None:
    """For want of thresholds, as TFMA has it."""
    reading = read(config())
    write_result(tmp_path, config(), reading, measured=evaluate_of(reading), schema=TABLE.schema)
    content = (tmp_path / "validations.tfrecord").read_bytes()
    result = messages().validation.ValidationResult.FromString(content[12:-4])
    assert (result.validation_ok, result.missing_thresholds) == (False, True)
