"""What a replica counts, in the text format of Prometheus."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from serving.app import Prediction

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


class Metrics:
    """Counters of one replica. Each name begins with `plumbline_`."""

    def __init__(self, version: str) -> None:
        """Starts at 0, for a version of a model."""
        self._registry = registry = CollectorRegistry()
        self._requests = Counter("plumbline_requests", "Requests to predict, by status.", ["status"], registry=registry)
        self._instances = Counter("plumbline_instances", "Instances of requests that could be read.", registry=registry)
        predictions = Counter("plumbline_predictions", "Predictions, by decision.", ["decision"], registry=registry)
        self._decisions = {decision: predictions.labels(str(decision).lower()) for decision in (False, True)}
        self._batch = Histogram(
            "plumbline_batch_rows", "Rows that the model scored in one call.", buckets=_ROWS, registry=registry
        )
        self._seconds = Histogram(
            "plumbline_request_seconds", "From a request's headers to its answer.", buckets=_SECONDS, registry=registry
        )
        self._waiting = Gauge("plumbline_waiting_rows", "Rows that wait for the model.", registry=registry)
        Info("plumbline_model", "The model that is served.", registry=registry).info({"version": version})
        ProcessCollector(registry=registry)

    def batch(self, rows: int) -> None:
        """A batch was scored."""
        self._batch.observe(rows)

    def asked(self, instances: int) -> None:
        """A request has so many instances."""
        self._instances.inc(instances)

    def predicted(self, predictions: Sequence[Prediction]) -> None:
        """These predictions were made."""
        positive = sum(prediction["decision"] is True for prediction in predictions)
        self._decisions[True].inc(positive)
        self._decisions[False].inc(len(predictions) - positive)

    def answered(self, status: int, seconds: float) -> None:
        """A request to predict was answered with an HTTP status after some seconds."""
        self._requests.labels(status).inc()
        self._seconds.observe(seconds)

    def text(self, *, waiting: int) -> bytes:
        """All of it, with the rows that wait now."""
        self._waiting.set(waiting)
        return generate_latest(self._registry)
