"""TensorFlow Model Analysis as evaluation engine: the reference that the vectorised engine is held against.

Predictions are made already, a column a model, so every model is scored once and all are compared on the same rows.
TFMA takes about a millisecond an example, whatever the batch size.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow_model_analysis as tfma
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_model_analysis import constants

from plumbline.adapters.tfma_config import eval_config
from plumbline.dataflow import Options
from plumbline.drawing import draw
from plumbline.histogram import calibration_error
from plumbline.problem import Evaluation, Metric
from plumbline.scoreboard import Confusion, Estimate, Scoreboard, SliceKey, SliceResult
from plumbline.section import Names
from plumbline.slicing import sortable
from plumbline.sums import LABEL, Counted, Request, sum_up
from plumbline.vectorised import same_threshold

_CONFIDENCE = 0.95
"""Fixed in TFMA 0.52, `math_util.calculate_confidence_interval`."""
_PART = 10_000
_NAMES: Mapping[str, Metric] = {
    "auc": "auc",
    "auc_pr": "auc_pr",
    "precision": "precision",
    "recall": "recall",
    "calibration": "calibration",
    "example_count": "example_count",
}


_CELLS = ("truePositives", "falsePositives", "trueNegatives", "falseNegatives")


def evaluate_with_tfma(  # noqa: PLR0913 - what to evaluate, where and how
    table: pa.Table,
    evaluation: Evaluation,
    models: Sequence[str],
    output: str | Path,
    *,
    thresholds: Mapping[str, float] | None = None,
    options: Options | None = None,
) -> Scoreboard:
    """The scoreboard that TFMA finds; its own files stay in `output`, for its views and loaders.

    Args:
        table: Column `label` (0 or 1), a column of scores a model, the slicing columns and that of the weights.
        evaluation: Slices, thresholds, weight, gates, and whether to find intervals (by the jackknife, of 95 %: TFMA
            knows no other).
        models: Names of the score columns.
        output: A folder, made where there is none; on Cloud Storage for Dataflow.
        thresholds: Of each model; that of the evaluation for all, where it is a number and nothing is given.
        options: Beam's, from `beam_options`; the direct runner's where they are not given.
    """
    at = thresholds or same_threshold(evaluation, models)
    config = eval_config(evaluation, models, thresholds=at)
    run_tfma(config, table, output, options=options)
    request = Request(
        models={name: name for name in models},
        slices=evaluation.slices,
        thresholds=(),
        weight=evaluation.measures.weight,
    )
    counted = sum_up([table], request)
    return Scoreboard(
        threshold=at[models[0]],
        confidence=_CONFIDENCE,
        engine="tfma",
        results=tuple(_with_errors(read_results(output, evaluation, models), counted)),
        curves=tuple(curve for name in models for curve in draw(name, counted.overall(name))),
    )


def _with_errors(results: Iterable[SliceResult], counted: Counted) -> Iterator[SliceResult]:
    """The results with the calibration error, which TFMA does not have: ours, of the same rows."""
    for result in results:
        whole = counted.sliced(result.model, tuple(name for name, _ in result.slice)).whole
        error = _finite(calibration_error(whole.histogram)[whole.keys.index(result.slice)])
        yield replace(result, metrics={**result.metrics, "calibration_error": Estimate(value=error)})


def read_results(folder: str | Path, evaluation: Evaluation, models: Sequence[str]) -> Iterator[SliceResult]:
    """The results in a folder of TFMA's that was written by `eval_config`, in the order of the config."""
    # TFMA drops the name of an only model.
    known = dict.fromkeys(models, "") if len(models) == 1 else {name: name for name in models}
    confusion = "row_confusion" if evaluation.measures.weight else "confusion"
    for name in models:
        yield from _load(folder, name, known[name], evaluation.slices, confusion)


def run_tfma(config: Any, table: pa.Table, output: str | Path, *, options: Options | None = None) -> None:
    """Runs TFMA on a table by an EvalConfig; its files are in `output` afterwards."""
    shared = [
        tfma.EvalSharedModel(
            model_name=spec.name, model_type=constants.MATERIALIZED_PREDICTION, is_baseline=spec.is_baseline
        )
        for spec in config.model_specs
    ]
    # Not `PipelineOptions()`: that would take the flags of the program that this runs in.
    with beam.Pipeline(options=PipelineOptions.from_dictionary(options or {"runner": "DirectRunner"})) as pipeline:
        _ = (
            pipeline
            | beam.Create([_extracts(part) for part in _parts(table)], reshuffle=False)
            | tfma.ExtractEvaluateAndWriteResults(
                eval_config=config,
                eval_shared_model=shared,
                output_path=str(output),
                extractors=tfma.default_extractors(eval_config=config, eval_shared_model=shared),
                evaluators=tfma.default_evaluators(eval_config=config, eval_shared_model=shared),
                writers=tfma.default_writers(output_path=str(output), eval_config=config, eval_shared_model=shared),
            )
        )


def _parts(table: pa.Table) -> Sequence[pa.Table]:
    """The rows in parts that one worker can take at once."""
    return [table.slice(start, _PART) for start in range(0, max(table.num_rows, 1), _PART)]


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


def _load(
    output: str | Path, model: str, known_as: str, entries: Sequence[Names], confusion: str
) -> Sequence[SliceResult]:
    """The model's results by entry of the config, in the order of the slices' values."""
    loaded = tfma.load_eval_result(str(output), model_name=known_as)
    found = [_result(model, _key(key, entries), values[""][""], confusion) for key, values in loaded.slicing_metrics]
    return sorted(found, key=lambda result: _position(result.slice, entries))


def _position(key: SliceKey, entries: Sequence[Names]) -> tuple[int, Sequence[tuple[int, str]]]:
    return entries.index(tuple(name for name, _ in key)), [sortable(value) for _, value in key]


def _result(model: str, key: SliceKey, values: Mapping[str, Mapping[str, object]], confusion: str) -> SliceResult:
    cells, weights = (
        values[name]["confusionMatrixAtThresholds"]["matrices"][0]  # type: ignore[index] # TFMA's untyped JSON
        for name in (confusion, "confusion")
    )
    counts = {name: round(_cell(cells, name)) for name in _CELLS}
    positives = counts["truePositives"] + counts["falseNegatives"]
    total = sum(counts.values())
    metrics = {ours: _estimate(values.get(theirs, {})) for theirs, ours in _NAMES.items()}
    if not 0 < positives < total:
        metrics |= {"auc": Estimate(value=None), "auc_pr": Estimate(value=None)}
    metrics["positives"] = Estimate(value=_cell(weights, "truePositives") + _cell(weights, "falseNegatives"))
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


def _cell(cells: Mapping[str, object], name: str) -> float:
    value = cells.get(name, 0.0)
    return float(value["value"] if isinstance(value, dict) else value)  # type: ignore[arg-type] # TFMA's untyped JSON


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
