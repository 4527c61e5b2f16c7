"""The replicas of one deployed model: as many as the load asks for, and none that is dead."""

import logging
import threading
from collections.abc import Mapping, Sequence

from emulator.aiplatform.endpoints.autoscaling import Load, Look, Rule, asked, recent, wanted
from emulator.aiplatform.endpoints.replica import Answer, BrokenOffError, Launcher, Replica, Usage, end
from emulator.aiplatform.errors import ApiError
from emulator.aiplatform.ports import free_ports

log = logging.getLogger(__name__)
_WINDOW_S = 2.0
"""Over which the load is measured."""
_PROBE_S = 0.5
_TRIES = 2
_GRACE_S = 20.0
_SHORT_S, _LONGEST_PAUSE_S = 1.0, 30.0
"""Pauses between starts that fail: the first, doubled each time, and the longest."""
State = Mapping[str, int | float]


class Fleet:
    """The replicas of one deployed model. Safe to use from any thread; `step` is for one."""

    def __init__(self, launcher: Launcher, rule: Rule) -> None:
        self._launcher = launcher
        self._rule = rule
        self._goal = rule.minimum
        self._serving: list[Replica] = []
        self._starting: list[Replica] = []
        self._leaving: list[Replica] = []
        self._looks: list[Look] = []
        self._load = Load(0, 0.0, 0.0)
        self._turn = 0
        self._failures, self._pause_until = 0, 0.0
        self._lock = threading.Lock()
        # Held while replicas are started or ended: by a step, or by an operation, which a step does not wait for.
        self._changing = threading.Lock()
        self._ended = False
        # Set, it ends the rescaling that is under way.
        self._rescaling = threading.Event()

    @property
    def serving(self) -> int:
        """Replicas that take traffic."""
        with self._lock:
            return sum(replica.is_up() for replica in self._serving)

    @property
    def state(self) -> State:
        """What is to be seen from outside: replicas by what they do, and the load by which they are decided."""
        with self._lock:
            return {
                "replicas": len(self._serving),
                "starting": len(self._starting),
                "leaving": len(self._leaving),
                "wanted": self._goal,
                "utilisation": round(self._load.utilisation, 1),
                "requestsPerMinute": round(self._load.requests, 1),
            }

    @property
    def groups(self) -> Sequence[int]:
        """The process groups of those that serve; none where load changes nothing."""
        with self._lock:
            return [replica.process.pid for replica in self._serving] if self._rule.can_change else []

    def start(self, cancelled: threading.Event) -> None:
        """Starts the minimum of replicas and returns when all are healthy.

        Raises:
            ApiError: One ends or does not become healthy in time, or it was cancelled; then none is left.
        """
        with self._changing:
            self._serve(self._launcher.healthy(self._rule.minimum, cancelled))

    def rescale(self, rule: Rule, cancelled: threading.Event) -> None:
        """Goes by another rule, and returns when the new minimum is healthy; what is too many leaves by itself.

        Raises:
            ApiError: A new replica ends or does not become healthy in time, or it was cancelled; then the rule is as
                before.
        """
        self._rescaling = cancelled
        with self._changing:
            self._serve(self._launcher.healthy(max(0, rule.minimum - self.serving), cancelled))
            with self._lock:
                self._rule = rule
                self._goal = min(rule.maximum, max(rule.minimum, self._goal))

    def stop(self) -> None:
        """Ends all replicas; nothing is started any more, and a rescaling under way is cancelled."""
        self._ended = True
        self._rescaling.set()
        with self._changing:
            end(self._emptied())

    def predict(self, body: bytes, content_type: str, timeout_s: float) -> Answer:
        """What a replica answers. They take turns; a prediction that one breaks off is made once more by another.

        Raises:
            ApiError: None is up, it breaks off again, or there is no answer in time.
        """
        told, broken = "", None
        for _ in range(_TRIES):
            replica = self._taken(broken)
            try:
                return replica.predict(body, content_type, timeout_s)
            except TimeoutError as error:
                raise ApiError("DEADLINE_EXCEEDED", f"no prediction within {timeout_s:g} s") from error
            except BrokenOffError as error:
                told, broken = str(error), replica
            finally:
                with self._lock:
                    replica.answering -= 1
        raise ApiError("UNAVAILABLE", f"the container broke off: {told}")

    def step(self, now: float, cpu: Mapping[int, float]) -> None:
        """Looks at the load and at each replica, and starts and ends what has to be; waits for nothing.

        Args:
            now: Monotonic, in seconds.
            cpu: CPU time of the process groups in `groups`, in seconds.
        """
        if self._ended or not self._changing.acquire(blocking=False):
            return
        try:
            self._look(now, cpu)
            self._bury()
            self._admit(now)
            self._release()
            self._fill(now)
        finally:
            self._changing.release()

    def _look(self, now: float, cpu: Mapping[int, float]) -> None:
        with self._lock:
            if not self._rule.can_change:
                self._goal = self._rule.minimum
                return
            for replica in self._serving:
                used = cpu.get(replica.process.pid)
                if used is not None:
                    replica.usage.append(Usage(now, used, replica.requests))
                while len(replica.usage) > 1 and replica.usage[1].at <= now - _WINDOW_S:
                    replica.usage.popleft()
            self._load = _load(self._serving)
            self._looks = [*recent(self._looks, now), Look(now, asked(self._load, self._rule))]
            self._goal = wanted(self._looks, self._rule, current=self._goal)

    def _bury(self) -> None:
        """Those that have ended by themselves are replicas no more, so others come in their place."""
        with self._lock:
            dead = [replica for replica in (*self._serving, *self._leaving) if not replica.is_up()]
            self._serving = [replica for replica in self._serving if replica not in dead]
            self._leaving = [replica for replica in self._leaving if replica not in dead]
        end(dead)

    def _admit(self, now: float) -> None:
        """Those that have become healthy get traffic; those that never will make room for another try."""
        for replica in list(self._starting):
            if replica.is_up() and replica.is_healthy(_PROBE_S):
                self._failures = 0
                self._serve([replica])
            elif not replica.is_up() or now - replica.started > self._launcher.timeout_s:
                log.warning("a replica did not become healthy; its log is %s", replica.process.log)
                with self._lock:
                    self._starting.remove(replica)
                end([replica])
                self._pause(now)

    def _release(self) -> None:
        """Those that are too many get no more requests, the newest first, and end when they have answered theirs."""
        with self._lock:
            over = max(0, len(self._serving) + len(self._starting) - self._goal)
            unborn = self._starting[max(0, len(self._starting) - over) :]
            extra = self._serving[max(0, len(self._serving) - over + len(unborn)) :]
            self._starting = [replica for replica in self._starting if replica not in unborn]
            self._serving = [replica for replica in self._serving if replica not in extra]
            self._leaving = [*self._leaving, *extra]
            idle = [replica for replica in self._leaving if not replica.answering]
            self._leaving = [replica for replica in self._leaving if replica not in idle]
        if gone := [*unborn, *idle]:
            # In a thread: a container may take its time to end.
            threading.Thread(target=end, args=(gone, _GRACE_S), daemon=True).start()

    def _fill(self, now: float) -> None:
        missing = self._goal - len(self._serving) - len(self._starting)
        if missing <= 0 or now < self._pause_until:
            return
        try:
            for port in free_ports(missing):
                replica = self._launcher.launch(port)
                with self._lock:
                    self._starting.append(replica)
        except ApiError as error:
            # ABORTED: the emulator is being stopped.
            self._ended = error.code == "ABORTED"
            log.warning("no replica could be started: %s", error.message)
            self._pause(now)

    def _pause(self, now: float) -> None:
        self._pause_until = now + min(_LONGEST_PAUSE_S, _SHORT_S * 2**self._failures)
        self._failures += 1

    def _taken(self, besides: Replica | None) -> Replica:
        """The replica whose turn it is; the one that has just broken off only where there is no other."""
        with self._lock:
            up = [replica for replica in self._serving if replica.is_up()]
            if not up:
                raise ApiError("UNAVAILABLE", f"no replica of {self._launcher.deployed.id} is up (yet)")
            others = [replica for replica in up if replica is not besides] or up
            self._turn += 1
            replica = others[self._turn % len(others)]
            replica.answering += 1
            replica.requests += 1
            return replica

    def _serve(self, replicas: Sequence[Replica]) -> None:
        with self._lock:
            self._starting = [replica for replica in self._starting if replica not in replicas]
            self._serving = [*self._serving, *replicas]

    def _emptied(self) -> Sequence[Replica]:
        with self._lock:
            found = [*self._serving, *self._starting, *self._leaving]
            self._serving, self._starting, self._leaving = [], [], []
            return found


def _load(replicas: Sequence[Replica]) -> Load:
    """The mean over the replicas of what each has used in the window, or since it takes traffic."""
    cpu = requests = 0.0
    for replica in replicas:
        if len(replica.usage) > 1:
            first, last = replica.usage[0], replica.usage[-1]
            seconds = last.at - first.at
            cpu += max(0.0, last.cpu_s - first.cpu_s) / seconds
            requests += (last.requests - first.requests) / seconds
    count = max(1, len(replicas))
    return Load(len(replicas), 100 * cpu / count, 60 * requests / count)
