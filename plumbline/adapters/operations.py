"""Waiting for Vertex AI's long-running operations, and what its errors mean to a user."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from google.api_core import exceptions, operation
from google.api_core.future import polling

from plumbline.errors import ServiceError

Response = TypeVar("Response")

POLLING = polling.DEFAULT_POLLING.with_delay(initial=0.05, multiplier=1.3, maximum=10.0)
"""Quick at first, since an emulator is done in milliseconds; 10 s later, since a deployment takes minutes."""


def finished(pending: operation.Operation, *, timeout_s: float) -> Response:  # type: ignore[type-var] # the API has no type for it
    """The response of an operation once it is done.

    Raises:
        ServiceError: The operation failed, or is not done after `timeout_s` seconds.
    """
    with service_errors(f"operation {pending.operation.name}"):
        return pending.result(timeout=timeout_s, polling=POLLING)


@contextmanager
def service_errors(doing: str) -> Iterator[None]:
    """Turns Google's errors into a ServiceError that says what was being done."""
    try:
        yield
    except exceptions.GoogleAPICallError as error:
        raise ServiceError(f"{doing}: {error.message}") from error
    except (exceptions.RetryError, TimeoutError) as error:
        raise ServiceError(f"{doing}: not done in time: {error}") from error
