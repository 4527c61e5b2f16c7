"""Waiting for Vertex AI's long-running operations, and what its errors mean to a user."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from google.api_core import exceptions, operation
from google.api_core.future import polling

from plumbline.adapters.retries import RETRY
from plumbline.errors import ServiceError

Response = TypeVar("Response")

POLLING = polling.DEFAULT_POLLING.with_delay(initial=0.05, multiplier=1.3, maximum=10.0)
"""Quick at first, since an emulator is done in milliseconds; 10 s later, since a deployment takes minutes."""
_CANCEL_S = 120.0


def finished(pending: operation.Operation, *, timeout_s: float) -> Response:  # type: ignore[type-var] # the API has no type for it
    """The response of an operation once it is done. One that is not done in time is cancelled.

    Raises:
        ServiceError: The operation failed, or is not done after `timeout_s` seconds.
    """
    name = pending.operation.name
    with service_errors(f"operation {name}"):
        try:
            return pending.result(timeout=timeout_s, retry=RETRY, polling=POLLING)
        except (exceptions.RetryError, TimeoutError) as error:
            raise ServiceError(f"operation {name}: not done after {timeout_s:g} s; {ended(pending)}") from error


def ended(pending: operation.Operation) -> str:
    """Cancels an operation that still runs and waits for its end, since nothing can be cleaned up before; in words."""
    try:
        if pending.cancel():
            pending.exception(timeout=_CANCEL_S)
    except (exceptions.GoogleAPICallError, exceptions.RetryError, TimeoutError) as error:
        return f"it could not be cancelled ({error}): `make janitor` shows what it has left"
    return "it was cancelled"


@contextmanager
def service_errors(doing: str) -> Iterator[None]:
    """Turns Google's errors into a ServiceError that says what was being done."""
    try:
        yield
    except exceptions.RetryError as error:
        cause = getattr(error.cause, "message", "") or error.message
        raise ServiceError(f"{doing}: tried again for minutes, and still: {cause}") from error
    except exceptions.GoogleAPICallError as error:
        raise ServiceError(f"{doing}: {error.message}") from error
    except TimeoutError as error:
        raise ServiceError(f"{doing}: not done in time: {error}") from error
