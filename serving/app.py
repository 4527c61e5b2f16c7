"""The prediction server: a model behind the HTTP contract of Vertex AI.

Source: Vertex AI, "Custom container requirements for inference".
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

import numpy as np
import numpy.typing as npt
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from plumbline.errors import DataError
from plumbline.features import Arrays, Features, from_instances

MAXIMUM_INSTANCES = 10_000
MAXIMUM_BYTES = 10_000_000
"""Of a request to a dedicated public endpoint. Source: Vertex AI, "Choose an endpoint type"."""


class Model(Protocol):
    """What is served: from raw columns, arrays of shape (n,), to probabilities, shape (n,)."""

    def score(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """The probability of the positive class of each row."""
        ...


@dataclass(frozen=True, slots=True)
class Served:
    """A model with what it takes to ask it."""

    model: Model
    features: Features
    threshold: float
    """A score above it is a positive decision."""


@dataclass(frozen=True, slots=True)
class Routes:
    """Where Vertex AI asks: read from the environment, never assumed."""

    health: str
    predict: str


def create_app(served: Served, routes: Routes) -> Starlette:
    """The server. It answers only once the model is there, so it is healthy from the first answer on."""

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "healthy"})

    async def predict(request: Request) -> Response:
        body = await request.body()
        try:
            instances = parse(body)
            predictions = await run_in_threadpool(answer, served, instances)
        except DataError as error:
            return JSONResponse({"error": str(error)}, HTTPStatus.BAD_REQUEST)
        return JSONResponse({"predictions": predictions})

    return Starlette(
        routes=[Route(routes.health, health, methods=["GET"]), Route(routes.predict, predict, methods=["POST"])]
    )


def parse(body: bytes) -> Sequence[Mapping[str, object]]:
    """The instances of a request.

    Raises:
        DataError: It has none, too many, or is none.
    """
    if len(body) > MAXIMUM_BYTES:
        raise DataError(f"a request may have {MAXIMUM_BYTES:,} bytes, got {len(body):,}")
    try:
        content = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise DataError(f"the request is not JSON: {error}") from error
    instances = content.get("instances") if isinstance(content, dict) else None
    if not isinstance(instances, list) or not instances:
        raise DataError('wanted {"instances": [{...}, ...]} with at least one instance')
    if len(instances) > MAXIMUM_INSTANCES:
        raise DataError(f"a request may have {MAXIMUM_INSTANCES:,} instances, got {len(instances):,}")
    for position, instance in enumerate(instances):
        if not isinstance(instance, dict):
            raise DataError(f"instance {position} must be an object with a key a column, got {instance!r}")
    return instances


def answer(served: Served, instances: Sequence[Mapping[str, object]]) -> Sequence[Mapping[str, object]]:
    """A prediction an instance: its score, and the decision at the threshold."""
    scores = served.model.score(from_instances(instances, served.features)).tolist()
    return [{"score": score, "decision": score > served.threshold} for score in scores]


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON; leave a missing value out")
