"""Prototype: simple models of the same rows, which the costly one has to beat."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output


@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def prototype(
    place: str,
    name: str,
    data: str,
    prototype: str,
    dataset: Input[Dataset],
    scores: Output[Dataset],
    report: Output[Artifact],
) -> None:
    """Fits them in BigQuery ML, or by scikit-learn where there is none, and scores validation and test split."""
    import os
    from pathlib import Path

    from plumbline.adapters.clients import Clients
    from plumbline.adapters.prototyping import try_out
    from plumbline.environment import Place
    from plumbline.problem import Data
    from plumbline.prototype import Prototype
    from plumbline.section import from_json, to_json

    clients, settings = Clients(from_json(Place, place), os.environ), from_json(Prototype, prototype)
    tried = try_out(
        clients, name, from_json(Data, data), settings, dataset=Path(dataset.path), output=Path(scores.path)
    )
    Path(report.path).write_text(to_json(tried), encoding="utf-8")
    report.metadata.update({result.model: result.engine for result in tried.results})
