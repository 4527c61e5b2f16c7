"""Explain: how much each feature moves the scores, on average over the test split."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Model, Output


@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def explain(
    data: str, explanation: str, dataset: Input[Dataset], model: Input[Model], importance: Output[Artifact]
) -> None:
    """Attributes the scores of test rows to the features, and checks that by permutation."""
    from pathlib import Path

    from plumbline.adapters.explaining import explain
    from plumbline.explanation import Explanation
    from plumbline.problem import Data
    from plumbline.section import from_json, to_json

    settings = from_json(Explanation, explanation)
    found = explain(from_json(Data, data), settings, dataset=Path(dataset.path), model=Path(model.path))
    Path(importance.path).write_text(to_json(found), encoding="utf-8")
    importance.metadata.update({each.feature: each.attribution for each in found.features})


# As in the trainer's and the serving image; see components/evaluate.py.
explain.component_spec.implementation.container.env = {"TF_USE_LEGACY_KERAS": "1"}
