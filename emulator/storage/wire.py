"""Requests and answers: how a handler sees the one, and makes the other."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar
from urllib.parse import unquote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from emulator.storage.buckets import Buckets
from emulator.storage.conditions import number_of
from emulator.storage.errors import StorageError, invalid, unimplemented
from emulator.storage.folder import Folder
from emulator.storage.objects import Objects, Ref
from emulator.storage.resources import Site
from emulator.storage.sessions import Sessions

P = ParamSpec("P")
Result = TypeVar("Result")

# Every method takes these; none changes what is done. `fields` asks for less than the whole resource, which is a
# saving only; `projection` asks for access control lists, of which uniform bucket-level access has none.
_COMMON = frozenset({"alt", "fields", "key", "prettyPrint", "projection", "quotaUser"})
# Parameters that ask for nothing when they have this value.
_OFF = frozenset({"false", ""})
_REQUEST_LIMIT = 4 << 20


@dataclass(frozen=True, slots=True)
class Service:
    """What the handlers work on."""

    folder: Folder
    objects: Objects
    buckets: Buckets
    sessions: Sessions
    location: str
    state: Path
    """The folder that holds `access.json`."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    Args:
        request: The request itself, for its headers and its body.
        service: What to work on.
        path: The variable parts of the path, decoded.
    """

    request: Request
    service: Service
    path: Mapping[str, str]

    @property
    def query(self) -> Mapping[str, str]:
        """The parameters."""
        return self.request.query_params

    @property
    def site(self) -> Site:
        """Where this service is, as the client sees it."""
        return Site(str(self.request.base_url).rstrip("/"), self.service.location)

    def ref(self) -> Ref:
        """The object that the path names, at the generation that the query names."""
        generation = self.query.get("generation")
        return Ref(
            self.path["bucket"],
            self.path["object"],
            None if generation is None else number_of("generation", generation),
        )

    async def body(self) -> Mapping[str, object]:
        """The body as a JSON object; an empty one if there is no body.

        Raises:
            StorageError: It is something else.
        """
        content = bytearray()
        async for chunk in self.request.stream():
            content += chunk
            if len(content) > _REQUEST_LIMIT:
                raise StorageError(413, "uploadTooLarge", f"wanted at most {_REQUEST_LIMIT} bytes of JSON")
        return parse_object(bytes(content))


Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """One method of the API.

    Args:
        name: The API's name for it.
        method: The HTTP method.
        path: The path; parts in braces are variable.
        handler: What carries it out.
        parameters: The parameters it takes, beside those that all take.
        off: Parameters that it takes only switched off.
    """

    name: str
    method: str
    path: str
    handler: Handler
    parameters: frozenset[str] = frozenset()
    off: frozenset[str] = field(default=frozenset())

    def match(self, method: str, raw_path: str) -> Mapping[str, str] | None:
        """The variable parts of the path, decoded, if this is the route for it; an encoded slash separates nothing."""
        if method != self.method:
            return None
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path)
        found = re.fullmatch(pattern, raw_path)
        return {name: unquote(value) for name, value in found.groupdict().items()} if found else None

    def check(self, query: Mapping[str, str]) -> None:
        """Raises 501 if a parameter would have to be ignored."""
        for name, value in query.items():
            known = name in self.parameters | _COMMON or (name in self.off and value in _OFF)
            if not known:
                raise unimplemented(f"parameter {name}={value} of {self.name}")


async def in_thread(function: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
    """The result of a function that waits for the disk, while other requests go on."""
    return await run_in_threadpool(function, *args, **kwargs)


def answer(content: Mapping[str, object], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(
        json.dumps(content), status_code=status, headers=headers, media_type="application/json; charset=UTF-8"
    )


def refusal(error: StorageError) -> Response:
    """An error as Google's clients read it."""
    if error.status == 304:
        return Response(status_code=304)
    detail = {"domain": "global", "reason": error.reason, "message": error.message}
    return answer({"error": {"code": error.status, "message": error.message, "errors": [detail]}}, error.status)


def parse_object(content: bytes) -> Mapping[str, object]:
    """Bytes as a JSON object; nothing is an empty one.

    Raises:
        StorageError: They are something else.
    """
    try:
        parsed = json.loads(content or b"{}")
    except ValueError as error:
        raise invalid(f"Parse Error: wanted a JSON object: {error}") from error
    if not isinstance(parsed, dict):
        raise invalid(f"Parse Error: wanted a JSON object, got {type(parsed).__name__}")
    return parsed
