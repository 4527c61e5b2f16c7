"""Snapshot: what a run starts from."""

from typing import NamedTuple

from kfp import dsl


@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def snapshot(
    place: str,
    name: str,
    data: str,
    sql: str,
    validation: str,
    training: str,
    code: str,
) -> NamedTuple("Taken", [("source_version", str), ("champion", str), ("lineage", str)]):  # type: ignore[valid-type]
    """The state of the source tables, the champion to beat and the lineage of the model: they key the cache."""
    import os

    from plumbline.adapters.clients import Clients
    from plumbline.adapters.snapshot import take
    from plumbline.environment import Place
    from plumbline.lineage import Ingredients
    from plumbline.section import from_json, to_json

    clients = Clients(from_json(Place, place), os.environ)
    taken = take(clients, name, Ingredients(sql=sql, data=data, validation=validation, training=training, code=code))
    return (taken.source_version, to_json(taken.champion), taken.lineage)
