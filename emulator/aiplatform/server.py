"""The HTTP server: finds the method, parses the request, calls the resource, and answers as Google would."""

import json
import logging
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
from emulator.aiplatform.clock_route import clock_route
from emulator.aiplatform.context import Context
from emulator.aiplatform.custom_jobs.routes import CUSTOM_JOBS
from emulator.aiplatform.endpoints.routes import EndpointRoutes
from emulator.aiplatform.errors import CODES, ApiError, invalid, unimplemented
from emulator.aiplatform.jobs import JobRoutes
from emulator.aiplatform.methods import Message, Method
from emulator.aiplatform.models.routes import ModelRoutes
from emulator.aiplatform.monitoring_jobs.routes import MonitoringJobRoutes
from emulator.aiplatform.operations import Call, Operations, Work, called
from emulator.aiplatform.pipeline_jobs.routes import PipelineJobRoutes
from emulator.aiplatform.schedules.routes import ScheduleRoutes
from emulator.aiplatform.tuning_jobs.routes import TUNING_JOBS
from emulator.faults import ANSWER, LOST, OPERATION_KINDS, REQUEST_KINDS, Faults
from emulator.platform.server import STARTING, Platform

log = logging.getLogger(__name__)
Handler = Callable[[Message], Message | Work | str]
"""Text is a message as it stands in the store."""
_RETRY_LATER = frozenset(("RESOURCE_EXHAUSTED", "UNAVAILABLE"))
_JOBS = frozenset(("CreateCustomJob", "CreateHyperparameterTuningJob", "CreatePipelineJob"))
"""Methods that start what a fault can make fail or hang, without an operation."""
_VERBS = ["GET", "POST", "PATCH", "PUT", "DELETE"]


@dataclass(frozen=True, slots=True)
class Service:
    """Vertex AI on this machine: its server, and how to end it."""

    app: Starlette
    handlers: Mapping[str, Handler]
    """What it implements, by method."""
    stop: Callable[[], None]
    """Ends what runs on behalf of resources; to be called before the processes are."""
    platform: Platform
    """The APIs around it, on the same port."""


def create_service(context: Context) -> Service:
    """Vertex AI over the state of a context. What was deployed before a restart is started again."""
    resources = (
        ModelRoutes(context),
        endpoint_routes := EndpointRoutes(context),
        job_routes := JobRoutes(context, CUSTOM_JOBS),
        tuning_routes := JobRoutes(context, TUNING_JOBS),
        monitoring_routes := MonitoringJobRoutes(context),
        pipeline_routes := PipelineJobRoutes(context),
        schedule_routes := ScheduleRoutes(context, pipeline_routes),
    )
    handlers: dict[str, Handler] = {}
    for resource in resources:
        handlers.update(resource.routes())
    dispatcher = Dispatcher(
        methods.load(), handlers, Operations(context), context.faults, platform := Platform(context)
    )
    everything = Route("/{path:path}", dispatcher.answer, methods=_VERBS)
    app = Starlette(routes=[clock_route(context.clock), everything])

    def stop() -> None:
        # Serving containers end with all other processes, at the same time as BigQuery.
        for resource in (monitoring_routes, schedule_routes, pipeline_routes, tuning_routes, job_routes):
            resource.stop()
        endpoint_routes.stop_logging()

    return Service(app, handlers, stop, platform)


class Dispatcher:
    """From an HTTP request to a handler and back."""

    def __init__(
        self,
        table: Sequence[Method],
        handlers: Mapping[str, Handler],
        operations: Operations,
        faults: Faults,
        platform: Platform,
    ) -> None:
        self._table = table
        self._handlers = handlers
        self._operations = operations
        self._faults = faults
        self._platform = platform
        self._starting = {method.name for method in table if method.metadata} | _JOBS | STARTING

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
        if around := self._platform.find(request):
            return self._with_faults(around.method, lambda: around.answer(body))
        self._platform.check_vertex(path)
        if operation := called(request.method, path):
            return self._with_faults(operation.method, lambda: self._about_operations(operation, request))
        found = methods.find(self._table, request.method, path)
        if found is None:
            raise unimplemented(f"{request.method} {path}")
        method, fields = found
        if method.name not in self._handlers:
            raise unimplemented(f"the method {method.name} of {method.service}")
        return self._with_faults(method.name, lambda: self._answer(method, fields, request, body))

    def _with_faults(self, name: str, answer: Callable[[], Response]) -> Response:
        """The answer, or the one that a fault puts in its place: before it was found, or after."""
        kinds = REQUEST_KINDS if name in self._starting else (*REQUEST_KINDS, *OPERATION_KINDS)
        fault = self._faults.of_rpc(name, kinds)
        if fault is not None and fault.kind in OPERATION_KINDS:
            raise ApiError("INTERNAL", f"the fault {fault.id} is for an operation, but {name} starts none")
        if fault is not None and fault.kind == ANSWER:
            raise ApiError(fault.code, fault.message)
        response = answer()
        if fault is not None and fault.kind == LOST:
            raise ApiError(fault.code, fault.message)
        return response

    def _about_operations(self, call: Call, request: Request) -> Response:
        if filter_ := request.query_params.get("filter"):
            raise unimplemented(f"the filter {filter_!r} of ListOperations")
        size, token = request.query_params.get("pageSize", "0"), request.query_params.get("pageToken", "")
        if not size.isdecimal():
            raise invalid(f"pageSize must be a whole number, got {size!r}")
        return _json(self._operations.answer(call, int(size), token))

    def _answer(self, method: Method, fields: Mapping[str, str], request: Request, body: bytes) -> Response:
        handler = self._handlers[method.name]
        query = {name: request.query_params.getlist(name) for name in request.query_params}
        if method.name == "RawPredict":
            return _raw(handler(_raw_request(method, fields, body, request)))
        message = wire.parse(method, fields, query, body)
        result = handler(message)
        if isinstance(result, Work):
            result = self._operations.start(method, next(iter(fields.values())), result)
        return _json(result)


def _raw_request(method: Method, fields: Mapping[str, str], body: bytes, request: Request) -> Message:
    """The body of a raw prediction is no JSON message: it goes to the container as it is."""
    message = wire.parse(method, fields, {}, b"")
    kind = request.headers.get("content-type", "application/json")
    message.http_body.CopyFrom(httpbody_pb2.HttpBody(content_type=kind, data=body))
    return message


def _raw(answer: Message | Work | str) -> Response:
    if isinstance(answer, Work | str):
        raise TypeError("a raw prediction is answered at once")
    return Response(answer.data, media_type=answer.content_type)


def _json(message: Message | str) -> Response:
    if isinstance(message, str):
        text = message
    else:
        text = "{}" if isinstance(message, empty_pb2.Empty) else wire.to_json(message)
    return Response(text, media_type="application/json")


def _error(error: ApiError) -> Response:
    status = CODES.get(error.code, 500)
    content = {"code": status, "message": error.message, "status": error.code}
    if error.details:
        content["details"] = error.details
    # RFC 9110, 10.2.3: what a service says that cannot answer for now.
    headers = {"Retry-After": "1"} if error.code in _RETRY_LATER else None
    return Response(json.dumps({"error": content}), status_code=status, headers=headers, media_type="application/json")
