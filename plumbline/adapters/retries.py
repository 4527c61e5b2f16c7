"""What is tried again, and how: with back-off what Google says is retriable, and nothing else.

Source: AIP-194 (UNAVAILABLE is the one code to retry by itself); Vertex AI, "Quotas and limits" and "Troubleshooting"
(a 429 is a quota by the minute: wait, longer each time, and ask again). Any other code would be the same the next time.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar, cast

import requests
from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type
from google.auth.exceptions import TransportError

Client = TypeVar("Client")
Made = TypeVar("Made")

RETRIABLE = (exceptions.ServiceUnavailable, exceptions.TooManyRequests, requests.ConnectionError, TransportError)
RETRY = Retry(predicate=if_exception_type(*RETRIABLE), initial=0.5, multiplier=2.0, maximum=30.0, timeout=180.0)
"""The quota of requests is by the minute: three of them are enough for it to be free again."""


_FIRST_PAUSE_S, _GROWTH = 0.05, 1.1


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client waits, and how often it asks."""

    retry: Retry = RETRY
    quick_s: float = 600.0
    """For an operation that starts no machine."""
    upload_s: float = 1800.0
    """For a model, whose files and image are copied."""
    margin_s: float = 600.0
    """For a job to start and to end, beyond the time that it may wait and run."""
    stall_s: float = 120.0
    """For the next rows of a stream."""
    longest_pause_s: float = 10.0
    """Between two looks at what goes on."""

    def pauses(self) -> Iterator[float]:
        """Seconds between the looks: short at first, since what is there already is over at once."""
        pause = _FIRST_PAUSE_S
        while True:
            yield min(pause, self.longest_pause_s)
            pause *= _GROWTH


PATIENCE = Patience()
LOCAL = Patience(longest_pause_s=0.2)
"""With an emulator on this machine. Each look costs it, and us, some milliseconds of the cores that do the work."""


def retrying(client: Client, patience: Patience) -> Client:
    """The client, each call of which is tried again unless the caller says otherwise (`retry=None`)."""
    return cast("Client", _Retrying(client, patience))


def patience_of(client: object) -> Patience:
    """The patience that a client was made with."""
    return cast("Patience", getattr(client, "patience", PATIENCE))


class _Retrying:
    """Stands before a client of Google's and names the retry in each call."""

    def __init__(self, client: object, patience: Patience) -> None:
        self._client = client
        self.patience = patience

    def __getattr__(self, name: str) -> object:
        """A method of the client that retries, or any other attribute as it is."""
        found = getattr(self._client, name)
        return functools.partial(found, retry=self.patience.retry) if callable(found) else found


def once(client: object, find: Callable[[], Made | None], make: Callable[[], Made]) -> Made:
    """What is there already, else what `make` gives: tried again where that may be, without making anything twice.

    An answer can be lost after the request was carried out, so each try looks first for what the one before has made.

    Args:
        client: Of `Clients`: its patience counts.
        find: What has been made already, None where there is none.
        make: Makes one request, with `retry=None`.
    """

    def attempt() -> Made:
        found = find()
        return make() if found is None else found

    return cast("Made", patience_of(client).retry(attempt)())
