"""Deploy: the registered version in full service, tested before any traffic reaches it."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output

from components.artifacts import VertexEndpoint, VertexModel


@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def deploy(
    place: str,
    data: str,
    serving: str,
    dataset: Input[Dataset],
    evaluation_result: Input[Artifact],
    version: Input[VertexModel],
    endpoint: Output[VertexEndpoint],
) -> None:
    """Deploys the version beside the traffic, compares online with offline scores, then moves the traffic in stages."""
    import dataclasses
    import json
    import os
    from pathlib import Path

    from plumbline.adapters.clients import Clients
    from plumbline.adapters.probes import keep
    from plumbline.adapters.registry import artifact_uri
    from plumbline.adapters.rollout import roll_out
    from plumbline.environment import Place
    from plumbline.probe import make_probe
    from plumbline.problem import Data, Serving
    from plumbline.section import from_json

    clients, config = Clients(from_json(Place, place), os.environ), from_json(Serving, serving)
    scores = Path(evaluation_result.path) / "scores.parquet"
    features = from_json(Data, data).features
    probe = make_probe(Path(dataset.path), scores, features, rows=config.smoke_rows, tolerance=config.smoke_tolerance)
    name = version.metadata["resourceName"]
    keep(clients.storage(), artifact_uri(clients.models(), name), probe)
    served = roll_out(clients, config, name, probe)
    endpoint.uri = f"https://{clients.place.location}-aiplatform.googleapis.com/v1/{served.endpoint}"
    endpoint.metadata.update(
        resourceName=served.endpoint,
        deployedModelId=served.deployed_model_id,
        smokeDifference=served.difference,
        replicaRate=served.replica_rate.rate if served.replica_rate else 0.0,
        replicaRateLow=served.replica_rate.low if served.replica_rate else 0.0,
        replicaRateHigh=served.replica_rate.high if served.replica_rate else 0.0,
        sample=json.dumps(dict(probe.instances[0])),
        stages=json.dumps([dataclasses.asdict(stage) for stage in served.stages]),
    )
