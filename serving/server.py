"""The prediction server: `serving.app` behind the HTTP contract of Vertex AI, as a plain ASGI application.

A request is read and checked in the event loop, alone, so that a wrong one fails nobody else's; then its rows wait for
the model with those of others. See docs/serving.md for each answer.

Source: Vertex AI, "Custom container requirements for inference".
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from typing import Any, ParamSpec, TypeVar

from plumbline.errors import DataError, ModelError
from plumbline.features import Arrays, from_instances, shown
from serving.app import Asked, Served, parse, predictions
from serving.batching import Batcher, OverloadedError
from serving.metrics import CONTENT_TYPE, Metrics
from serving.settings import Limits, Routes

log = logging.getLogger("serving")

# Source: asgiref.typing; a message has fields of many types.
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Headers = Mapping[bytes, bytes]
P = ParamSpec("P")
R = TypeVar("R")

_JSON = "application/json"
_ENCODER = json.JSONEncoder(separators=(",", ":"))
_LARGE = 65_536
"""Bytes of a request from which on it is read in another thread, so that small ones do not wait for it."""


class _RefusedError(Exception):
    """A request that gets no further than its headers or its length."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    body: bytes
    content_type: str = _JSON
    headers: Sequence[tuple[bytes, bytes]] = ()


Handler = Callable[[Headers, Receive], Awaitable[_Reply | None]]


class Server:
    """The ASGI application. It answers only once the model is there, so it is healthy from the first answer on."""

    def __init__(self, served: Served, routes: Routes, batcher: Batcher, metrics: Metrics, *, limits: Limits) -> None:
        """Serves a model.

        Args:
            served: The model, for what is said beside its scores.
            routes: Where it is asked.
            batcher: The same model, for its scores; it must be running.
            metrics: What is counted.
            limits: Of a request.
        """
        self._served, self._batcher, self._metrics, self._limits = served, batcher, metrics, limits
        # Reasons take many scores: who asks for them does not keep the others waiting.
        self._explainer = ThreadPoolExecutor(1, thread_name_prefix="reasons")
        self._handlers: Mapping[str, tuple[str, Handler]] = {
            routes.metrics: ("GET", self._counted),
            routes.health: ("GET", self._health),
            routes.predict: ("POST", self._predict),
        }

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        """Answers a request."""
        path, method = scope["path"], scope["method"]
        verb, handler = self._handlers.get(path, ("", None))
        reply: _Reply | None
        if handler is None:
            reply = _json(HTTPStatus.NOT_FOUND, {"error": f"there is nothing at {shown(path)}"})
        elif method != verb:
            wrong = {"error": f"{path} wants {verb}, got {shown(method)}"}
            reply = _json(HTTPStatus.METHOD_NOT_ALLOWED, wrong, (b"allow", verb.encode()))
        else:
            reply = await handler(dict(scope["headers"]), receive)
        if reply is not None:
            await _send(reply, send)

    async def _health(self, *_: object) -> _Reply:
        return _json(HTTPStatus.OK, {"status": "healthy"})

    async def _counted(self, *_: object) -> _Reply:
        return _Reply(HTTPStatus.OK, self._metrics.text(waiting=self._batcher.waiting), CONTENT_TYPE)

    async def _predict(self, headers: Headers, receive: Receive) -> _Reply | None:
        start, status = time.perf_counter(), int(HTTPStatus.INTERNAL_SERVER_ERROR)
        try:
            reply = await _answered(self._predictions(headers, receive))
            # 499: who asked has gone. Source: the access log of nginx.
            status = reply.status if reply else 499
            return reply
        finally:
            self._metrics.answered(status, time.perf_counter() - start)

    async def _predictions(self, headers: Headers, receive: Receive) -> _Reply | None:
        _check(headers, self._limits)
        body = await _body(receive, self._limits)
        if body is None:
            return None
        run = _here if len(body) < _LARGE else asyncio.to_thread
        asked, arrays = await run(self._read, body)
        self._metrics.asked(len(asked.instances))
        scores = await self._batcher.score(arrays)
        if asked.explain:
            loop = asyncio.get_running_loop()
            made = await loop.run_in_executor(self._explainer, predictions, self._served, asked, arrays, scores)
        else:
            made = await run(predictions, self._served, asked, arrays, scores)
        self._metrics.predicted(made)
        return await run(_json, HTTPStatus.OK, {"predictions": made})

    def _read(self, body: bytes) -> tuple[Asked, Arrays]:
        asked = parse(body)
        return asked, from_instances(asked.instances, self._served.features)


async def _here(call: Callable[P, R], *args: P.args, **named: P.kwargs) -> R:
    """What `asyncio.to_thread` gives, without a thread."""
    return call(*args, **named)


async def _answered(found: Awaitable[_Reply | None]) -> _Reply | None:
    """The answer, or one with the status of what went wrong."""
    try:
        return await found
    except DataError as error:
        return _error(HTTPStatus.BAD_REQUEST, error)
    except _RefusedError as error:
        return _error(error.status, error)
    except OverloadedError as error:
        return _error(HTTPStatus.SERVICE_UNAVAILABLE, error, (b"retry-after", b"1"))
    except ModelError as error:
        # The request was right, and the model is not: nothing that who asked can mend.
        log.error(json.dumps({"severity": "ERROR", "message": str(error)}))
        return _error(HTTPStatus.INTERNAL_SERVER_ERROR, error)


def _check(headers: Headers, limits: Limits) -> None:
    """Refuses what the headers alone show to be wrong."""
    given = headers.get(b"content-type", b"").decode("latin-1")
    if given and given != _JSON:
        parsed = Message()
        parsed["content-type"] = given
        charset = str(parsed.get_param("charset", "utf-8")).lower()
        if parsed.get_content_type() != _JSON or charset not in {"utf-8", "utf8"}:
            wanted = f"the body must be {_JSON} in UTF-8, its content-type is {shown(given)}"
            raise _RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, wanted)
    if encoding := headers.get(b"content-encoding", b"").decode("latin-1"):
        wanted = f"the body must be sent as it is, its content-encoding is {shown(encoding)}"
        raise _RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, wanted)
    # Digits alone: the HTTP parser has refused anything else.
    length = int(headers.get(b"content-length", b"0"))
    if length > limits.maximum_bytes:
        raise _too_large(limits, f"got {length:,}")


async def _body(receive: Receive, limits: Limits) -> bytes | None:
    """The whole body; None when who asks has gone. What is over the limit is not kept."""
    event = await receive()
    if event["type"] == "http.request" and not event.get("more_body"):
        return event.get("body", b"")
    parts, size = [], 0
    try:
        async with asyncio.timeout(limits.body_s):
            while event["type"] == "http.request":
                parts.append(event.get("body", b""))
                size += len(parts[-1])
                if size > limits.maximum_bytes:
                    raise _too_large(limits, "got more")
                if not event.get("more_body"):
                    return b"".join(parts)
                event = await receive()
    except TimeoutError as error:
        wanted = f"the body must be there within {limits.body_s} s, got {size:,} bytes"
        raise _RefusedError(HTTPStatus.REQUEST_TIMEOUT, wanted) from error
    return None


def _too_large(limits: Limits, got: str) -> _RefusedError:
    wanted = f"a request may have {limits.maximum_bytes:,} bytes, {got}"
    return _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, wanted)


def _error(status: HTTPStatus, error: Exception, *headers: tuple[bytes, bytes]) -> _Reply:
    return _json(status, {"error": str(error)}, *headers)


def _json(status: HTTPStatus, content: Mapping[str, object], *headers: tuple[bytes, bytes]) -> _Reply:
    return _Reply(status, _ENCODER.encode(content).encode(), headers=headers)


async def _send(reply: _Reply, send: Send) -> None:
    headers = [
        (b"content-type", reply.content_type.encode()),
        (b"content-length", str(len(reply.body)).encode()),
        *reply.headers,
    ]
    await send({"type": "http.response.start", "status": int(reply.status), "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
