"""All services of the emulator, started together and stopped together."""

import datetime as dt
import importlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from emulator.bigquery import BigQuery, start_bigquery
from emulator.clock import SettableClock, SystemClock
from emulator.endpoints import Endpoints, write_endpoints
from emulator.environment import child_environment
from emulator.faults import Faults
from emulator.faulty import Faulty
from emulator.ports import Ports, Sockets, address_of, bound
from emulator.processes import Supervisor
from emulator.runtime import warm
from emulator.serving import served
from emulator.state import State, held
from emulator.storage.server import create_app
from emulator.store import Store

_GRACE_S = 5.0
_CLOCK = "clock.json"


@dataclass(frozen=True, slots=True)
class Settings:
    """What to start.

    Args:
        state: The folder that holds everything that is to survive a restart.
        project: The id of the one project.
        location: The region of Vertex AI, and of buckets that are made without one.
        ports: Where to listen.
        is_warm: Whether the warm interpreters start at once, and not when somebody first asks for one.
        start: Where a clock begins that can be set forward; None is the machine's own.
    """

    state: Path
    project: str
    location: str
    ports: Ports = field(default_factory=Ports)
    is_warm: bool = False
    start: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Services:
    """The running emulator."""

    endpoints: Endpoints
    environment: Mapping[str, str]
    state: State
    supervisor: Supervisor
    bigquery: BigQuery


@contextmanager
def running(
    settings: Settings, inherited: Mapping[str, str], *, cancelled: Callable[[], bool] = bool
) -> Iterator[Services]:
    """The services, up as long as the context lasts; at its end no process and no port is left.

    Args:
        settings: What to start.
        inherited: The environment that children get, beside what points them here.
        cancelled: Asked while waiting for the start; then the services may not be ready yet.

    Raises:
        StartError: A port is taken, the state folder is in use or full, or a service does not start.
    """
    with ExitStack() as stack:
        state = stack.enter_context(held(settings.state))
        sockets = stack.enter_context(bound(settings.ports))
        endpoints = _endpoints(sockets)
        environment = child_environment(inherited, endpoints=endpoints, mount=state.objects, project=settings.project)
        supervisor = Supervisor(environment, owner=str(state.root), warm=warm.folder(state.root))
        stack.callback(supervisor.stop_all, _GRACE_S)
        stack.enter_context(warm.kept(supervisor, state.root, environment))
        bigquery = _start_bigquery(supervisor, state, settings, sockets)
        app = create_app(state.objects, project=settings.project, location=settings.location)
        stack.enter_context(served(Faulty(app, Faults(state.root)), sockets.storage, "storage"))
        stack.enter_context(_vertex(settings, state, supervisor, sockets, environment))
        bigquery.wait_until_ready(cancelled)
        if settings.is_warm:
            warm.start(state.root)
        write_endpoints(state.root, endpoints)
        yield Services(endpoints, environment, state, supervisor, bigquery)


def _endpoints(sockets: Sockets) -> Endpoints:
    return Endpoints(
        aiplatform=f"http://{address_of(sockets.aiplatform)}",
        bigquery=f"http://{address_of(sockets.bigquery)}",
        bigquery_storage=address_of(sockets.bigquery_storage),
        storage=f"http://{address_of(sockets.storage)}",
    )


def _start_bigquery(supervisor: Supervisor, state: State, settings: Settings, sockets: Sockets) -> BigQuery:
    """Starts BigQuery's process on the ports that were held for it."""
    ports = [held_for_it.getsockname()[1] for held_for_it in (sockets.bigquery, sockets.bigquery_storage)]
    sockets.bigquery.close()
    sockets.bigquery_storage.close()
    return start_bigquery(supervisor, state, project=settings.project, port=ports[0], storage_port=ports[1])


@contextmanager
def _vertex(
    settings: Settings, state: State, supervisor: Supervisor, sockets: Sockets, environment: Mapping[str, str]
) -> Iterator[None]:
    # Imported here, while BigQuery's process starts; Google's types, which take two seconds, while we go on.
    from emulator.aiplatform.context import Context  # noqa: PLC0415 - see above
    from emulator.aiplatform.server import create_service  # noqa: PLC0415 - see above

    threading.Thread(target=importlib.import_module, args=("google.cloud.aiplatform_v1",), daemon=True).start()
    context = Context(
        project=settings.project,
        location=settings.location,
        state=state.root,
        store=Store(state.root / "vertex.sqlite"),
        clock=SettableClock(settings.start, state.root / _CLOCK) if settings.start else SystemClock(),
        supervisor=supervisor,
        path=environment["PATH"],
        bigquery=environment["BIGQUERY_EMULATOR_HOST"],
    )
    service = create_service(context)
    with served(service.app, sockets.aiplatform, "aiplatform"):
        try:
            yield
        finally:
            # The runs first, so that none starts anew what is ended next; and what they started while it can still
            # reach the services.
            service.stop()
            supervisor.stop_all(_GRACE_S)
