"""One serving container as a local process, under the contract that Vertex AI has with it.

Source: Vertex AI, "Custom container requirements for inference".
"""

import http
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from signal import SIGTERM

import urllib3

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
_CONNECTIONS = 64


class BrokenOffError(Exception):
    """A container did not answer, and it is not for lack of time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a container answers."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Usage:
    """What a replica had done by a moment."""

    at: float
    cpu_s: float
    requests: int


@dataclass(eq=False, slots=True)
class Replica:
    """One serving process, with the connections to it that are kept open."""

    process: Process
    health_route: str
    predict_route: str
    pool: urllib3.HTTPConnectionPool
    started: float
    """Monotonic, in seconds."""
    answering: int = 0
    """Requests under way."""
    requests: int = 0
    """Requests that it was given."""
    usage: deque[Usage] = field(default_factory=deque)

    def is_up(self) -> bool:
        """Whether its process runs."""
        return self.process.poll() is None

    def is_healthy(self, timeout_s: float = _HEALTH_TIMEOUT_S) -> bool:
        """Whether it says that it can take traffic."""
        try:
            return self.ask("GET", self.health_route, timeout_s=timeout_s).status == http.HTTPStatus.OK
        except (TimeoutError, BrokenOffError):
            return False

    def predict(self, body: bytes, content_type: str, timeout_s: float) -> Answer:
        """What it answers to a body on its predict route; see `ask`."""
        return self.ask("POST", self.predict_route, body, content_type, timeout_s=timeout_s)

    def ask(
        self, verb: str, route: str, body: bytes | None = None, content_type: str = "", *, timeout_s: float
    ) -> Answer:
        """What it answers.

        Raises:
            TimeoutError: Nothing in time.
            BrokenOffError: It is not there, or breaks off.
        """
        headers = {"Content-Type": content_type} if content_type else {}
        try:
            response = self.pool.urlopen(verb, route, body=body, headers=headers, retries=False, timeout=timeout_s)
        except urllib3.exceptions.NewConnectionError as error:
            # Nobody listens: in some releases of urllib3 this is a timeout too.
            raise BrokenOffError(str(error)) from error
        except urllib3.exceptions.TimeoutError as error:
            raise TimeoutError(f"no answer within {timeout_s:g} s") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise BrokenOffError(str(error)) from error
        return Answer(response.status, response.headers.get("content-type", ""), response.data)


@dataclass(frozen=True, slots=True)
class Launcher:
    """Starts replicas of one deployed model."""

    context: Context
    endpoint: str
    deployed: Message
    model: Message

    @property
    def timeout_s(self) -> float:
        """How long a replica may take to be healthy."""
        return float(self.model.container_spec.deployment_timeout.seconds or _DEPLOY_TIMEOUT_S)

    def launch(self, port: int) -> Replica:
        """A process that was started, to listen on a port; it is not healthy yet.

        Raises:
            ApiError: It cannot be started; ABORTED where the emulator is being stopped.
        """
        environment = self._environment(port)
        spec = self.model.container_spec
        argv = tuple(expanded(word, environment) for word in (*spec.command, *spec.args))
        endpoint_id = self.endpoint.rpartition("/")[2]
        log = self.context.logs / f"endpoint-{endpoint_id}-{self.deployed.id}-{port}.log"
        command = Command(argv, environment, self.context.state, log)
        try:
            process = self.context.supervisor.start(command)
        except OSError as error:
            raise precondition(f"the container's command {argv[0]!r} does not start: {error.strerror}") from error
        except StoppingError as error:
            raise ApiError("ABORTED", str(error)) from error
        pool = urllib3.HTTPConnectionPool("127.0.0.1", port, maxsize=_CONNECTIONS)
        routes = environment["AIP_HEALTH_ROUTE"], environment["AIP_PREDICT_ROUTE"]
        return Replica(process, *routes, pool, time.monotonic())

    def healthy(self, count: int, cancelled: threading.Event) -> list[Replica]:
        """So many new replicas, once all are healthy.

        Raises:
            ApiError: One ends or does not become healthy in time, or it was cancelled; then none is left.
        """
        started: list[Replica] = []
        try:
            for port in free_ports(count):
                started.append(self.launch(port))  # noqa: PERF401 - must hold those before a failure
            for replica in started:
                self._await_health(replica, cancelled)
        except BaseException:
            end(started)
            raise
        return started

    def _environment(self, port: int) -> dict[str, str]:
        spec, machine = self.model.container_spec, self.deployed.dedicated_resources.machine_spec
        endpoint_id = self.endpoint.rpartition("/")[2]
        own = f"/v1/endpoints/{endpoint_id}/deployedModels/{self.deployed.id}"
        contract = {
            "AIP_ACCELERATOR_TYPE": accelerator_name(machine),
            "AIP_DEPLOYED_MODEL_ID": self.deployed.id,
            "AIP_ENDPOINT_ID": endpoint_id,
            "AIP_FRAMEWORK": "CUSTOM_CONTAINER",
            "AIP_HEALTH_ROUTE": spec.health_route or own,
            "AIP_HTTP_PORT": str(port),
            "AIP_MACHINE_TYPE": machine.machine_type,
            "AIP_MODE": "PREDICTION",
            "AIP_PREDICT_ROUTE": spec.predict_route or f"{own}:predict",
            "AIP_PROJECT_NUMBER": project_number(self.context.project),
            "AIP_STORAGE_URI": self.model.artifact_uri,
            # Not of Vertex AI's: a container here must not be reached from outside this machine.
            "HTTP_HOST": "127.0.0.1",
        }
        return dict(with_own(contract, [(variable.name, variable.value) for variable in spec.env]))

    def _await_health(self, replica: Replica, cancelled: threading.Event) -> None:
        clock, timeout_s = self.context.clock, self.timeout_s
        deadline = clock.now().timestamp() + timeout_s
        while clock.now().timestamp() < deadline:
            if (code := replica.process.poll()) is not None:
                said = replica.process.tail(_TAIL_LINES)
                raise ApiError("FAILED_PRECONDITION", f"the container ended with {code} before it was healthy:\n{said}")
            if replica.is_healthy():
                return
            # Not by the clock: a process runs in the machine's time.
            if cancelled.wait(_POLL_S):
                raise cancelled_error()
        said = replica.process.tail(_TAIL_LINES)
        raise ApiError("DEADLINE_EXCEEDED", f"the container was not healthy within {timeout_s:g} s:\n{said}")


def end(replicas: Sequence[Replica], grace_s: float = 5.0) -> None:
    """Ends replicas; all are asked first, so that their times to end do not add up."""
    for replica in replicas:
        replica.process.send(SIGTERM)
    for replica in replicas:
        replica.process.stop(grace_s)
        with suppress(urllib3.exceptions.HTTPError):
            replica.pool.close()
