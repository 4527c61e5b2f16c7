"""Waiting for Vertex AI's long-running operations, and what its errors mean to a user."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from google.api_core import exceptions, operation
from google.api_core.future import polling
from google.longrunning import operations_pb2

from plumbline.adapters.retries import patience_of
from plumbline.errors import NotOfferedError, ServiceError

Response = TypeVar("Response")


def finished(client: object, pending: operation.Operation, *, timeout_s: float) -> Response:  # type: ignore[type-var] # the API has no type for it
    """The response of an operation once it is done. One that is not done in time is cancelled.

    Args:
        client: The one that started it.
        pending: The operation.
        timeout_s: How long to wait.

    Raises:
        ServiceError: The operation failed, or is not done in time.
    """
    name, patience = pending.operation.name, patience_of(client)
    looks = polling.DEFAULT_POLLING.with_delay(initial=0.05, multiplier=1.3, maximum=patience.longest_pause_s)
    with service_errors(f"operation {name}"):
        try:
            return pending.result(timeout=timeout_s, retry=patience.retry, polling=looks)
        except (exceptions.RetryError, TimeoutError) as error:
            raise ServiceError(f"operation {name}: not done after {timeout_s:g} s; {ended(client, pending)}") from error


def ended(client: object, pending: operation.Operation) -> str:
    """Cancels an operation that still runs and waits for its end, since nothing can be cleaned up before; in words.

    By the client, since the operation's own `cancel` fails over REST (google-api-core 2.x wants a body in the route).
    """
    if pending.done():
        return "it has ended"
    try:
        client.cancel_operation(operations_pb2.CancelOperationRequest(name=pending.operation.name))  # type: ignore[attr-defined] # every client has it
        pending.exception(timeout=patience_of(client).quick_s)
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
    except exceptions.MethodNotImplemented as error:
        raise NotOfferedError(f"{doing}: {error.message}") from error
    except exceptions.GoogleAPICallError as error:
        raise ServiceError(f"{doing}: {error.message}") from error
    except TimeoutError as error:
        raise ServiceError(f"{doing}: not done in time: {error}") from error
