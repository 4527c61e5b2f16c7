"""Baseline: what a candidate has to beat, scored on the same rows."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output


@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def baseline(
    data: str, baseline: str, dataset: Input[Dataset], scores: Output[Dataset], rates: Output[Artifact]
) -> None:
    """Scores the validation and the test split by the prevalence and by today's way."""
    from pathlib import Path

    from plumbline.baseline import historical_rates, needed, score_splits
    from plumbline.dataset import stored_rows
    from plumbline.problem import Baseline, Data
    from plumbline.section import from_json, to_json

    declared, way = from_json(Data, data), from_json(Baseline, baseline)
    train = stored_rows(Path(dataset.path), "train").parts(needed(declared, way.by))
    found = historical_rates(train, declared, way)
    scores.metadata.update(rows=score_splits(Path(dataset.path), declared, found, output=Path(scores.path)))
    Path(rates.path).write_text(to_json(found), encoding="utf-8")
    rates.metadata.update(prevalence=found.prevalence, groups=len(found.rates), by=list(found.by))
