"""Alert: who must know that a model that serves has become bad is told."""

from kfp import dsl
from kfp.dsl import Artifact, Input, Output


@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def alert(
    place: str,
    name: str,
    monitoring: str,
    at: str,
    judgements: Input[Artifact],
    raised: Output[Artifact],
) -> None:
    """Raises an alert for each version that a gate has failed; what else is found of a model comes here too."""
    import os
    from datetime import UTC, datetime
    from functools import partial
    from pathlib import Path

    from plumbline.adapters.alerting import raise_alerts
    from plumbline.adapters.clients import Clients
    from plumbline.environment import Place
    from plumbline.observation import moment
    from plumbline.problem import Monitoring
    from plumbline.quality import Judgements, alerts
    from plumbline.section import from_json, to_json

    clients, emails = Clients(from_json(Place, place), os.environ), from_json(Monitoring, monitoring).emails
    found = alerts(from_json(Judgements, Path(judgements.path).read_text(encoding="utf-8")))
    new = raise_alerts(clients, name, found, emails=emails, now=moment(at, partial(datetime.now, UTC)))
    Path(raised.path).write_text(to_json(found), encoding="utf-8")
    raised.metadata.update(found=len(found), raised=[each.summary for each in new])
