"""What stands before the BigQuery emulator, which knows no IAM: who may do what, and the question after it."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emulator.bigquery_permissions import needs
from emulator.faulty import BIGQUERY_REASONS, path_of, refusal
from emulator.platform import access
from emulator.platform.access import Access, AccessError, UnknownTokenError

_TEST = re.compile(r"^(?P<table>/bigquery/v2/projects/[^/]+/datasets/[^/]+/tables/[^/:]+):testIamPermissions$")
_OK = 200


class Gate:
    """BigQuery with the permissions of the state folder's `access.json`."""

    def __init__(self, app: ASGIApp, state: Path) -> None:
        """Puts the permissions before a service.

        Args:
            app: BigQuery's REST API.
            state: The emulator's state folder.
        """
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            allowed, member = access.read(self._state), access.member(_header(scope, b"authorization"))
        except UnknownTokenError as error:
            await refusal("UNAUTHENTICATED", str(error), BIGQUERY_REASONS)(scope, receive, send)
        except AccessError as error:
            await refusal("INTERNAL", str(error), BIGQUERY_REASONS)(scope, receive, send)
        else:
            await self._answer(scope, receive, send, allowed, member)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, allowed: Access, member: str) -> None:
        test = _TEST.match(path_of(scope)) if scope["method"] == "POST" else None
        # Most requests are of members that are denied nothing: their bodies, which may be large, go on as they come.
        if test is None and member not in {other for other, _ in allowed.denied}:
            await self._app(scope, receive, send)
            return
        body = await _read(receive)
        if test is not None:
            asked = [str(name) for name in _json(body).get("permissions", ())]
            has = allowed.allowed(member, asked) if await self._is_there(scope, test["table"]) else []
            await JSONResponse({"permissions": has})(scope, receive, send)
        elif (response := _denied(scope, body, allowed, member)) is not None:
            await response(scope, receive, send)
        else:
            await self._app(scope, _again(body, receive), send)

    async def _is_there(self, scope: Scope, path: str) -> bool:
        """Whether there is a resource at a path: on one that is not there nobody has a permission (AIP-211)."""
        status: list[int] = []

        async def look(message: Message) -> None:
            if message["type"] == "http.response.start":
                status.append(message["status"])

        asked = {**scope, "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b""}
        await self._app(asked, _again(b"", None), look)
        return status == [_OK]


def _denied(scope: Scope, body: bytes, allowed: Access, member: str) -> Response | None:
    for need in needs(scope["method"], path_of(scope), _json(body)):
        if not allowed.allowed(member, [need.permission]):
            return refusal("PERMISSION_DENIED", need.denial, BIGQUERY_REASONS)
    return None


def _header(scope: Scope, wanted: bytes) -> str | None:
    headers: Sequence[tuple[bytes, bytes]] = scope["headers"]
    return next((value.decode("latin-1") for name, value in headers if name.lower() == wanted), None)


def _json(body: bytes) -> Mapping[str, Any]:
    """The JSON object that a body is; an empty one for any other body."""
    try:
        content = json.loads(body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


async def _read(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _again(body: bytes, receive: Receive | None) -> Receive:
    """Gives a body that was read already; then whatever comes after it."""
    messages: Iterator[Message] = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def replay() -> Message:
        message = next(messages, None)
        if message is not None:
            return message
        return {"type": "http.disconnect"} if receive is None else await receive()

    return replay
