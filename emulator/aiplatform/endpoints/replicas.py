"""Serving containers as local processes, under the contract that Vertex AI has with them.

Source: Vertex AI, "Custom container requirements for inference".
"""

import http.client
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from emulator.aiplatform.context import Context
from emulator.aiplatform.errors import ApiError
from emulator.aiplatform.methods import Message
from emulator.aiplatform.ports import free_ports
from emulator.processes import Command, Process
from emulator.project import project_number

_POLL_S = 0.05
_HEALTH_TIMEOUT_S = 10.0
_DEPLOY_TIMEOUT_S = 1800
_TAIL_LINES = 20


@dataclass(frozen=True, slots=True)
class Replica:
    """One serving process."""

    process: Process
    port: int
    health_route: str
    predict_route: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a container answers."""

    status: int
    content_type: str
    body: bytes


class Replicas:
    """The serving processes of all deployed models."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._running: dict[str, list[Replica]] = {}
        self._turn = 0

    def start(self, endpoint: str, deployed: Message, model: Message) -> None:
        """Starts the minimum of replicas and returns when all are healthy.

        Raises:
            ApiError: One ends or does not become healthy in time; then none is left.
        """
        started = [
            self._start(endpoint, deployed, model, number)
            for number in range(max(1, deployed.dedicated_resources.min_replica_count))
        ]
        timeout = model.container_spec.deployment_timeout.seconds or _DEPLOY_TIMEOUT_S
        try:
            for replica in started:
                self._await_health(replica, float(timeout))
        except BaseException:
            for replica in started:
                replica.process.stop()
            raise
        with self._lock:
            self._running[deployed.id] = started

    def stop(self, deployed_id: str) -> None:
        """Ends the replicas of a deployed model."""
        with self._lock:
            replicas = self._running.pop(deployed_id, [])
        for replica in replicas:
            replica.process.stop()

    def stop_all(self) -> None:
        """Ends every replica."""
        for deployed_id in list(self._running):
            self.stop(deployed_id)

    def predict(self, deployed_id: str, body: bytes, content_type: str) -> Answer:
        """What a replica of a deployed model answers; the replicas take turns.

        Raises:
            ApiError: None is up, or it breaks off.
        """
        with self._lock:
            replicas = [r for r in self._running.get(deployed_id, []) if r.process.poll() is None]
            self._turn += 1
            turn = self._turn
        if not replicas:
            raise ApiError("UNAVAILABLE", f"no replica of {deployed_id} is up (yet)")
        replica = replicas[turn % len(replicas)]
        try:
            return _call(replica, "POST", replica.predict_route, body, content_type)
        except (OSError, http.client.HTTPException) as error:
            raise ApiError("UNAVAILABLE", f"the container broke off: {error}") from error

    def _start(self, endpoint: str, deployed: Message, model: Message, number: int) -> Replica:
        spec, port = model.container_spec, free_ports(1)[0]
        endpoint_id = endpoint.rpartition("/")[2]
        own = f"/v1/endpoints/{endpoint_id}/deployedModels/{deployed.id}"
        health, predict = spec.health_route or own, spec.predict_route or f"{own}:predict"
        environment = {
            **{variable.name: variable.value for variable in spec.env},
            "AIP_ACCELERATOR_TYPE": "",
            "AIP_DEPLOYED_MODEL_ID": deployed.id,
            "AIP_ENDPOINT_ID": endpoint_id,
            "AIP_FRAMEWORK": "CUSTOM_CONTAINER",
            "AIP_HEALTH_ROUTE": health,
            "AIP_HTTP_PORT": str(port),
            "AIP_MACHINE_TYPE": deployed.dedicated_resources.machine_spec.machine_type,
            "AIP_MODE": "PREDICTION",
            "AIP_PREDICT_ROUTE": predict,
            "AIP_PROJECT_NUMBER": project_number(self._context.project),
            "AIP_STORAGE_URI": model.artifact_uri,
        }
        log = self._context.logs / f"endpoint-{endpoint_id}-{deployed.id}-{number}.log"
        command = Command((*spec.command, *spec.args), environment, self._context.state, log)
        return Replica(self._context.supervisor.start(command), port, health, predict)

    def _await_health(self, replica: Replica, timeout_s: float) -> None:
        deadline = self._context.clock.now().timestamp() + timeout_s
        while self._context.clock.now().timestamp() < deadline:
            if (code := replica.process.poll()) is not None:
                said = replica.process.tail(_TAIL_LINES)
                raise ApiError("FAILED_PRECONDITION", f"the container ended with {code} before it was healthy:\n{said}")
            with suppress(OSError, http.client.HTTPException):
                if _call(replica, "GET", replica.health_route, b"", "").status == http.HTTPStatus.OK:
                    return
            self._context.clock.sleep(_POLL_S)
        said = replica.process.tail(_TAIL_LINES)
        raise ApiError("DEADLINE_EXCEEDED", f"the container was not healthy within {timeout_s:g} s:\n{said}")


def _call(replica: Replica, verb: str, route: str, body: bytes, content_type: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", replica.port, timeout=_HEALTH_TIMEOUT_S)
    headers: Mapping[str, str] = {"Content-Type": content_type} if content_type else {}
    try:
        connection.request(verb, route, body=body or None, headers=dict(headers))
        response = connection.getresponse()
        return Answer(response.status, response.headers.get("content-type", ""), response.read())
    finally:
        connection.close()
