"""Evaluate: candidate, baselines and champion on the same rows, and the verdict of the gates."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output


@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def evaluate(
    place: str,
    data: str,
    evaluation: str,
    champion: str,
    dataset: Input[Dataset],
    baselines: Input[Dataset],
    prototypes: Input[Dataset],
    model: Input[Model],
    evaluation_result: Output[Artifact],
    verdict: Output[Artifact],
    metrics: Output[Metrics],
) -> bool:
    """Judges the model and returns whether it may ship."""
    import os
    from pathlib import Path
    from uuid import uuid4

    from plumbline.adapters.evaluation import judge
    from plumbline.champion import Champion
    from plumbline.dataflow import beam_options
    from plumbline.environment import Place
    from plumbline.evaluation import headline
    from plumbline.problem import Data, Evaluation
    from plumbline.section import from_json, to_json

    settings = from_json(Evaluation, evaluation)
    judged = judge(
        from_json(Data, data),
        settings,
        from_json(Champion, champion),
        dataset=Path(dataset.path),
        known=[Path(baselines.path), Path(prototypes.path)],
        candidate=Path(model.path),
        mount=Path(os.environ.get("GCS_MOUNT", "/gcs")),
        output=Path(evaluation_result.path),
        options=beam_options(settings.beam, from_json(Place, place), job=f"evaluate-{uuid4().hex[:12]}"),
    )
    Path(verdict.path).write_text(to_json(judged.verdict), encoding="utf-8")
    verdict.metadata.update(passed=judged.verdict.passed, summary=judged.verdict.summary)
    metrics.metadata.update(headline(judged.board))
    return judged.verdict.passed


# As in the trainer's and the serving image. Not by the task's `set_env_variable`, which looks through all of Python's
# modules and so takes longer than the rest of the compilation.
evaluate.component_spec.implementation.container.env = {"TF_USE_LEGACY_KERAS": "1"}
