"""Drift: how far what the endpoint is asked, and what it answers, has moved."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output


@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def drift(
    place: str,
    name: str,
    data: str,
    monitoring: str,
    endpoint: str,
    at: str,
    observed: Input[Dataset],
    distances: Output[Artifact],
) -> None:
    """Compares the window's requests with training and with the window before; raises an alert on an anomaly."""
    import os
    from datetime import UTC, datetime
    from functools import partial
    from pathlib import Path

    from plumbline.adapters import registry
    from plumbline.adapters.alerting import raise_alerts
    from plumbline.adapters.clients import Clients
    from plumbline.adapters.observing import read_summary
    from plumbline.adapters.watching import compare_logged
    from plumbline.environment import Place
    from plumbline.observation import moment
    from plumbline.problem import Data, Monitoring
    from plumbline.section import from_json, to_json
    from plumbline.skew import alerts, furthest

    clients, limits = Clients(from_json(Place, place), os.environ), from_json(Monitoring, monitoring)
    period = read_summary(Path(observed.path)).period
    found = compare_logged(clients, name, from_json(Data, data), limits, endpoint=endpoint, period=period)
    version = registry.champion(clients.models(), clients.place, name).rpartition("@")[2]
    raised = alerts(found, version=version, period=period)
    new = raise_alerts(clients, name, raised, emails=limits.emails, now=moment(at, partial(datetime.now, UTC)))
    Path(distances.path).write_text(to_json(found), encoding="utf-8")
    distances.metadata.update(furthest=dict(furthest(found)), raised=[each.summary for each in new])
