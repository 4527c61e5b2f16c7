"""TensorFlow Model Analysis as evaluation engine: the reference that the vectorised engine is held against.

Predictions are made already, a column a model, so every model is scored once and all are compared on the same rows.
TFMA takes about a millisecond an example, whatever the batch size.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow_model_analysis as tfma
from google.protobuf import json_format
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.proto import config_pb2

from plumbline.curves import curves
from plumbline.problem import Evaluation, Metric
from plumbline.scoreboard import Confusion, Estimate, Scoreboard, SliceKey, SliceResult
from plumbline.section import Names
from plumbline.slicing import sortable

LABEL = "label"
_CONFIDENCE = 0.95
"""Fixed in TFMA 0.52, `math_util.calculate_confidence_interval`."""
_NAMES: Mapping[str, Metric] = {
    "auc": "auc",
    "auc_pr": "auc_pr",
    "precision": "precision",
    "recall": "recall",
    "calibration": "calibration",
    "example_count": "example_count",
}


def eval_config(evaluation: Evaluation, models: Sequence[str], *, intervals: bool = True) -> config_pb2.EvalConfig:
    """TFMA's configuration: every model by its own column, the config's slices and metrics.

    Args:
        evaluation: Slices and threshold.
        models: Names of the score columns.
        intervals: Whether every metric is computed again without each of 20 groups of rows, for its interval: about
            20 times the work, mostly in lists of 10,000 thresholds a slice, however few the rows.
    """
    threshold = f'"thresholds": [{evaluation.threshold!r}]'
    metrics = [
        {"class_name": "ExampleCount"},
        {"class_name": "AUC", "config": '{"name": "auc"}'},
        {"class_name": "AUC", "config": '{"name": "auc_pr", "curve": "PR"}'},
        {"class_name": "Precision", "config": f'{{"name": "precision", {threshold}}}'},
        {"class_name": "Recall", "config": f'{{"name": "recall", {threshold}}}'},
        {"class_name": "Calibration", "config": '{"name": "calibration"}'},
        {"class_name": "ConfusionMatrixAtThresholds", "config": f'{{"name": "confusion", {threshold}}}'},
    ]
    content = {
        "model_specs": [{"name": name, "label_key": LABEL, "prediction_key": name} for name in models],
        "slicing_specs": [{"feature_keys": list(by)} for by in evaluation.slices],
        "metrics_specs": [{"metrics": metrics, "model_names": list(models)}],
        "options": {
            "compute_confidence_intervals": intervals,
            "confidence_intervals": {"method": "JACKKNIFE"},
        },
    }
    return json_format.ParseDict(content, config_pb2.EvalConfig())


def evaluate_with_tfma(
    table: pa.Table, evaluation: Evaluation, models: Sequence[str], output: Path, *, intervals: bool = True
) -> Scoreboard:
    """The scoreboard that TFMA finds; its own files stay in `output`, for its views and loaders.

    Args:
        table: Column `label` (0 or 1), a column of scores a model, and the slicing columns.
        evaluation: Slices, threshold, confidence.
        models: Names of the score columns.
        output: A folder, made where there is none.
        intervals: Whether to find confidence intervals; they are of 95 %, TFMA knows no other.
    """
    config = eval_config(evaluation, models, intervals=intervals)
    shared = [tfma.EvalSharedModel(model_name=name, model_type=constants.MATERIALIZED_PREDICTION) for name in models]
    with beam.Pipeline() as pipeline:
        _ = (
            pipeline
            | beam.Create([_extracts(table)], reshuffle=False)
            | tfma.ExtractEvaluateAndWriteResults(
                eval_config=config,
                eval_shared_model=shared,
                output_path=str(output),
                extractors=tfma.default_extractors(eval_config=config, eval_shared_model=shared),
                evaluators=tfma.default_evaluators(eval_config=config, eval_shared_model=shared),
                writers=tfma.default_writers(output_path=str(output), eval_config=config, eval_shared_model=shared),
            )
        )
    # TFMA drops the name of an only model.
    known = dict.fromkeys(models, "") if len(models) == 1 else {name: name for name in models}
    found = [result for name in models for result in _load(output, name, known[name], evaluation.slices)]
    positive = pc.cast(table.column(LABEL), pa.int64()).to_numpy()
    drawn = [c for name in models for c in curves(name, table.column(name).to_numpy(), positive)]
    return Scoreboard(
        threshold=evaluation.threshold,
        confidence=_CONFIDENCE,
        engine="tfma",
        results=tuple(found),
        curves=tuple(drawn),
    )


def _extracts(table: pa.Table) -> pa.RecordBatch:
    """The rows as TFMA's readers give them: each value a list, text as bytes, a missing value as an empty list."""
    arrays = []
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        if name == LABEL:
            column = pc.cast(column, pa.float32())
        elif pa.types.is_string(column.type):
            column = pc.cast(column, pa.binary())
        elif pa.types.is_boolean(column.type):
            column = pc.cast(pc.cast(column, pa.string()), pa.binary())
        present = np.cumsum(np.append(0, pc.is_valid(column).to_numpy(zero_copy_only=False)))
        arrays.append(pa.ListArray.from_arrays(pa.array(present.astype(np.int32)), column.drop_null()))
    return pa.RecordBatch.from_arrays(arrays, names=table.column_names)


def _load(output: Path, model: str, known_as: str, entries: Sequence[Names]) -> Sequence[SliceResult]:
    """The model's results by entry of the config, in the order of the slices' values."""
    loaded = tfma.load_eval_result(str(output), model_name=known_as)
    found = [_result(model, _key(key, entries), values[""][""]) for key, values in loaded.slicing_metrics]
    return sorted(found, key=lambda result: _position(result.slice, entries))


def _position(key: SliceKey, entries: Sequence[Names]) -> tuple[int, Sequence[tuple[int, str]]]:
    return entries.index(tuple(name for name, _ in key)), [sortable(value) for _, value in key]


def _result(model: str, key: SliceKey, values: Mapping[str, Mapping[str, object]]) -> SliceResult:
    cells = values["confusion"]["confusionMatrixAtThresholds"]["matrices"][0]  # type: ignore[index] # TFMA's untyped JSON
    counts = {
        name: _count(cells, name) for name in ("truePositives", "falsePositives", "trueNegatives", "falseNegatives")
    }
    positives = counts["truePositives"] + counts["falseNegatives"]
    total = sum(counts.values())
    metrics = {ours: _estimate(values.get(theirs, {})) for theirs, ours in _NAMES.items()}
    if not 0 < positives < total:
        metrics |= {"auc": Estimate(value=None), "auc_pr": Estimate(value=None)}
    metrics["positives"] = Estimate(value=float(positives))
    return SliceResult(
        model=model,
        slice=key,
        count=total,
        positives=positives,
        metrics=metrics,
        confusion=Confusion(
            true_positives=counts["truePositives"],
            false_positives=counts["falsePositives"],
            true_negatives=counts["trueNegatives"],
            false_negatives=counts["falseNegatives"],
        ),
    )


def _key(key: Sequence[tuple[str, object]], entries: Sequence[Names]) -> SliceKey:
    """TFMA's key, which is sorted by column, in the order of the config's entry."""
    values = {name: value.decode() if isinstance(value, bytes) else str(value) for name, value in key}
    by = next(entry for entry in entries if set(entry) == set(values))
    return tuple((name, values[name]) for name in by)


def _count(cells: Mapping[str, object], name: str) -> int:
    value = cells.get(name, 0.0)
    return round(float(value["value"] if isinstance(value, dict) else value))  # type: ignore[arg-type] # TFMA's untyped JSON


def _estimate(value: Mapping[str, object]) -> Estimate:
    """A metric from the JSON of TFMA's MetricValue, with or without an interval; None for one that is not there."""
    bounded = value.get("boundedValue")
    if isinstance(bounded, dict):
        bounds = [_finite(bounded.get(part, np.nan)) for part in ("value", "lowerBound", "upperBound")]
        return Estimate(value=bounds[0], low=bounds[1], high=bounds[2])
    return Estimate(value=_finite(value.get("doubleValue", np.nan)))


def _finite(value: object) -> float | None:
    number = float(value)  # type: ignore[arg-type] # JSON's numbers, and "NaN"
    return number if np.isfinite(number) else None
