"""What the prediction server is measured against: the same SavedModel behind FastAPI, one request a prediction.

`python -m tests.benchmarks.serving_peer MODEL PORT`. Its routes are /async and /sync, by the kind of the handler: the
first predicts in the event loop, the second in FastAPI's pool of threads.
"""

import datetime as dt
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from plumbline.features import MISSING_TIME, columns
from plumbline.signature import read_signature

_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - the column's own clock


class Body(BaseModel):
    """A request."""

    instances: list[dict[str, Any]]


def create_app(model: Path) -> FastAPI:
    """The server, as a tutorial would write it."""
    loaded = tf.saved_model.load(str(model))
    serve = loaded.signatures["serving_default"]
    wanted = columns(read_signature(model).features)
    app = FastAPI()

    def tensor(name: str, kind: str, instances: Sequence[dict[str, Any]]) -> tf.Tensor:
        values = [instance.get(name) for instance in instances]
        if kind == "categorical":
            return tf.constant([value or "" for value in values])
        if kind == "timestamp":
            times = [
                (dt.datetime.fromisoformat(value) - _EPOCH) // dt.timedelta(seconds=1) if value else MISSING_TIME
                for value in values
            ]
            return tf.constant(times, tf.int64)
        return tf.constant([math.nan if value is None else value for value in values], tf.float32)

    def predict(body: Body) -> dict[str, Any]:
        inputs = {name: tensor(name, kind, body.instances) for name, kind in wanted.items()}
        scores = serve(**inputs)["score"].numpy().tolist()
        return {"predictions": [{"score": score, "decision": score > 0.5} for score in scores]}

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "healthy"}

    @app.post("/async")
    async def predict_async(body: Body) -> dict[str, Any]:
        return predict(body)

    @app.post("/sync")
    def predict_sync(body: Body) -> dict[str, Any]:
        return predict(body)

    return app


if __name__ == "__main__":
    uvicorn.run(
        create_app(Path(sys.argv[1])),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
