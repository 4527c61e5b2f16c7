"""Baseline: what a candidate has to beat, scored on the same rows."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output


@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def baseline(
    data: str, baseline: str, dataset: Input[Dataset], scores: Output[Dataset], rates: Output[Artifact]
) -> None:
    """Scores the test split by the prevalence and by today's way."""
    from pathlib import Path

    from plumbline.baseline import historical_rates, needed, score
    from plumbline.dataset import stored, stored_rows
    from plumbline.problem import Baseline, Data
    from plumbline.section import from_json, to_json

    declared, way = from_json(Data, data), from_json(Baseline, baseline)
    train, test = (stored_rows(Path(dataset.path), split).parts(needed(declared, way)) for split in ("train", "test"))
    found = historical_rates(train, declared, way)
    rows = sum(part.num_rows for part in stored((score(part, declared, found) for part in test), Path(scores.path)))
    scores.metadata.update(rows=rows)
    Path(rates.path).write_text(to_json(found), encoding="utf-8")
    rates.metadata.update(prevalence=found.prevalence, groups=len(found.rates), by=list(found.by))
