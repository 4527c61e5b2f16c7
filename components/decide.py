"""Decide: whether a new model is to be trained now."""

from kfp import dsl
from kfp.dsl import Artifact, Output


@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def decide(place: str, retraining: str, order: str, at: str, decision: Output[Artifact]) -> bool:
    """Looks at trainings, rows and alerts, and returns whether to train."""
    import os
    from datetime import UTC, datetime
    from functools import partial
    from pathlib import Path

    from plumbline.adapters.clients import Clients
    from plumbline.adapters.retraining import look, saved
    from plumbline.continuous import read_retraining
    from plumbline.environment import Place
    from plumbline.observation import moment
    from plumbline.section import from_json, to_json

    clients, now = Clients(from_json(Place, place), os.environ), moment(at, partial(datetime.now, UTC))
    found = look(clients, saved(clients, order), read_retraining(retraining), now=now)
    Path(decision.path).write_text(to_json(found), encoding="utf-8")
    decision.metadata.update(train=found.train, text=found.text)
    return found.train
