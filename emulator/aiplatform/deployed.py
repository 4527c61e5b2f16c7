"""Which models are deployed where: what models and endpoints must know of each other."""

from collections.abc import Sequence

from emulator.aiplatform.context import TYPES, Collection, Context
from emulator.aiplatform.methods import Message

ENDPOINT = f"{TYPES}.endpoint:Endpoint"


def deployments_of(context: Context, model: Message) -> Sequence[tuple[str, str]]:
    """The endpoints that serve a version, each with the id of the deployed model."""
    return [
        (endpoint.name, deployed.id)
        for endpoint in Collection(context, ENDPOINT).all()
        for deployed in endpoint.deployed_models
        if _is_of(deployed, model)
    ]


def is_in_use(context: Context, model: Message) -> bool:
    """Whether a version is deployed, or being deployed."""
    under_way = any(_is_of(deployed, model) for deployed in context.deploying.values())
    return under_way or bool(deployments_of(context, model))


def being_deployed(context: Context, endpoint: str) -> Sequence[str]:
    """The ids of the models that are being deployed on an endpoint."""
    return [deployed_id for name, deployed_id in list(context.deploying) if name == endpoint]


def _is_of(deployed: Message, model: Message) -> bool:
    return (deployed.model.partition("@")[0], deployed.model_version_id) == (model.name, model.version_id)
