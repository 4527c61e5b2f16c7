"""Baseline: what a candidate has to beat, scored on the same rows."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output


@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def baseline(
    data: str, baseline: str, dataset: Input[Dataset], scores: Output[Dataset], rates: Output[Artifact]
) -> None:
    """Scores the test split by the prevalence and by today's way."""
    from pathlib import Path

    import pyarrow.parquet as pq

    from plumbline.baseline import score
    from plumbline.dataset import read_split
    from plumbline.problem import Baseline, Data
    from plumbline.section import from_json, to_json

    train, test = (read_split(Path(dataset.path), split) for split in ("train", "test"))
    found, scored = score(train, test, from_json(Data, data), from_json(Baseline, baseline))
    pq.write_table(scored, scores.path)
    Path(rates.path).write_text(to_json(found), encoding="utf-8")
    rates.metadata.update(prevalence=found.prevalence, groups=len(found.rates), by=list(found.by))
