"""`python -m serving`: loads the model that Vertex AI names, warms it up, and serves it until it is told to stop."""

import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import uvicorn

from plumbline.adapters.model_files import download
from plumbline.adapters.savedmodel import load
from plumbline.errors import PlumblineError
from serving.app import Routes, Served, answer, create_app

log = logging.getLogger("serving")


def main() -> int:
    """Serves until SIGTERM; 1 when there is no model to serve."""
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            served = _served(os.environ, Path(folder))
        except PlumblineError as error:
            log.error(json.dumps({"severity": "ERROR", "message": str(error)}))
            return 1
        # The first call traces and compiles: it is made before anybody waits for it.
        answer(served, [{}])
        seconds = time.monotonic() - start
        log.info(json.dumps({"severity": "INFO", "message": "ready", "seconds": round(seconds, 2)}))
        routes = Routes(os.environ["AIP_HEALTH_ROUTE"], os.environ["AIP_PREDICT_ROUTE"])
        port = int(os.environ.get("AIP_HTTP_PORT", "8080"))
        host = os.environ.get("HTTP_HOST", "0.0.0.0")  # noqa: S104 - Vertex AI asks from outside the container
        uvicorn.run(create_app(served, routes), host=host, port=port, log_level="warning")
    return 0


def _served(environ: Mapping[str, str], folder: Path) -> Served:
    model = load(download(environ["AIP_STORAGE_URI"], folder, environ))
    return Served(model, model.signature.features, float(environ.get("THRESHOLD", "0.5")))


if __name__ == "__main__":
    sys.exit(main())
