"""Observe: what the endpoint said, beside the labels that came later."""

from kfp import dsl
from kfp.dsl import Dataset, Output


@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def observe(
    place: str,
    name: str,
    data: str,
    observation: str,
    sql: str,
    endpoint: str,
    at: str,
    observed: Output[Dataset],
) -> None:
    """Joins the last window whose labels are known with the predictions that count for it."""
    import os
    from datetime import UTC, datetime
    from functools import partial
    from pathlib import Path

    from plumbline.adapters.clients import Clients
    from plumbline.adapters.observing import observe
    from plumbline.continuous import Observation
    from plumbline.environment import Place
    from plumbline.observation import latest, moment, stated
    from plumbline.problem import Data
    from plumbline.section import from_json

    clients, settings = Clients(from_json(Place, place), os.environ), from_json(Observation, observation)
    period, folder = latest(moment(at, partial(datetime.now, UTC)), settings), Path(observed.path)
    wanted = from_json(Data, data)
    found = observe(clients, name, wanted, settings, sql, endpoint=endpoint, period=period, output=folder)
    observed.metadata.update(stated(found))
