"""The serving containers of all deployed models: how many there are follows the load, and the dead are replaced."""

import json
import logging
import threading
import time
from collections.abc import Mapping

from emulator.aiplatform.context import Context
from emulator.aiplatform.endpoints import autoscaling
from emulator.aiplatform.endpoints.fleet import Fleet, State
from emulator.aiplatform.endpoints.replica import Answer, Launcher
from emulator.aiplatform.endpoints.usage import cpu_seconds
from emulator.aiplatform.errors import ApiError
from emulator.aiplatform.methods import Message

log = logging.getLogger(__name__)
_CYCLE_S = 0.25
_RECORD_S = 1.0
_NAME = "autoscaling.jsonl"
_Key = tuple[str, str]


class Replicas:
    """The fleets of all deployed models, and the thread that keeps them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._fleets: dict[_Key, Fleet] = {}
        self._recorded: dict[_Key, tuple[float, State]] = {}
        self._stopping = threading.Event()
        self._keeper: threading.Thread | None = None

    def start(self, endpoint: str, deployed: Message, model: Message, cancelled: threading.Event) -> None:
        """Starts the minimum of replicas and returns when all are healthy.

        Raises:
            ApiError: One ends or does not become healthy in time, or it was cancelled; then none is left.
        """
        launcher = Launcher(self._context, endpoint, deployed, model)
        fleet = Fleet(launcher, autoscaling.rule(deployed.dedicated_resources))
        fleet.start(cancelled)
        with self._lock:
            self._fleets[endpoint, deployed.id] = fleet
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._keep, name="keeper of replicas", daemon=True)
                self._keeper.start()

    def scale(self, endpoint: str, deployed: Message, model: Message, cancelled: threading.Event) -> None:
        """Goes by other limits and targets; returns when the new minimum is healthy. What is too many ends later.

        Raises:
            ApiError: A new one ends or does not become healthy in time, or it was cancelled; then all is as before.
        """
        fleet = self._find(endpoint, deployed.id)
        if fleet is None:
            self.start(endpoint, deployed, model, cancelled)
        else:
            fleet.rescale(autoscaling.rule(deployed.dedicated_resources), cancelled)

    def stop(self, endpoint: str, deployed_id: str) -> None:
        """Ends the replicas of a deployed model."""
        with self._lock:
            fleet = self._fleets.pop((endpoint, deployed_id), None)
            self._recorded.pop((endpoint, deployed_id), None)
        if fleet is not None:
            fleet.stop()

    def stop_all(self) -> None:
        """Ends every replica."""
        self._stopping.set()
        with self._lock:
            fleets = list(self._fleets.values())
            self._fleets.clear()
        for fleet in fleets:
            fleet.stop()

    def available(self, endpoint: str, deployed_id: str) -> int:
        """How many replicas of a deployed model take traffic."""
        fleet = self._find(endpoint, deployed_id)
        return 0 if fleet is None else fleet.serving

    def predict(self, endpoint: str, deployed_id: str, body: bytes, content_type: str, timeout_s: float) -> Answer:
        """What a replica of a deployed model answers; the replicas take turns.

        Raises:
            ApiError: None is up, or it breaks off, also on a second try.
        """
        fleet = self._find(endpoint, deployed_id)
        if fleet is None:
            raise ApiError("UNAVAILABLE", f"no replica of {deployed_id} is up (yet)")
        return fleet.predict(body, content_type, timeout_s)

    def _find(self, endpoint: str, deployed_id: str) -> Fleet | None:
        with self._lock:
            return self._fleets.get((endpoint, deployed_id))

    def _keep(self) -> None:
        while not self._stopping.wait(_CYCLE_S):
            with self._lock:
                fleets = dict(self._fleets)
            try:
                self._keep_all(fleets)
            except Exception:
                # The next look may find what this one stumbled over gone.
                log.exception("the replicas could not be looked after")

    def _keep_all(self, fleets: Mapping[_Key, Fleet]) -> None:
        groups = {group for fleet in fleets.values() for group in fleet.groups}
        # Looking at all processes takes two milliseconds, so it is done where something depends on it.
        cpu = cpu_seconds(groups) if groups else {}
        for key, fleet in fleets.items():
            now = time.monotonic()
            fleet.step(now, cpu)
            self._record(key, fleet.state, now)

    def _record(self, key: _Key, state: State, now: float) -> None:
        """Writes down how many replicas there are: at each change, and each second while there is load."""
        last, before = self._recorded.get(key, (0.0, {}))
        counts = {name: value for name, value in state.items() if isinstance(value, int)}
        changed = any(before.get(name) != value for name, value in counts.items())
        if not changed and not (state["requestsPerMinute"] and now - last >= _RECORD_S):
            return
        self._recorded[key] = now, state
        endpoint, deployed_id = key
        line = {"time": self._context.clock.now().isoformat(), "endpoint": endpoint, "deployedModel": deployed_id}
        self._context.logs.mkdir(parents=True, exist_ok=True)
        with (self._context.logs / _NAME).open("a", encoding="utf-8") as file:
            file.write(json.dumps({**line, **state}) + "\n")
