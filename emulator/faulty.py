"""Cloud Storage and BigQuery with faults: what `faults.json` asks for stands before the service itself."""

import json
from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emulator.aiplatform.errors import CODES
from emulator.faults import ANSWER, Fault, Faults, FaultsError

_REASONS: Mapping[str, str] = {
    "ALREADY_EXISTS": "conflict",
    "FAILED_PRECONDITION": "invalid",
    "INTERNAL": "internalError",
    "INVALID_ARGUMENT": "invalid",
    "NOT_FOUND": "notFound",
    "PERMISSION_DENIED": "forbidden",
    "RESOURCE_EXHAUSTED": "rateLimitExceeded",
    "UNAUTHENTICATED": "authError",
    "UNAVAILABLE": "backendError",
    "UNIMPLEMENTED": "notImplemented",
}
"""Cloud Storage's words. Source: https://docs.cloud.google.com/storage/docs/json_api/v1/status-codes"""
BIGQUERY_REASONS: Mapping[str, str] = {**_REASONS, "ALREADY_EXISTS": "duplicate", "PERMISSION_DENIED": "accessDenied"}
"""BigQuery's words, by which its client tries again. Source: https://docs.cloud.google.com/bigquery/docs/error-messages"""
_OTHER = "backendError"
_RETRY_LATER = frozenset(("RESOURCE_EXHAUSTED", "UNAVAILABLE"))


class Faulty:
    """A service that fails when the rules say so."""

    def __init__(self, app: ASGIApp, faults: Faults, reasons: Mapping[str, str] = _REASONS) -> None:
        """Puts the rules before a service.

        Args:
            app: The service.
            faults: The rules.
            reasons: The service's words for codes.
        """
        self._app = app
        self._faults = faults
        self._reasons = reasons

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            fault = self._faults.of_request(scope["method"], path_of(scope))
        except FaultsError as error:
            fault = Fault("", "", ANSWER, "INTERNAL", str(error))
        if fault is None:
            await self._app(scope, receive, send)
            return
        if fault.kind == ANSWER:
            await _read_on(receive)
        else:
            await self._app(scope, receive, _lose)
        await refusal(fault.code, fault.message, self._reasons)(scope, receive, send)


def path_of(scope: Scope) -> str:
    """The path of a request as it came: what is encoded in it stays so."""
    return str(scope["raw_path"].decode("ascii").partition("?")[0])


def refusal(code: str, message: str, reasons: Mapping[str, str]) -> Response:
    """An error in the form of Google's older JSON APIs.

    Args:
        code: A name of google.rpc.Code.
        message: What the client is told.
        reasons: The service's words for codes.
    """
    detail = {"domain": "global", "reason": reasons.get(code, _OTHER), "message": message}
    content = {"error": {"code": CODES[code], "message": message, "errors": [detail], "status": code}}
    # RFC 9110, 10.2.3: what a service says that cannot answer for now.
    headers = {"Retry-After": "1"} if code in _RETRY_LATER else None
    return Response(json.dumps(content), CODES[code], headers, "application/json; charset=UTF-8")


async def _read_on(receive: Receive) -> None:
    # A client that is still sending would see a broken connection instead of the answer.
    while (message := await receive())["type"] == "http.request" and message.get("more_body"):
        pass


async def _lose(_: Message) -> None:
    """Takes what a service answers, and says nothing."""
