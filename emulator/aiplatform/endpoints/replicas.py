"""Serving containers as local processes, under the contract that Vertex AI has with them.

Source: Vertex AI, "Custom container requirements for inference".
"""

import http.client
import signal
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from emulator.aiplatform.context import Context
from emulator.aiplatform.errors import ApiError, precondition
from emulator.aiplatform.expansion import expanded, with_own
from emulator.aiplatform.machines import accelerator_name
from emulator.aiplatform.methods import Message
from emulator.aiplatform.operations import cancelled_error
from emulator.aiplatform.ports import free_ports
from emulator.processes import Command, Process, StoppingError
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
        self._running: dict[tuple[str, str], list[Replica]] = {}
        self._turn = 0

    def start(self, endpoint: str, deployed: Message, model: Message, cancelled: threading.Event) -> None:
        """Starts the minimum of replicas and returns when all are healthy.

        Raises:
            ApiError: One ends or does not become healthy in time, or it was cancelled; then none is left.
        """
        count = deployed.dedicated_resources.min_replica_count
        started = self._healthy(endpoint, deployed, model, count, cancelled)
        with self._lock:
            self._running[endpoint, deployed.id] = started

    def scale(self, endpoint: str, deployed: Message, model: Message, cancelled: threading.Event) -> None:
        """Starts or ends replicas until there are as many as the minimum; returns when the new ones are healthy.

        Raises:
            ApiError: A new one ends or does not become healthy in time, or it was cancelled; then there are as many
                as before.
        """
        key, count = (endpoint, deployed.id), deployed.dedicated_resources.min_replica_count
        with self._lock:
            before = self._running.get(key, [])
            self._running[key] = before[:count]
        _stop(before[count:])
        added = self._healthy(endpoint, deployed, model, max(0, count - len(before)), cancelled)
        with self._lock:
            self._running[key] = [*before[:count], *added]

    def stop(self, endpoint: str, deployed_id: str) -> None:
        """Ends the replicas of a deployed model."""
        with self._lock:
            replicas = self._running.pop((endpoint, deployed_id), [])
        _stop(replicas)

    def stop_all(self) -> None:
        """Ends every replica."""
        with self._lock:
            replicas = [replica for running in self._running.values() for replica in running]
            self._running.clear()
        _stop(replicas)

    def predict(self, endpoint: str, deployed_id: str, body: bytes, content_type: str, timeout_s: float) -> Answer:
        """What a replica of a deployed model answers; the replicas take turns.

        Raises:
            ApiError: None is up, or it breaks off.
        """
        with self._lock:
            replicas = [r for r in self._running.get((endpoint, deployed_id), []) if r.process.poll() is None]
            self._turn += 1
            turn = self._turn
        if not replicas:
            raise ApiError("UNAVAILABLE", f"no replica of {deployed_id} is up (yet)")
        replica = replicas[turn % len(replicas)]
        try:
            return _call(replica, timeout_s, replica.predict_route, body, content_type)
        except TimeoutError as error:
            raise ApiError("DEADLINE_EXCEEDED", f"no prediction within {timeout_s:g} s") from error
        except (OSError, http.client.HTTPException) as error:
            raise ApiError("UNAVAILABLE", f"the container broke off: {error}") from error

    def _healthy(
        self, endpoint: str, deployed: Message, model: Message, count: int, cancelled: threading.Event
    ) -> list[Replica]:
        """So many new replicas, once all are healthy; none is left when one does not become so."""
        timeout = model.container_spec.deployment_timeout.seconds or _DEPLOY_TIMEOUT_S
        started: list[Replica] = []
        try:
            for port in free_ports(count):
                started.append(self._start(endpoint, deployed, model, port))  # noqa: PERF401 - must hold those before a failure
            for replica in started:
                self._await_health(replica, float(timeout), cancelled)
        except BaseException:
            _stop(started)
            raise
        return started

    def _start(self, endpoint: str, deployed: Message, model: Message, port: int) -> Replica:
        spec = model.container_spec
        endpoint_id = endpoint.rpartition("/")[2]
        own = f"/v1/endpoints/{endpoint_id}/deployedModels/{deployed.id}"
        health, predict = spec.health_route or own, spec.predict_route or f"{own}:predict"
        machine = deployed.dedicated_resources.machine_spec
        contract = {
            "AIP_ACCELERATOR_TYPE": accelerator_name(machine),
            "AIP_DEPLOYED_MODEL_ID": deployed.id,
            "AIP_ENDPOINT_ID": endpoint_id,
            "AIP_FRAMEWORK": "CUSTOM_CONTAINER",
            "AIP_HEALTH_ROUTE": health,
            "AIP_HTTP_PORT": str(port),
            "AIP_MACHINE_TYPE": machine.machine_type,
            "AIP_MODE": "PREDICTION",
            "AIP_PREDICT_ROUTE": predict,
            "AIP_PROJECT_NUMBER": project_number(self._context.project),
            "AIP_STORAGE_URI": model.artifact_uri,
            # Not of Vertex AI's: a container here must not be reached from outside this machine.
            "HTTP_HOST": "127.0.0.1",
        }
        environment = with_own(contract, [(variable.name, variable.value) for variable in spec.env])
        argv = tuple(expanded(word, environment) for word in (*spec.command, *spec.args))
        log = self._context.logs / f"endpoint-{endpoint_id}-{deployed.id}-{port}.log"
        command = Command(argv, environment, self._context.state, log)
        try:
            return Replica(self._context.supervisor.start(command), port, health, predict)
        except OSError as error:
            raise precondition(f"the container's command {argv[0]!r} does not start: {error.strerror}") from error
        except StoppingError as error:
            raise ApiError("ABORTED", str(error)) from error

    def _await_health(self, replica: Replica, timeout_s: float, cancelled: threading.Event) -> None:
        deadline = self._context.clock.now().timestamp() + timeout_s
        while self._context.clock.now().timestamp() < deadline:
            if (code := replica.process.poll()) is not None:
                said = replica.process.tail(_TAIL_LINES)
                raise ApiError("FAILED_PRECONDITION", f"the container ended with {code} before it was healthy:\n{said}")
            with suppress(OSError, http.client.HTTPException):
                if _call(replica, _HEALTH_TIMEOUT_S, replica.health_route).status == http.HTTPStatus.OK:
                    return
            # Not by the clock: a process runs in the machine's time.
            if cancelled.wait(_POLL_S):
                raise cancelled_error()
        said = replica.process.tail(_TAIL_LINES)
        raise ApiError("DEADLINE_EXCEEDED", f"the container was not healthy within {timeout_s:g} s:\n{said}")


def _stop(replicas: Sequence[Replica]) -> None:
    # All are asked first, so that their times to end do not add up.
    for replica in replicas:
        replica.process.send(signal.SIGTERM)
    for replica in replicas:
        replica.process.stop()


def _call(replica: Replica, timeout_s: float, route: str, body: bytes | None = None, content_type: str = "") -> Answer:
    """What a container answers: to a POST where there is a body, to a GET where there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", replica.port, timeout=timeout_s)
    headers = {} if body is None else {"Content-Type": content_type}
    try:
        connection.request("GET" if body is None else "POST", route, body=body, headers=headers)
        response = connection.getresponse()
        return Answer(response.status, response.headers.get("content-type", ""), response.read())
    finally:
        connection.close()
