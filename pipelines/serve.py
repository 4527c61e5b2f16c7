"""Keeps the endpoint of the last run up."""

import json
import time
from collections.abc import Callable

from pipelines.follow import Say
from plumbline.adapters import endpoints as on
from plumbline.adapters.clients import Clients
from plumbline.adapters.registry import parent
from plumbline.errors import ServiceError

_PATIENCE_S = 60.0


def serve(clients: Clients, endpoint_id: str, say: Say, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Waits until the endpoint answers, says how to ask it, and returns when the user has had enough.

    Raises:
        ServiceError: There is no such endpoint, or it does not come up.
    """
    name = f"{parent(clients.place)}/endpoints/{endpoint_id}"
    if on.find(clients.endpoints(), name) is None:
        raise ServiceError(f"there is no endpoint {endpoint_id} yet: run `make run-local` first")
    _await(clients, name, sleep)
    address = f"{clients.environ['AIPLATFORM_EMULATOR_HOST']}/v1/{name}:predict"
    say(f"the endpoint is up; leave a feature out and it is a missing value. Ctrl-C ends it.\n\n  {_curl(address)}\n")
    try:
        while True:
            sleep(1.0)
    except KeyboardInterrupt:
        say("stopped")


def _await(clients: Clients, name: str, sleep: Callable[[float], None]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            on.predict(clients.predictions(), name, [{}])
        except ServiceError:
            if time.monotonic() > deadline:
                raise
            sleep(0.2)
        else:
            return


def _curl(address: str) -> str:
    return f"curl -s -H 'Content-Type: application/json' -d '{json.dumps({'instances': [{}]})}' {address}"
