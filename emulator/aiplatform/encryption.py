"""Customer-managed keys of resources.

Source: encryption_spec.proto; Vertex AI, "Customer-managed encryption keys (CMEK)": the key's region is the resource's,
never a multi-region or `global`.
"""

import re

from emulator.aiplatform.errors import invalid
from emulator.aiplatform.methods import Message

_KEY = re.compile(r"^projects/[^/]+/locations/(?P<location>[^/]+)/keyRings/[\w-]{1,63}/cryptoKeys/[\w-]{1,63}$")


def check_key(message: Message, parent: str, where: str) -> None:
    """Nothing, when a resource has no key, or one of its own region.

    Args:
        message: The resource.
        parent: `projects/P/locations/L`, where it is to be.
        where: What the resource is called in a message.

    Raises:
        ApiError: It names something else.
    """
    if not message.HasField("encryption_spec"):
        return
    key, location = message.encryption_spec.kms_key_name, parent.split("/")[3]
    match = _KEY.match(key)
    if match is None:
        raise invalid(f"{where}.encryption_spec.kms_key_name {key!r} must match {_KEY.pattern}")
    if match["location"] != location:
        raise invalid(f"{where}.encryption_spec.kms_key_name is of {match['location']}, the resource of {location}")


def check_same_key(model: Message, endpoint: Message) -> None:
    """Nothing, when a model and the endpoint that it is to be deployed on have the same key, or none.

    Raises:
        ApiError: They have not.
    """
    one, other = model.encryption_spec.kms_key_name, endpoint.encryption_spec.kms_key_name
    if one != other:
        raise invalid(
            f"{model.name} has the key {one or 'of Google'}, {endpoint.name} the key {other or 'of Google'}; "
            "a model is deployed on an endpoint of the same key"
        )
