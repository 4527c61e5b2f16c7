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
        if (deployed.model.partition("@")[0], deployed.model_version_id) == (model.name, model.version_id)
    ]
