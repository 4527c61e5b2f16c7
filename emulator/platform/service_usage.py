"""Service Usage: which APIs are on. Source: google/api/serviceusage/v1/serviceusage.proto."""

from collections.abc import Mapping

from emulator.aiplatform.errors import ApiError, invalid
from emulator.aiplatform.methods import Message, message_class
from emulator.aiplatform.states import set_state
from emulator.platform.rpc import APIS, VERTEX, Caller, Rpc
from emulator.project import project_number

_TYPES = "google.cloud.service_usage_v1.types"
_GET = "serviceusage.services.get"
_MOST_NAMES = 30
_GOOGLE = ".googleapis.com"
_TITLES = {api.host: api.title for api in (VERTEX, *APIS.values())}


def routes() -> Mapping[str, Rpc]:
    """The methods that the emulator has, by name."""
    return {"GetService": Rpc(get, _GET), "BatchGetServices": Rpc(batch_get, _GET)}


def get(request: Message, caller: Caller) -> Message:
    """One API, and whether it is on; every name of a Google API is one."""
    return _service(request.name, caller)


def batch_get(request: Message, caller: Caller) -> Message:
    """Several APIs, and whether they are on."""
    if len(request.names) > _MOST_NAMES:
        raise invalid(f"names must be at most {_MOST_NAMES}, got {len(request.names)}")
    if foreign := [name for name in request.names if not name.startswith(f"{request.parent}/services/")]:
        raise invalid(f"names must be services of {request.parent}, got {foreign}")
    response = message_class(f"{_TYPES}.serviceusage:BatchGetServicesResponse")()
    response.services.extend(_service(name, caller) for name in request.names)
    return response


def _service(name: str, caller: Caller) -> Message:
    parent, _, host = name.partition("/services/")
    if not host.endswith(_GOOGLE):
        raise ApiError("PERMISSION_DENIED", f"Not found or permission denied for service(s): {host}.")
    service = message_class(f"{_TYPES}.resources:Service")()
    service.parent = f"projects/{project_number(parent.removeprefix('projects/'))}"
    service.name = f"{service.parent}/services/{host}"
    service.config.name = host
    service.config.title = _TITLES.get(host, "")
    set_state(service, "DISABLED" if host in caller.access.disabled_services else "ENABLED")
    return service
