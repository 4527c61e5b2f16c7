"""Judge: each version that has answered in a window, by the slices and gates that it shipped by."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Output


@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def judge(
    place: str,
    name: str,
    data: str,
    evaluation: str,
    endpoint: str,
    observed: Input[Dataset],
    judgements: Output[Artifact],
    metrics: Output[Metrics],
) -> None:
    """Judges every version on its own rows, and adds the window to the time series."""
    import os
    from pathlib import Path

    from plumbline.adapters.clients import Clients
    from plumbline.adapters.judging import judge
    from plumbline.environment import Place
    from plumbline.problem import Data, Evaluation
    from plumbline.quality import headline
    from plumbline.section import from_json, to_json

    clients, folder = Clients(from_json(Place, place), os.environ), Path(observed.path)
    sections = from_json(Data, data), from_json(Evaluation, evaluation)
    found = judge(clients, name, *sections, endpoint=endpoint, observed=folder)
    Path(judgements.path).write_text(to_json(found), encoding="utf-8")
    judgements.metadata.update(summary=found.summary, failed=[each.version for each in found.failed])
    metrics.metadata.update(headline(found))
