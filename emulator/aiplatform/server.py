"""The HTTP server: finds the method, parses the request, calls the resource, and answers as Google would."""

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from google.api import httpbody_pb2
from google.protobuf import empty_pb2
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator.aiplatform import methods, wire
from emulator.aiplatform.context import Context
from emulator.aiplatform.custom_jobs.routes import CustomJobRoutes
from emulator.aiplatform.endpoints.routes import EndpointRoutes
from emulator.aiplatform.errors import CODES, ApiError, unimplemented
from emulator.aiplatform.methods import Message, Method
from emulator.aiplatform.models.routes import ModelRoutes
from emulator.aiplatform.monitoring_jobs.routes import MonitoringJobRoutes
from emulator.aiplatform.operations import Operations, Work
from emulator.aiplatform.pipeline_jobs.routes import PipelineJobRoutes

log = logging.getLogger(__name__)
Handler = Callable[[Message], Message | Work]
_OPERATION = re.compile(
    r"^/(?:v1|ui)/(?P<name>projects/[^/]+/locations/[^/]+/(?:.+/)?operations/[^/:]+)(?P<wait>:wait)?$"
)
_VERBS = ["GET", "POST", "PATCH", "PUT", "DELETE"]


@dataclass(frozen=True, slots=True)
class Service:
    """Vertex AI on this machine: its server, and how to end it."""

    app: Starlette
    handlers: Mapping[str, Handler]
    """What it implements, by method."""
    stop: Callable[[], None]
    """Ends what runs on behalf of resources; to be called before the processes are."""


def create_service(context: Context) -> Service:
    """Vertex AI over the state of a context. What was deployed before a restart is started again."""
    resources = (
        ModelRoutes(context),
        EndpointRoutes(context),
        job_routes := CustomJobRoutes(context),
        MonitoringJobRoutes(context),
        pipeline_routes := PipelineJobRoutes(context),
    )
    handlers: dict[str, Handler] = {}
    for resource in resources:
        handlers.update(resource.routes())
    dispatcher = Dispatcher(methods.load(), handlers, Operations(context))
    app = Starlette(routes=[Route("/{path:path}", dispatcher.answer, methods=_VERBS)])

    def stop() -> None:
        # Serving containers end with all other processes, at the same time as BigQuery.
        for resource in (pipeline_routes, job_routes):
            resource.stop()

    return Service(app, handlers, stop)


class Dispatcher:
    """From an HTTP request to a handler and back."""

    def __init__(self, table: Sequence[Method], handlers: Mapping[str, Handler], operations: Operations) -> None:
        self._table = table
        self._handlers = handlers
        self._operations = operations

    async def answer(self, request: Request) -> Response:
        """Answers a request, whatever is wrong with it, in Google's form."""
        body = await request.body()
        try:
            return await run_in_threadpool(self._handle, request, body)
        except ApiError as error:
            return _error(error)
        except Exception as error:
            log.exception("%s %s", request.method, request.url.path)
            return _error(ApiError("INTERNAL", f"{type(error).__name__}: {error}"))

    def _handle(self, request: Request, body: bytes) -> Response:
        path = request.url.path
        operation = _OPERATION.match(path)
        if operation and request.method == ("POST" if operation["wait"] else "GET"):
            return _json(self._operations.get(operation["name"]))
        found = methods.find(self._table, request.method, path)
        if found is None:
            raise unimplemented(f"{request.method} {path}")
        method, fields = found
        handler = self._handlers.get(method.name)
        if handler is None:
            raise unimplemented(f"the method {method.name} of {method.service}")
        query = {name: request.query_params.getlist(name) for name in request.query_params}
        if method.name == "RawPredict":
            return _raw(handler(_raw_request(method, fields, body, request)))
        message = wire.parse(method, fields, query, body)
        result = handler(message)
        if method.metadata:
            return _json(self._operations.start(method, next(iter(fields.values())), result))
        return _json(result if not isinstance(result, Work) else result.do())


def _raw_request(method: Method, fields: Mapping[str, str], body: bytes, request: Request) -> Message:
    """The body of a raw prediction is no JSON message: it goes to the container as it is."""
    message = wire.parse(method, fields, {}, b"")
    kind = request.headers.get("content-type", "application/json")
    message.http_body.CopyFrom(httpbody_pb2.HttpBody(content_type=kind, data=body))
    return message


def _raw(answer: Message | Work) -> Response:
    if isinstance(answer, Work):
        raise TypeError("a raw prediction is answered at once")
    return Response(answer.data, media_type=answer.content_type)


def _json(message: Message) -> Response:
    text = "{}" if isinstance(message, empty_pb2.Empty) else wire.to_json(message)
    return Response(text, media_type="application/json")


def _error(error: ApiError) -> Response:
    status = CODES.get(error.code, 500)
    content = {"error": {"code": status, "message": error.message, "status": error.code}}
    return Response(json.dumps(content), status_code=status, media_type="application/json")
