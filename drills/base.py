"""The sound run that every drill spoils: the example's config, made small."""

from typing import Any

import yaml

from drills.drill import Config
from pipelines.code import ROOT

_SMALL: Config = {
    "validation": {"minimum_rows": {"train": 1000, "validation": 300, "test": 300}},
    "signal": {"rows": 4000, "shuffles": 4},
    "prototype": {"trees": 40},
    "training": {"epochs": 8, "batch_size": 256},
    "evaluation": {"minimum_count": 200, "minimum_positives": 15},
    "explanation": {"rows": 100, "background": 10, "permutations": 4},
    "serving": {"endpoint": "drill", "smoke_rows": 4},
}
_GATES: list[Config] = [
    {"metric": "auc_pr", "minimum": 0.12},
    {"metric": "auc_pr", "against": "today", "margin": 0.03},
    {"metric": "auc_pr", "against": "logistic_regression", "margin": -0.05},
    {"metric": "auc", "by": ["carrier"], "minimum": 0.55},
    {"metric": "recall", "by": ["origin"], "gap": 0.3},
]
"""As sharp as a sample of this size allows."""


def base() -> Config:
    """The example's config, for a sample of the flights."""
    path = ROOT / "configs" / "flights.yaml"
    config: Config = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    _merge(config, _SMALL)
    config["evaluation"]["slices"] = [[], ["origin"], ["carrier"]]
    config["evaluation"]["gates"] = [dict(gate) for gate in _GATES]
    config["evaluation"]["threshold"] = {"precision": 0.2}
    config["serving"].pop("load", None)
    # A drill ends where a model serves.
    config.pop("retraining", None)
    config.pop("observation", None)
    return config


def _merge(into: Config, changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value
