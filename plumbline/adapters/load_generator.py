"""Asks an endpoint by a schedule, over the wire of Google's REST API.

Google's own client blocks a thread for each request and takes several times as long of the CPU for it (docs/load.md has
the figures), so it would measure itself. What is sent is what it sends.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from google.cloud import aiplatform_v1 as vertex

from plumbline.adapters.clients import Clients
from plumbline.errors import ServiceError
from plumbline.open_loop import Answered, Arrival, Count, Generated

CONNECTIONS = 128
"""At most; what is due while all are busy waits, and its latency counts the wait."""
TIMEOUT_S = 30.0
_LOOK_S = 1.0
_LONGEST_MESSAGE = 100
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
Replicas = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Target:
    """Where predictions are asked for."""

    url: str
    headers: Mapping[str, str]
    timeout_s: float = TIMEOUT_S
    """Of a request, from when it is sent."""


def target(clients: Clients, endpoint: vertex.Endpoint) -> Target:
    """The address of an endpoint's predictions: the emulator's, its own where it is dedicated, or the shared one.

    Raises:
        ServiceError: The environment's emulator is not on this machine, or there are no credentials for Google Cloud.
    """
    if host := clients.environ.get("AIPLATFORM_EMULATOR_HOST"):
        if urlsplit(host).hostname != "127.0.0.1":
            raise ServiceError(f"wanted an emulator on 127.0.0.1 to load, got {host}; nothing was asked")
        return Target(f"{host}/v1/{endpoint.name}:predict", {})
    own = endpoint.dedicated_endpoint_dns if endpoint.dedicated_endpoint_enabled else ""
    host = own or f"{clients.place.location}-aiplatform.googleapis.com"
    return Target(f"https://{host}/v1/{endpoint.name}:predict", {"Authorization": f"Bearer {_token()}"})


def generate(
    target: Target,
    instances: Sequence[Mapping[str, object]],
    schedule: Sequence[Arrival],
    replicas: Replicas,
    *,
    begun: Callable[[int], None] = lambda _: None,
) -> Generated:
    """Asks for one prediction a request, each when it is due, and counts the replicas each second meanwhile.

    Ctrl-C ends it: what is under way is given up, what was measured is given back.

    Args:
        target: Where.
        instances: What is asked, in turn.
        schedule: When, in the order of time.
        replicas: Says how many there are; it may block. A failure of it is left out.
        begun: Is called with the number of each step, when its first request is due.
    """
    bodies = [json.dumps({"instances": [instance]}).encode() for instance in instances]
    return asyncio.run(_generate(target, bodies, schedule, replicas, begun))


async def _generate(
    target: Target,
    bodies: Sequence[bytes],
    schedule: Sequence[Arrival],
    replicas: Replicas,
    begun: Callable[[int], None],
) -> Generated:
    answers: list[Answered] = []
    counts: list[Count] = []
    loop = asyncio.get_running_loop()
    headers = {"Content-Type": "application/json", **target.headers}
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    timeout = aiohttp.ClientTimeout(total=target.timeout_s)
    interrupted = False
    asking: set[asyncio.Task[None]] = set()
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session:
        start = loop.time()

        async def ask(arrival: Arrival, body: bytes) -> None:
            error = await _ask(session, target.url, body)
            answers.append(Answered(arrival, loop.time() - start - arrival.due, error))

        watching = asyncio.create_task(_watch(replicas, counts, lambda: loop.time() - start))
        try:
            for number, arrival in enumerate(schedule):
                # Also where it is late: those before get their turn.
                await asyncio.sleep(max(0.0, start + arrival.due - loop.time()))
                if number == 0 or schedule[number - 1].step != arrival.step:
                    begun(arrival.step)
                task = asyncio.create_task(ask(arrival, bodies[number % len(bodies)]))
                asking.add(task)
                task.add_done_callback(asking.discard)
            elapsed_s = loop.time() - start
            if asking:
                await asyncio.wait(asking)
        except asyncio.CancelledError:
            elapsed_s, interrupted = loop.time() - start, True
        for task in (watching, *asking):
            task.cancel()
        await asyncio.gather(watching, *asking, return_exceptions=True)
    return Generated(answers, counts, elapsed_s, interrupted)


async def _ask(session: aiohttp.ClientSession, url: str, body: bytes) -> str:
    """What was wrong with the answer, empty where nothing was."""
    try:
        async with session.post(url, data=body) as response:
            content = await response.read()
            return _wrong(response.status, content)
    except TimeoutError:
        return "no answer in time"
    except aiohttp.ClientError as error:
        return type(error).__name__


def _wrong(status: int, content: bytes) -> str:
    found: Any = None
    with suppress(ValueError):
        found = json.loads(content)
    if status != 200:
        message = str(found["error"]["message"]) if isinstance(found, dict) and "error" in found else ""
        return f"{status} {message[:_LONGEST_MESSAGE]}".strip()
    if not isinstance(found, dict) or len(found.get("predictions", ())) != 1:
        return "not one prediction"
    return ""


async def _watch(replicas: Replicas, counts: list[Count], clock: Callable[[], float]) -> None:
    while True:
        with suppress(ServiceError):
            # None is what a service has that does not say.
            if found := await asyncio.to_thread(replicas):
                counts.append(Count(clock(), found))
        await asyncio.sleep(_LOOK_S)


def _token() -> str:
    import google.auth  # noqa: PLC0415 - only against Google Cloud
    from google.auth import exceptions  # noqa: PLC0415 - as above
    from google.auth.transport.requests import Request  # noqa: PLC0415 - as above

    try:
        credentials, _ = google.auth.default(scopes=[_SCOPE])
        credentials.refresh(Request())
    except exceptions.GoogleAuthError as error:
        raise ServiceError(
            f"no credentials for Google Cloud: {error}; try `gcloud auth application-default login`"
        ) from error
    return str(credentials.token)
