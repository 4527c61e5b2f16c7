"""Register: the candidate as a version in the Vertex AI Model Registry."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Model, Output

from components.artifacts import VertexModel


@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def register(
    place: str,
    name: str,
    champion: str,
    lineage: str,
    run: str,
    code: str,
    serving_image: str,
    dataset: Input[Dataset],
    model: Input[Model],
    evaluation_result: Input[Artifact],
    card: Input[Artifact],
    version: Output[VertexModel],
) -> None:
    """Adds the model to the registry with alias `candidate`, once for the same files."""
    import os
    from pathlib import Path

    from plumbline.adapters.clients import Clients
    from plumbline.adapters.registry import NONE, THRESHOLD, register
    from plumbline.candidate import Container, candidate
    from plumbline.champion import Champion
    from plumbline.environment import Place
    from plumbline.operating_point import read_threshold
    from plumbline.section import from_json

    clients = Clients(from_json(Place, place), os.environ)
    threshold = str(read_threshold(Path(evaluation_result.path)))
    container = Container(serving_image, {"TF_USE_LEGACY_KERAS": "1", THRESHOLD: threshold})
    opponent = from_json(Champion, champion).number or NONE
    labels = {"run": run, "code": code, "lineage": lineage, "opponent": opponent}
    found = candidate(Path(model.path), model.uri, dataset=Path(dataset.path), container=container, labels=labels)
    made = register(clients.models(), clients.place, name, found, card=card.uri)
    version.uri = f"https://{clients.place.location}-aiplatform.googleapis.com/v1/{made.name}"
    version.metadata.update(resourceName=made.name, versionId=made.version, contentDigest=found.content)
