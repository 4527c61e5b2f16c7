"""Monitor: skew and drift of what the endpoint is asked."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output

from components.artifacts import VertexEndpoint


@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def monitor(
    place: str,
    data: str,
    monitoring: str,
    dataset: Input[Dataset],
    endpoint: Input[VertexEndpoint],
    schema: Output[Artifact],
    job: Output[Artifact],
) -> None:
    """Makes the endpoint's monitoring job, or brings it up to date."""
    import os
    from pathlib import Path

    from plumbline.adapters.clients import Clients
    from plumbline.adapters.monitoring_jobs import watch
    from plumbline.environment import Place
    from plumbline.monitoring import instance_schema, plan
    from plumbline.problem import Data, Monitoring
    from plumbline.section import from_json

    clients, problem = Clients(from_json(Place, place), os.environ), from_json(Data, data)
    schema.uri, schema_path = f"{schema.uri}.yaml", Path(f"{schema.path}.yaml")
    schema_path.write_text(instance_schema(problem.features), encoding="utf-8")
    wanted = plan(from_json(Monitoring, monitoring), problem, Path(dataset.path), schema.uri)
    name = watch(clients.jobs(), clients.endpoints(), clients.place, endpoint.metadata["resourceName"], wanted)
    job.uri = f"https://{clients.place.location}-aiplatform.googleapis.com/v1/{name}"
    job.metadata.update(resourceName=name, skew=dict(wanted.skew), drift=dict(wanted.drift))
