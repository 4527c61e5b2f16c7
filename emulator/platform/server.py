"""From a request to one of these APIs to its answer."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from emulator.aiplatform import methods, wire
from emulator.aiplatform.context import Context
from emulator.aiplatform.errors import ApiError, unimplemented
from emulator.aiplatform.methods import Message, Method
from emulator.platform import access, service_usage, templates
from emulator.platform.access import UnknownTokenError
from emulator.platform.builds.routes import Asked, BuildRoutes, asked
from emulator.platform.projects import ProjectRoutes
from emulator.platform.quotas import QuotaRoutes
from emulator.platform.registry import Registry, RegistryRoutes, check_repository
from emulator.platform.rpc import APIS, VERTEX, Api, Caller, Rpc, check_enabled, denied
from emulator.platform.service_accounts import ServiceAccountRoutes
from emulator.platform.templates import Target, Templates

_TABLE = Path(__file__).with_name("methods.json")
STARTING = frozenset(("CreateBuild",))
"""Methods whose operation a fault can make fail or hang."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request to one of these APIs: the method, and what answers it."""

    method: str
    answer: Callable[[bytes], Response]


class Platform:
    """The APIs around Vertex AI."""

    def __init__(self, context: Context) -> None:
        self._context = context
        registry = Registry(context)
        accounts = ServiceAccountRoutes(context)
        self._builds = BuildRoutes(context, registry)
        self._templates = Templates(context, registry)
        self._table = load()
        self.services: Mapping[str, Mapping[str, Rpc]] = {
            "projects": ProjectRoutes(context).routes(),
            "service_usage": service_usage.routes(),
            "iam": accounts.iam(),
            "iam_credentials": accounts.credentials(),
            "artifact_registry": RegistryRoutes(registry).routes(),
            "cloud_quotas": QuotaRoutes(context).routes(),
            "cloud_build": self._builds.routes(),
        }
        """What it implements, by the service's and the method's name."""

    def find(self, request: Request) -> Call | None:
        """What a request asks of these APIs; None where it asks something else.

        Raises:
            ApiError: 501, where the emulator does not have the method.
        """
        path, verb = _path(request), request.method
        if target := self._templates.target(verb, path):
            return Call(target.method, lambda body: self._about_file(target, request, body))
        if operation := asked(verb, path):
            return Call(operation.method, lambda _: self._about_build(operation, request))
        found = methods.find(self._table, verb, self._templates.in_registry(path))
        if found is None:
            return None
        method, fields = found
        rpc = self.services[method.service].get(method.name)
        if rpc is None:
            raise unimplemented(f"the method {method.name} of {method.service}")
        return Call(method.name, lambda body: self._answer(method, rpc, fields, request, body))

    def check_vertex(self, path: str) -> None:
        """Nothing, when Vertex AI is on in the project that a path names.

        Raises:
            ApiError: 403.
        """
        check_enabled(VERTEX, access.read(self._context.state), self._project(path))

    def _answer(self, method: Method, rpc: Rpc, fields: Mapping[str, str], request: Request, body: bytes) -> Response:
        caller = self._admitted(request, APIS[method.service], rpc.permission, next(iter(fields.values())))
        query = {name: request.query_params.getlist(name) for name in request.query_params}
        return _json(rpc.handler(wire.parse(method, fields, query, body), caller))

    def _about_build(self, operation: Asked, request: Request) -> Response:
        self._admitted(request, APIS["cloud_build"], "cloudbuild.builds.get", operation.build)
        return _json(self._builds.about_operation(operation))

    def _about_file(self, target: Target, request: Request, body: bytes) -> Response:
        permission = templates.PERMISSIONS[target.method]
        caller = self._admitted(request, APIS["artifact_registry"], permission, target.repository)
        check_repository(target.repository, caller)
        if target.method == templates.UPLOAD:
            return PlainTextResponse(self._templates.upload(target, request.headers.get("content-type", ""), body))
        return PlainTextResponse(self._templates.download(target), media_type="application/yaml")

    def _admitted(self, request: Request, api: Api, permission: str, resource: str) -> Caller:
        """Who sends a request, if the API is on and they may do what they ask."""
        now = access.read(self._context.state)
        try:
            caller = Caller(access.member(request.headers.get("authorization")), now)
        except UnknownTokenError as error:
            raise ApiError("UNAUTHENTICATED", f"Request had invalid authentication credentials: {error}.") from error
        # Cloud Build's older paths hold the bare id of the project.
        name = resource if "/" in resource else f"projects/{resource}"
        check_enabled(api, now, self._project(f"/{name}"))
        if permission and not caller.has(permission):
            raise denied(permission, api, name)
        return caller

    def _project(self, path: str) -> str:
        """The project that a path names; the emulated one, where it names none or any."""
        named = path.partition("/projects/")[2].partition("/")[0].partition(":")[0]
        return self._context.project if named in {"", "-"} else named


def load() -> Sequence[Method]:
    """The table of all methods of these APIs, of which the emulator has some."""
    return methods.load(_TABLE)


def _path(request: Request) -> str:
    """The path, decoded but for the slashes in the name of a package: in it they separate nothing."""
    raw = request.scope["raw_path"].decode("ascii").partition("?")[0]
    return unquote(re.sub("%2F", "%252F", raw, flags=re.IGNORECASE))


def _json(message: Message) -> Response:
    return Response(wire.to_json(message), media_type="application/json")
