"""How many requests a second one replica holds."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from google.cloud import aiplatform_v1 as vertex

from plumbline.adapters.clients import Clients
from plumbline.adapters.endpoints import predict
from plumbline.load import MeasuredRate, measured_rate

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
) -> MeasuredRate:
    """Requests a second that an endpoint answers while several callers do nothing but ask, one instance a request.

    Each caller asks once before the time runs: its connection is made then, and the model is warm.

    Args:
        clients: Google's.
        endpoint: Resource name; it has one replica.
        instances: What is asked, in turn.
        seconds: How long.
        clock: Seconds.

    Raises:
        ServiceError: A request fails.
    """
    numbers = count()

    def connected(_: int) -> vertex.PredictionServiceClient:
        predictions = clients.predictions()
        predict(predictions, endpoint, [instances[0]])
        return predictions

    def ask(predictions: vertex.PredictionServiceClient) -> Sequence[float]:
        answered: list[float] = []
        while clock() - start < seconds:
            predict(predictions, endpoint, [instances[next(numbers) % len(instances)]])
            answered.append(clock() - start)
        return answered

    with ThreadPoolExecutor(CALLERS) as pool:
        callers = list(pool.map(connected, range(CALLERS)))
        start = clock()
        moments = [moment for each in pool.map(ask, callers) for moment in each]
    return measured_rate(moments, seconds)
