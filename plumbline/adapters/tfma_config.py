"""TFMA's EvalConfig of an evaluation: models, slices, metrics, and the gates as TFMA's thresholds."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.protobuf import json_format

from plumbline.adapters.tfma_protos import messages
from plumbline.gates import CANDIDATE
from plumbline.problem import Evaluation, Gate
from plumbline.sums import LABEL
from plumbline.vectorised import same_threshold

Json = dict[str, Any]
FAIRNESS = "fairness_indicators_metrics"
"""Source of the names below it: Fairness Indicators, whose view reads them."""
_FAIRNESS_CLASSES = {
    "false_positive_rate": "FPR",
    "false_negative_rate": "FNR",
    "true_positive_rate": "TPR",
    "true_negative_rate": "TNR",
    "positive_rate": "PredictedPositiveRate",
    "false_discovery_rate": "FalseDiscoveryRate",
    "false_omission_rate": "FalseOmissionRate",
}
"""TFMA has none for the negative rate, which is 1 less the positive rate."""


def eval_config(evaluation: Evaluation, models: Sequence[str], *, thresholds: Mapping[str, float] | None = None) -> Any:
    """TFMA's configuration: every model by its own column, the config's slices, metrics and gates.

    TFMA compares with one model only: with that of the first gate against a model that is there. Gates against another
    one, on a gap between slices, and on a metric that TFMA does not have (positives, calibration_error), are not in it.
    With intervals by the jackknife TFMA computes every metric again without each of 20 groups of rows: about 20 times
    the work, mostly in lists of 10,000 thresholds a slice, however few the rows; so only who asks for it by name has
    it.

    Args:
        evaluation: Slices, thresholds, weight, intervals and gates.
        models: Names of the score columns.
        thresholds: Of each model; that of the evaluation for all, where it is a number and nothing is given.
    """
    at = thresholds or same_threshold(evaluation, models)
    measures = evaluation.measures
    baseline = opponent(evaluation, models)
    weight = {"example_weight_key": measures.weight} if measures.weight else {}
    specs = [
        {"name": name, "label_key": LABEL, "prediction_key": name, **weight}
        | ({"is_baseline": True} if name == baseline else {})
        for name in models
    ]
    groups: list[Json] = []
    for threshold, named in _together(models, at):
        metrics = _metrics(evaluation, threshold)
        if named == [CANDIDATE]:
            metrics = [_gated(metric, evaluation.gates, baseline) for metric in metrics]
        groups.append({"metrics": metrics, "model_names": named})
        if measures.weight:
            rows = [
                {"class_name": "ExampleCount", "config": '{"name": "rows"}'},
                _confusion("row_confusion", [threshold]),
            ]
            groups.append({"metrics": rows, "model_names": named, "example_weights": {"unweighted": True}})
    content = {
        "model_specs": specs,
        "slicing_specs": [{"feature_keys": list(by)} for by in evaluation.slices],
        "metrics_specs": groups,
        "options": {
            "compute_confidence_intervals": measures.intervals == "jackknife",
            "confidence_intervals": {"method": "JACKKNIFE"},
        },
    }
    return json_format.ParseDict(content, messages().config.EvalConfig())


def opponent(evaluation: Evaluation, models: Sequence[str]) -> str:
    """The model of the first gate against one that is there; empty where there is no such gate."""
    against = (gate.against for gate in evaluation.gates)
    return next((name for name in against if name and name in models), "")


def _together(models: Sequence[str], thresholds: Mapping[str, float]) -> Iterator[tuple[float, list[str]]]:
    """The candidate, which alone has gates, and the others of one threshold together."""
    if CANDIDATE in models:
        yield thresholds[CANDIDATE], [CANDIDATE]
    others = [name for name in models if name != CANDIDATE]
    for threshold in dict.fromkeys(thresholds[name] for name in others):
        yield threshold, [name for name in others if thresholds[name] == threshold]


def _metrics(evaluation: Evaluation, threshold: float) -> Sequence[Json]:
    at = f'"thresholds": [{threshold!r}]'
    metrics: list[Json] = [
        {"class_name": "ExampleCount"},
        {"class_name": "AUC", "config": '{"name": "auc"}'},
        {"class_name": "AUC", "config": '{"name": "auc_pr", "curve": "PR"}'},
        {"class_name": "Precision", "config": f'{{"name": "precision", {at}}}'},
        {"class_name": "Recall", "config": f'{{"name": "recall", {at}}}'},
        {"class_name": "Calibration", "config": '{"name": "calibration"}'},
        _confusion("confusion", [threshold]),
    ]
    if thresholds := sorted(evaluation.measures.thresholds):
        digits = max(1, *(len(f"{threshold:.12f}".rstrip("0")) - 2 for threshold in thresholds))
        metrics.append(_confusion("confusion_at_thresholds", thresholds))
        metrics += [
            {
                "class_name": kind,
                "config": json.dumps({"name": f"{FAIRNESS}/{name}@{threshold:.{digits}f}", "thresholds": [threshold]}),
            }
            for threshold in thresholds
            for name, kind in _FAIRNESS_CLASSES.items()
        ]
    return metrics


def _confusion(name: str, thresholds: Sequence[float]) -> Json:
    config = f'{{"name": "{name}", "thresholds": {list(thresholds)!r}}}'
    return {"class_name": "ConfusionMatrixAtThresholds", "config": config}


def _gated(metric: Json, gates: Sequence[Gate], baseline: str) -> Json:
    """The metric with the gates on it as TFMA's thresholds."""
    name = json.loads(metric.get("config", "{}")).get("name", "example_count")
    mine = [g for g in gates if g.metric == name and g.against in {"", baseline} and g.gap is None]
    per_slice = [{"slicing_specs": [{"feature_keys": list(gate.by)}], "threshold": _threshold(gate)} for gate in mine]
    return metric | ({"per_slice_thresholds": per_slice} if per_slice else {})


def _threshold(gate: Gate) -> Json:
    if gate.margin is not None:
        return {"change_threshold": {"absolute": gate.margin, "direction": "HIGHER_IS_BETTER"}}
    bound = {"lower_bound": gate.minimum} if gate.minimum is not None else {"upper_bound": gate.maximum}
    return {"value_threshold": bound}
