"""The vectorised engine's result as files of TFMA, for its loaders and views; writing them does not import TFMA.

`tfma.load_eval_result(folder, model_name="candidate")` and `tfma.load_validation_result(folder)` read them. The verdict
is that of our gates; a test holds it against TFMA's own validator.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import pyarrow as pa
from google.protobuf import json_format

from plumbline.adapters.tfma_protos import messages
from plumbline.adapters.tfma_reading import Asked, Reading
from plumbline.counters import Floats
from plumbline.gates import CANDIDATE, GateResult, Verdict, relation
from plumbline.measured import Column, Measured, plain
from plumbline.problem import Gate
from plumbline.scoreboard import SliceKey
from plumbline.section import Names


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the gates said."""

    verdict: Verdict
    gates: Sequence[Gate]


def write_result(  # noqa: PLR0913 - what TFMA keeps of an evaluation
    folder: Path,
    config: Any,
    reading: Reading,
    *,
    measured: Sequence[Measured],
    schema: pa.Schema,
    judgement: Judgement | None = None,
) -> None:
    """Writes TFMA's files into a folder, made where there is none.

    Args:
        folder: Where to.
        config: The EvalConfig.
        reading: What it asks for.
        measured: What the engine found of every model and entry of the slices.
        schema: The rows' columns: a slice of whole numbers is one in TFMA's files too.
        judgement: What the gates said; without it the result is not valid, for want of thresholds, as in TFMA.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = messages().config.EvalRun(
        eval_config=config,
        version=messages().version,
        data_location="<user provided PCollection>",
        file_format="<unknown>",
        model_locations=dict.fromkeys(reading.request.models, "<unknown>"),
    )
    (folder / "eval_config.json").write_text(json_format.MessageToJson(run), encoding="utf-8")
    slices = (message.SerializeToString() for message in metrics_for_slices(reading, measured, schema))
    (folder / "metrics-00000-of-00001.tfrecord").write_bytes(records(slices))
    validation = _validation(judgement, schema, weighted=bool(reading.request.weight))
    (folder / "validations.tfrecord").write_bytes(records([validation.SerializeToString()]))


def metrics_for_slices(reading: Reading, measured: Sequence[Measured], schema: pa.Schema) -> Iterator[Any]:
    """A MetricsForSlice for each slice, in the order of the config and of the slices' values."""
    models = list(reading.request.models)
    entries = len(measured) // len(models)
    for entry in range(entries):
        of_model = {name: measured[place * entries + entry] for place, name in enumerate(models)}
        columns = [
            (asked, model, _column(asked, of_model[model])) for asked in reading.metrics for model in asked.models
        ]
        for place, key in enumerate(of_model[models[0]].keys):
            message = messages().metrics.MetricsForSlice(slice_key=_slice_key(key, schema))
            for asked, model, column in columns:
                # TFMA drops the name of an only model.
                name = model if len(models) > 1 else ""
                added = message.metric_keys_and_values.add(key=_metric_key(asked, name, is_diff=False))
                _fill(added, asked, column, place)
            _add_differences(message, reading.baseline, columns, place)
            yield message


def records(values: Iterable[bytes]) -> bytes:
    """A TFRecord file of the values.

    Source: https://www.tensorflow.org/tutorials/load_data/tfrecord, "TFRecords format details".
    """
    return b"".join(_record(value) for value in values)


def _record(value: bytes) -> bytes:
    length = struct.pack("<Q", len(value))
    return length + _masked_checksum(length) + value + _masked_checksum(value)


def _masked_checksum(value: bytes) -> bytes:
    checksum = google_crc32c.value(value)
    return struct.pack("<I", ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _column(asked: Asked, measured: Measured) -> Sequence[Column] | Floats:
    """One column a threshold, or the confusion matrices, shape (slices, thresholds, 4)."""
    cells = measured.weights if asked.weighted else measured.rows
    if asked.source == "example_count":
        return [plain(cells[:, 0].sum(axis=1))]
    places = [measured.thresholds.index(threshold) for threshold in asked.thresholds]
    if asked.source == "confusion":
        return cells[:, places]
    if isinstance(asked.source, int):
        return [plain(cells[:, place, asked.source]) for place in places]
    if not asked.thresholds:
        return [measured.columns[asked.source]]
    return [measured.shares[place][asked.source] for place in places]


def _fill(added: Any, asked: Asked, columns: Sequence[Column] | Floats, place: int) -> None:
    """The value of a metric on the slice at this place, with its interval where it is a single number."""
    if isinstance(columns, np.ndarray):
        added.value.CopyFrom(_confusion(asked.thresholds, columns[place]))
        return
    values = [float(column.value[place]) for column in columns]
    if len(values) > 1:
        array = added.value.array_value
        array.data_type, array.shape[:], array.float64_values[:] = array.FLOAT64, [len(values)], values
        return
    added.value.double_value.value = values[0]
    low, high = float(columns[0].low[place]), float(columns[0].high[place])
    if np.isfinite(low) and np.isfinite(high):
        added.confidence_interval.lower_bound.double_value.value = low
        added.confidence_interval.upper_bound.double_value.value = high


def _add_differences(
    message: Any, baseline: str, columns: Sequence[tuple[Asked, str, Sequence[Column] | Floats]], place: int
) -> None:
    """What each model has more than the baseline, of every metric."""
    found = {(asked.name, asked.weighted, model): (asked, column) for asked, model, column in columns}
    for (name, weighted, model), (asked, column) in found.items():
        opponent = found.get((name, weighted, baseline))
        if opponent is not None and model != baseline:
            added = message.metric_keys_and_values.add(key=_metric_key(asked, model, is_diff=True))
            _fill(added, asked, _difference(column, opponent[1]), place)


def _difference(column: Sequence[Column] | Floats, other: Sequence[Column] | Floats) -> Sequence[Column] | Floats:
    if isinstance(column, np.ndarray) and isinstance(other, np.ndarray):
        return column - other
    return [plain(mine.value - theirs.value) for mine, theirs in zip(column, other, strict=True)]


def _metric_key(asked: Asked, model: str, *, is_diff: bool) -> Any:
    return messages().metrics.MetricKey(
        name=asked.name, model_name=model, example_weighted={"value": asked.weighted}, is_diff=is_diff
    )


def _slice_key(key: SliceKey, schema: pa.Schema) -> Any:
    """TFMA sorts a key by column, and keeps numbers as such."""
    result = messages().metrics.SliceKey()
    for name, value in sorted(key):
        kind = schema.field(name).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        single = result.single_slice_keys.add(column=name)
        if pa.types.is_integer(kind):
            single.int64_value = int(value)
        elif pa.types.is_floating(kind):
            single.float_value = float(value)
        else:
            single.bytes_value = value.encode()
    return result


def _confusion(thresholds: Sequence[float], cells: Floats) -> Any:
    """The matrices with the rates that TFMA adds, which has numbers where there are none.

    Source: TFMA 0.52, binary_confusion_matrices.Matrices.to_proto.
    """
    result = messages().metrics.MetricValue()
    for threshold, (tn, fp, fn, tp) in zip(thresholds, cells, strict=True):
        precision, recall = _or(tp, tp + fp, 1.0), _or(tp, tp + fn, 0.0)
        result.confusion_matrix_at_thresholds.matrices.add(
            threshold=round(threshold, 6),
            true_positives=tp,
            false_positives=fp,
            true_negatives=tn,
            false_negatives=fn,
            precision=precision,
            recall=recall,
            false_positive_rate=_or(fp, fp + tn, 0.0),
            false_omission_rate=_or(fn, fn + tn, np.nan),
            f1=_or(2 * precision * recall, precision + recall, 0.0),
            accuracy=_or(tp + tn, tp + tn + fp + fn, 0.0),
        )
    return result


def _or(numerator: float, denominator: float, otherwise: float) -> float:
    return numerator / denominator if denominator > 0 else otherwise


def _validation(judgement: Judgement | None, schema: pa.Schema, *, weighted: bool) -> Any:
    """The verdict as TFMA's ValidationResult: failures by slice, slices by gate, gates without any slice."""
    if judgement is None:
        return messages().validation.ValidationResult(validation_ok=False, missing_thresholds=True)
    result = messages().validation.ValidationResult(validation_ok=judgement.verdict.passed)
    failures: dict[SliceKey, list[Any]] = {}
    seen: dict[Names, set[SliceKey]] = {}
    for gate, one in _of_gates(judgement):
        if gate.by and not one.slice:
            result.missing_slices.add(feature_keys=gate.by)
        elif one.result != "no champion yet":
            seen.setdefault(gate.by, set()).add(one.slice)
            if one.result == "failed":
                failures.setdefault(one.slice, []).append(_failure(gate, one, weighted=weighted))
    for key, found in failures.items():
        result.metric_validations_per_slice.add(slice_key=_slice_key(key, schema), failures=found)
    for by, keys in seen.items():
        details = result.validation_details.slicing_details.add(num_matching_slices=len(keys))
        details.slicing_spec.feature_keys.extend(by)
    return result


def _of_gates(judgement: Judgement) -> Iterator[tuple[Gate, GateResult]]:
    """Each result with its gate; that the threshold's rule was not met has none, unless one is on the precision."""
    for one in judgement.verdict.results:
        wanted = (one.metric, one.against, one.relation)
        gates = [gate for gate in judgement.gates if (gate.metric, gate.against, relation(gate)) == wanted]
        by = frozenset(name for name, _ in one.slice)
        if gates:
            yield next((gate for gate in gates if frozenset(gate.by) == by), gates[0]), one


def _failure(gate: Gate, one: GateResult, *, weighted: bool) -> Any:
    key = messages().metrics.MetricKey(
        name=one.metric, model_name=CANDIDATE, example_weighted={"value": weighted}, is_diff=gate.margin is not None
    )
    failure = messages().validation.ValidationFailure(metric_key=key, message=one.reason)
    if one.value is not None and one.bound is not None:
        opponent = 0.0 if gate.margin is None else one.bound - gate.margin
        failure.metric_value.double_value.value = one.value - opponent
    if gate.margin is not None:
        failure.metric_threshold.change_threshold.absolute.value = gate.margin
        failure.metric_threshold.change_threshold.direction = messages().config.MetricDirection.HIGHER_IS_BETTER
    elif gate.minimum is not None:
        failure.metric_threshold.value_threshold.lower_bound.value = gate.minimum
    else:
        # A gap is at most so large, too: TFMA has no word for what lies between slices.
        failure.metric_threshold.value_threshold.upper_bound.value = gate.gap if gate.maximum is None else gate.maximum
    return failure
