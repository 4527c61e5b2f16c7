"""`python -m serving`: loads the model that Vertex AI names, warms it up, and serves it until it is told to stop."""

import json
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import uvicorn

from plumbline.adapters.model_files import connected, download
from plumbline.adapters.savedmodel import load
from plumbline.background import read_background
from plumbline.digest import tree_digest
from plumbline.errors import ModelError, PlumblineError
from plumbline.features import Arrays, Features
from serving.app import PERMUTATIONS, Served
from serving.batching import Batcher
from serving.metrics import Metrics
from serving.server import Server
from serving.settings import Settings, settings
from serving.warming import warm

log = logging.getLogger("serving")

_KEEP_ALIVE_S = 75
"""An idle connection stays longer than that of who asks, so that it is not closed while a request is on its way."""
_SWITCH_S = 0.0005
"""After which a thread that computes lets another one: the model's, when its scores are there."""


def main() -> int:
    """Serves until SIGTERM, then 0; 1 when there is no model to serve."""
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    # uvicorn hands the signal on once it has stopped: unhandled, it would end this process before it tidies up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            given = settings(os.environ)
            served = _served(given, Path(folder), os.environ)
            rows = warm(served, given.limits)
        except PlumblineError as error:
            log.error(json.dumps({"severity": "ERROR", "message": str(error)}))
            return 1
        seconds = round(time.monotonic() - start, 2)
        ready = {"message": "ready", "seconds": seconds, "version": served.version, "batch_rows": rows}
        log.info(json.dumps({"severity": "INFO", **ready}))
        _serve(given, served, rows)
    return 0


def _serve(given: Settings, served: Served, rows: int) -> None:
    sys.setswitchinterval(_SWITCH_S)
    limits, metrics = given.limits, Metrics(served.version)
    batcher = Batcher(served.model, rows=rows, waiting=limits.waiting_rows, observe=metrics.batch)
    with batcher.running():
        uvicorn.run(
            Server(served, given.routes, batcher, metrics, limits=limits),
            host=given.host,
            port=given.port,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=limits.grace_s,
        )


def _served(given: Settings, folder: Path, environ: Mapping[str, str]) -> Served:
    files = download(given.model, folder, lambda: connected(environ))
    # A batch of a small model is scored sooner by one thread than by some that wait for each other.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    model = load(files)
    features = model.signature.features
    version = given.version or tree_digest(files)[:12]
    gradients = model.gradients if model.has_gradients else None
    return Served(model, features, given.threshold, _background(files, features), version, gradients)


def _background(files: Path, features: Features) -> Arrays | None:
    """The rows that explanations are against; None for a model from before there were any."""
    try:
        return read_background(files, features, rows=PERMUTATIONS)
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
