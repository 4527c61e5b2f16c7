"""What is tried again, and how: with back-off what Google says is retriable, and nothing else.

Source: AIP-194 (UNAVAILABLE is the one code to retry by itself); Vertex AI, "Quotas and limits" and "Troubleshooting"
(a 429 is a quota by the minute: wait, longer each time, and ask again). Any other code would be the same the next time.
"""

import functools
from collections.abc import Callable
from typing import TypeVar, cast

import requests
from google.api_core import exceptions, retry
from google.auth.exceptions import TransportError

Client = TypeVar("Client")
Made = TypeVar("Made")

RETRIABLE = (exceptions.ServiceUnavailable, exceptions.TooManyRequests, requests.ConnectionError, TransportError)
RETRY = retry.Retry(
    predicate=retry.if_exception_type(*RETRIABLE), initial=0.5, multiplier=2.0, maximum=30.0, timeout=180.0
)
"""The quota of requests is by the minute: three of them are enough for it to be free again."""


def retrying(client: Client, wanted: retry.Retry) -> Client:
    """The client, each call of which is tried again unless the caller says otherwise (`retry=None`)."""
    return cast("Client", _Retrying(client, wanted))


class _Retrying:
    """Stands before a client of Google's and names the retry in each call."""

    def __init__(self, client: object, wanted: retry.Retry) -> None:
        self._client = client
        self.retry = wanted

    def __getattr__(self, name: str) -> object:
        """A method of the client that retries, or any other attribute as it is."""
        found = getattr(self._client, name)
        return functools.partial(found, retry=self.retry) if callable(found) else found


def once(client: object, find: Callable[[], Made | None], make: Callable[[], Made]) -> Made:
    """What is there already, else what `make` gives: tried again where that may be, without making anything twice.

    An answer can be lost after the request was carried out, so each try looks first for what the one before has made.

    Args:
        client: Of `Clients`: its retry counts.
        find: What has been made already, None where there is none.
        make: Makes one request, with `retry=None`.
    """

    def attempt() -> Made:
        found = find()
        return make() if found is None else found

    return cast("Made", getattr(client, "retry", RETRY)(attempt)())
