"""What a TFMA EvalConfig asks of the vectorised engine; what the engine does not implement is refused by name."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from plumbline.errors import GateError
from plumbline.sums import PARTS, Request

_METRICS: Mapping[str, tuple[str, str | int]] = {
    "ExampleCount": ("example_count", "example_count"),
    "ConfusionMatrixAtThresholds": ("confusion_matrix_at_thresholds", "confusion"),
    "AUC": ("auc", "auc"),
    "AUCPrecisionRecall": ("auc_precision_recall", "auc_pr"),
    "Calibration": ("calibration", "calibration"),
    "MeanLabel": ("mean_label", "mean_label"),
    "MeanPrediction": ("mean_prediction", "mean_prediction"),
    "TrueNegatives": ("true_negatives", 0),
    "TN": ("tn", 0),
    "FalsePositives": ("false_positives", 1),
    "FP": ("fp", 1),
    "FalseNegatives": ("false_negatives", 2),
    "FN": ("fn", 2),
    "TruePositives": ("true_positives", 3),
    "TP": ("tp", 3),
    "Precision": ("precision", "precision"),
    "PPV": ("ppv", "precision"),
    "Recall": ("recall", "recall"),
    "TPR": ("tpr", "recall"),
    "Specificity": ("specificity", "true_negative_rate"),
    "TNR": ("tnr", "true_negative_rate"),
    "FallOut": ("fall_out", "false_positive_rate"),
    "FPR": ("fpr", "false_positive_rate"),
    "MissRate": ("miss_rate", "false_negative_rate"),
    "FNR": ("fnr", "false_negative_rate"),
    "NegativePredictiveValue": ("negative_predictive_value", "negative_predictive_value"),
    "NPV": ("npv", "negative_predictive_value"),
    "FalseDiscoveryRate": ("false_discovery_rate", "false_discovery_rate"),
    "FalseOmissionRate": ("false_omission_rate", "false_omission_rate"),
    "Prevalence": ("prevalence", "prevalence"),
    "PredictedPositiveRate": ("predicted_positive_rate", "positive_rate"),
    "BinaryAccuracy": ("binary_accuracy", "accuracy"),
}
"""What TFMA 0.52 calls a metric that has no name of its own, and where the engine has it: a column or share of
`Measured`, or the place of a cell of the confusion matrix."""
_WITHOUT_THRESHOLDS = frozenset(
    {"ExampleCount", "AUC", "AUCPrecisionRecall", "Calibration", "MeanLabel", "MeanPrediction"}
)
_KNOWN = frozenset(
    {
        "model_specs.name",
        "model_specs.label_key",
        "model_specs.prediction_key",
        "model_specs.example_weight_key",
        "model_specs.is_baseline",
        "slicing_specs.feature_keys",
        "metrics_specs.model_names",
        "metrics_specs.example_weights",
        "metrics_specs.metrics.class_name",
        "metrics_specs.metrics.config",
        "metrics_specs.metrics.threshold",
        "metrics_specs.metrics.per_slice_thresholds",
        "options.compute_confidence_intervals",
        "options.confidence_intervals.method",
        "options.include_default_metrics",
    }
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A metric that an EvalConfig asks for."""

    name: str
    models: tuple[str, ...]
    weighted: bool
    thresholds: tuple[float, ...]
    """Empty for a metric without."""
    source: str | int
    """Where the engine has it: the name of a column or share of `Measured`, the place of a cell, or confusion."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What an EvalConfig asks of the engine."""

    request: Request
    metrics: tuple[Asked, ...]
    baseline: str
    """The model that differences are taken from; empty for none."""


def read(config: Any) -> Reading:
    """What an EvalConfig asks of the vectorised engine.

    Raises:
        GateError: It asks for what only `engine: tfma` does; the message names all of it.
    """
    if refused := list(dict.fromkeys([*_unknown(config, ""), *_unsupported(config)])):
        raise GateError(f"the vectorised engine does not implement {', '.join(refused)}: use `engine: tfma` for it")
    models, first = {spec.name: spec.prediction_key for spec in config.model_specs}, config.model_specs[0]
    metrics = tuple(asked for spec in config.metrics_specs for asked in _asked(spec, models, first.example_weight_key))
    request = Request(
        models=models,
        slices=[tuple(spec.feature_keys) for spec in config.slicing_specs] or [()],
        thresholds=tuple(sorted({threshold for metric in metrics for threshold in metric.thresholds})),
        label=first.label_key,
        weight=first.example_weight_key,
        parts=PARTS if config.options.compute_confidence_intervals.value else 1,
    )
    return Reading(request, metrics, next((spec.name for spec in config.model_specs if spec.is_baseline), ""))


def _unknown(message: Any, prefix: str) -> Iterator[str]:
    """The fields that are set and that we know nothing of, each by its full name."""
    for field, value in message.ListFields():
        path = f"{prefix}{field.name}"
        if path in _KNOWN:
            continue
        inside = [known for known in _KNOWN if known.startswith(f"{path}.")]
        if not inside:
            yield path
            continue
        for each in value if field.is_repeated else [value]:
            yield from _unknown(each, f"{path}.")


def _unsupported(config: Any) -> Iterator[str]:
    """What is asked for in fields that we know."""
    intervals = config.options.confidence_intervals
    method = intervals.ConfidenceIntervalMethod.Name(intervals.method)
    if config.options.compute_confidence_intervals.value and method != "JACKKNIFE":
        yield f"options.confidence_intervals.method {method}"
    for field in ("label_key", "example_weight_key"):
        if len({getattr(spec, field) for spec in config.model_specs}) > 1:
            yield f"model_specs.{field} that differs between models"
    for spec in config.model_specs:
        if not (spec.label_key and spec.prediction_key):
            yield "model_specs without label_key and prediction_key"
    if not config.model_specs:
        yield "an EvalConfig without model_specs"
    for spec in config.metrics_specs:
        for metric in spec.metrics:
            yield from _unsupported_metric(metric.class_name, json.loads(metric.config or "{}"))


def _unsupported_metric(kind: str, settings: Mapping[str, Any]) -> Iterator[str]:
    if kind not in _METRICS:
        yield f"the metric {kind}"
        return
    known = {"name"} if kind in _WITHOUT_THRESHOLDS else {"name", "thresholds"}
    if kind in {"AUC", "AUCPrecisionRecall"}:
        fixed = {"summation_method": ("interpolation",), "num_thresholds": (10_000,), "curve": ("ROC", "PR")}
        wrong = {name for name, allowed in fixed.items() if settings.get(name, allowed[0]) not in allowed}
        yield from (f"{kind}.{name} {settings[name]}" for name in sorted(wrong))
        known |= set(fixed)
    thresholds = _thresholds(kind, settings)
    if list(thresholds) != sorted(set(thresholds)) or any(not 0 <= threshold <= 1 for threshold in thresholds):
        yield f"{kind}.thresholds that do not ascend from 0 to 1"
    yield from (f"{kind}.{name}" for name in settings if name not in known)


def _asked(spec: Any, models: Mapping[str, str], weight: str) -> Iterator[Asked]:
    """The metrics of one MetricsSpec, weighted, unweighted or both."""
    options = spec.example_weights
    given = [value for value, wanted in ((True, options.weighted), (False, options.unweighted)) if wanted]
    for metric in spec.metrics:
        settings = json.loads(metric.config or "{}")
        name, source = _METRICS[metric.class_name]
        for weighted in given or [bool(weight)]:
            yield Asked(
                name=settings.get("name", name),
                models=tuple(spec.model_names) or tuple(models),
                weighted=weighted,
                thresholds=_thresholds(metric.class_name, settings),
                source="auc_pr" if source == "auc" and settings.get("curve") == "PR" else source,
            )


def _thresholds(kind: str, settings: Mapping[str, Any]) -> tuple[float, ...]:
    if kind in _WITHOUT_THRESHOLDS:
        return ()
    given = settings.get("thresholds", [0.5])
    return tuple(given) if isinstance(given, list) else (given,)
