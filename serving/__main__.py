"""`python -m serving`: loads the model that Vertex AI names, warms it up, and serves it until it is told to stop."""

import json
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import uvicorn

from plumbline.adapters.model_files import connected, download
from plumbline.adapters.savedmodel import load
from plumbline.background import USED, read_background
from plumbline.errors import ModelError, PlumblineError
from plumbline.features import Arrays, Features, from_instances
from serving.app import Asked, Routes, Served, answer, create_app

log = logging.getLogger("serving")

_REQUIRED = ("AIP_STORAGE_URI", "AIP_HEALTH_ROUTE", "AIP_PREDICT_ROUTE")


def main() -> int:
    """Serves until SIGTERM, then 0; 1 when there is no model to serve."""
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    # uvicorn hands the signal on once it has stopped: unhandled, it would end this process before it tidies up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            settings = _settings(os.environ)
            served = _served(settings, Path(folder), os.environ)
        except PlumblineError as error:
            log.error(json.dumps({"severity": "ERROR", "message": str(error)}))
            return 1
        seconds = time.monotonic() - start
        log.info(json.dumps({"severity": "INFO", "message": "ready", "seconds": round(seconds, 2)}))
        app = create_app(served, settings.routes)
        uvicorn.run(app, host=settings.host, port=settings.port, log_level="warning")
    return 0


@dataclass(frozen=True, slots=True)
class _Settings:
    model: str
    """gs:// URI of its directory."""
    routes: Routes
    threshold: float
    host: str
    port: int


def _settings(environ: Mapping[str, str]) -> _Settings:
    """What Vertex AI says in the environment. Source: "Custom container requirements for inference"."""
    if absent := [name for name in _REQUIRED if not environ.get(name)]:
        raise ModelError(f"{absent[0]} is not set: Vertex AI sets it for every container")
    uri, health, predict = (environ[name] for name in _REQUIRED)
    try:
        threshold, port = float(environ.get("THRESHOLD", "0.5")), int(environ.get("AIP_HTTP_PORT", "8080"))
    except ValueError as error:
        raise ModelError(f"THRESHOLD and AIP_HTTP_PORT must be numbers: {error}") from error
    host = environ.get("HTTP_HOST", "0.0.0.0")  # noqa: S104 - Vertex AI asks from outside the container
    return _Settings(uri, Routes(health, predict), threshold, host, port)


def _served(settings: _Settings, folder: Path, environ: Mapping[str, str]) -> Served:
    files = download(settings.model, folder, lambda: connected(environ))
    model = load(files)
    features = model.signature.features
    gradients = model.gradients if model.has_gradients else None
    served = Served(model, features, settings.threshold, _background(files, features), gradients)
    # The first call traces and compiles: it is made before anybody waits for it.
    answer(served, Asked([{}]))
    if gradients:
        gradients(from_instances([{}], features))
    return served


def _background(files: Path, features: Features) -> Arrays | None:
    """The rows that explanations are against; None for a model from before there were any."""
    try:
        return read_background(files, features, rows=USED)
    except ModelError:
        return None


def _end(status: int) -> NoReturn:
    """Ends the process at once: TensorFlow takes two seconds to take itself apart, and nothing comes of it."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)


if __name__ == "__main__":
    try:
        ended = main()
    except SystemExit as stopped:
        ended = int(stopped.code or 0)
    _end(ended)
