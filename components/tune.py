"""Tune: the hyperparameters that the training goes on with."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output


@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def tune(
    place: str,
    name: str,
    data: str,
    training: str,
    trainer_image: str,
    dataset: Input[Dataset],
    report: Output[Artifact],
) -> str:
    """Runs the search that the config asks for and returns the training section with what was best."""
    import os
    from pathlib import Path

    from plumbline.adapters.clients import Clients
    from plumbline.adapters.tuning_jobs import search
    from plumbline.environment import Place
    from plumbline.problem import Data, Training
    from plumbline.section import from_json, to_json

    clients, settings = Clients(from_json(Place, place), os.environ), from_json(Training, training)
    uris = (dataset.uri, report.uri)
    tuned, found = search(clients, name, from_json(Data, data), settings, image=trainer_image, uris=uris)
    Path(report.path).write_text(to_json(found), encoding="utf-8")
    report.metadata.update(job=found.job, trials=len(found.trials), best=found.best)
    return to_json(tuned)
