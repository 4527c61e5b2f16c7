"""What the environment of the container says: Vertex AI's own variables, those that `register` sets, and limits."""

from collections.abc import Mapping
from dataclasses import dataclass

from plumbline.candidate import MODEL_VERSION
from plumbline.errors import ModelError

_REQUIRED = ("AIP_STORAGE_URI", "AIP_HEALTH_ROUTE", "AIP_PREDICT_ROUTE")


@dataclass(frozen=True, slots=True)
class Routes:
    """Where Vertex AI asks: read from the environment, never assumed."""

    health: str
    predict: str
    metrics: str = "/metrics"
    """Not of Vertex AI's contract: for who looks at a replica from beside it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of requests and batches. Each is a variable of the same name in capitals."""

    maximum_bytes: int = 10_000_000
    """Of a request to a dedicated public endpoint. Source: Vertex AI, "Choose an endpoint type"."""
    batch_rows: int = 1024
    """That are scored in one call at most, whoever asks for them."""
    batch_ms: int = 10
    """That such a call may take: there are fewer rows where warming up shows that they take longer."""
    waiting_rows: int = 50_000
    """That wait for the model; who comes then is told to come again."""
    body_s: int = 30
    """For a request to arrive in full."""
    grace_s: int = 20
    """For requests that are under way when the container is told to stop."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it."""

    model: str
    """gs:// URI of its directory."""
    routes: Routes
    threshold: float
    version: str
    """Of the model; empty where nobody has said."""
    host: str
    port: int
    limits: Limits


def settings(environ: Mapping[str, str]) -> Settings:
    """What Vertex AI says in the environment. Source: "Custom container requirements for inference".

    Raises:
        ModelError: A variable is missing, or is no number of the kind that is wanted.
    """
    if absent := [name for name in _REQUIRED if not environ.get(name)]:
        raise ModelError(f"{absent[0]} is not set: Vertex AI sets it for every container")
    uri, health, predict = (environ[name] for name in _REQUIRED)
    try:
        threshold, port = float(environ.get("THRESHOLD", "0.5")), int(environ.get("AIP_HTTP_PORT", "8080"))
    except ValueError as error:
        raise ModelError(f"THRESHOLD and AIP_HTTP_PORT must be numbers: {error}") from error
    host = environ.get("HTTP_HOST", "0.0.0.0")  # noqa: S104 - Vertex AI asks from outside the container
    version = environ.get(MODEL_VERSION, "")
    return Settings(uri, Routes(health, predict), threshold, version, host, port, _limits(environ))


def _limits(environ: Mapping[str, str]) -> Limits:
    given: dict[str, int] = {}
    for name in Limits.__dataclass_fields__:
        if (value := environ.get(name.upper())) is not None:
            if not value.isdecimal() or not int(value):
                raise ModelError(f"{name.upper()} must be a whole number of at least 1, got {value!r}")
            given[name] = int(value)
    return Limits(**given)
