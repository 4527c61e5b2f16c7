"""Launch: the training pipeline, started with the evidence why."""

from kfp import dsl
from kfp.dsl import Artifact, Input, Output


@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def launch(
    place: str, retraining: str, order: str, at: str, decision: Input[Artifact], training: Output[Artifact]
) -> None:
    """Decides once more while nobody else can, on the rows that were counted, and submits the training."""
    import os
    from datetime import UTC, datetime
    from functools import partial
    from pathlib import Path

    from plumbline.adapters.clients import Clients
    from plumbline.adapters.retraining import launch, saved
    from plumbline.continuous import read_retraining
    from plumbline.environment import Place
    from plumbline.observation import moment
    from plumbline.retraining import Decision
    from plumbline.section import from_json, to_json

    clients, now = Clients(from_json(Place, place), os.environ), moment(at, partial(datetime.now, UTC))
    known = from_json(Decision, Path(decision.path).read_text(encoding="utf-8")).facts
    started = launch(clients, saved(clients, order), read_retraining(retraining), now=now, known=known)
    Path(training.path).write_text(to_json(started.decision), encoding="utf-8")
    training.metadata.update(resourceName=started.run, text=started.decision.text)
