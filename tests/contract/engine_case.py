"""What the tests of both evaluation engines share: nasty rows, an evaluation of them, TFMA's own answer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import confusion_matrix_metrics, metric_types
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.slicer import slicer_lib

from plumbline.gates import Verdict, decide
from plumbline.problem import Evaluation, Gate
from plumbline.vectorised import Evaluated, evaluate_batches

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


def nasty_table() -> pa.Table:
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


def judged(table: pa.Table, config: Evaluation) -> tuple[Evaluated, Verdict]:
    """What the vectorised engine finds and the gates say."""
    found = evaluate_batches([table], config, MODELS)
    keys = [result.slice for result in found.board.results if result.model == "candidate"]
    return found, decide(found.board, config, keys)


Failures = set[tuple[str, str, bool]]


def failures(result: Any) -> Failures:
    """Slice, metric and whether it is a difference."""
    return {
        (str(slicer_lib.deserialize_slice_key(each.slice_key)), failure.metric_key.name, failure.metric_key.is_diff)
        for each in result.metric_validations_per_slice
        for failure in each.failures
    }
