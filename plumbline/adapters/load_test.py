"""How many requests a second one replica holds."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from plumbline.adapters.clients import Clients
from plumbline.adapters.endpoints import predict

CALLERS = 8
"""That ask at the same time, each again as soon as it has its answer: a closed loop."""
_SECONDS = 2.0


def replica_rate(
    clients: Clients,
    endpoint: str,
    instances: Sequence[Mapping[str, object]],
    *,
    seconds: float = _SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> float:
    """Requests a second that an endpoint answers while several callers do nothing but ask, one instance a request.

    Args:
        clients: Google's.
        endpoint: Resource name; it has one replica.
        instances: What is asked, in turn.
        seconds: How long.
        clock: Seconds.

    Raises:
        ServiceError: A request fails.
    """
    numbers, start = count(), clock()

    def ask(_: int) -> int:
        predictions, answered = clients.predictions(), 0
        while clock() - start < seconds:
            predict(predictions, endpoint, [instances[next(numbers) % len(instances)]])
            answered += 1
        return answered

    with ThreadPoolExecutor(CALLERS) as pool:
        answered = sum(pool.map(ask, range(CALLERS)))
    return answered / (clock() - start)
