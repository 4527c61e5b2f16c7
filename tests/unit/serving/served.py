"""A model to serve, and a server that serves it in this process."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import uvicorn

from plumbline.features import Arrays
from plumbline.problem import Column
from serving.app import Model, Served
from serving.batching import Batcher
from serving.metrics import Metrics
from serving.server import Server
from serving.settings import Limits, Routes

FEATURES = {"x": Column(type="numeric"), "colour": Column(type="categorical")}
USUAL = {"x": np.array([0.2], np.float32), "colour": np.array(["red"], object)}


class Half:
    """A model whose score is half of x, and 0.1 without x."""

    def score(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """Half of x."""
        return np.nan_to_num(arrays["x"].astype(np.float64) / 2, nan=0.1)


SERVED = Served(Half(), FEATURES, threshold=0.25, version="v1")
EXPLAINED = Served(Half(), FEATURES, threshold=0.25, background=USUAL, version="v1")


@dataclass(frozen=True, slots=True)
class Answer:
    """Of a server."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> Mapping[str, object]:
        """Its JSON."""
        found: Mapping[str, object] = json.loads(self.body)
        return found

    @property
    def predictions(self) -> Sequence[Mapping[str, Any]]:
        """The predictions in it."""
        found: Sequence[Mapping[str, Any]] = json.loads(self.body)["predictions"]
        return found

    @property
    def error(self) -> str:
        """What it says was wrong."""
        return str(self.content["error"])


def ask(port: int, verb: str, route: str, body: bytes | str = b"", headers: Mapping[str, str] | None = None) -> Answer:
    """What a server on this machine answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(verb, route, body=body.encode() if isinstance(body, str) else body, headers=headers or {})
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


@contextmanager
def running(served: Served, *, limits: Limits | None = None, model: Model | None = None) -> Iterator[int]:
    """The port of a server of a model; `model` is asked for the scores, where it is another one."""
    limits = limits or Limits()
    metrics = Metrics(served.version)
    batcher = Batcher(model or served.model, rows=limits.batch_rows, waiting=limits.waiting_rows, observe=metrics.batch)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        app = Server(served, Routes("/alive", "/ask"), batcher, metrics, limits=limits)
        settings = {"loop": "uvloop", "http": "httptools", "ws": "none", "lifespan": "off"}
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", **settings))  # type: ignore[arg-type]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        with batcher.running():
            thread.start()
            while not server.started:
                time.sleep(0.01)
            try:
                yield int(listener.getsockname()[1])
            finally:
                server.should_exit = True
                thread.join()
