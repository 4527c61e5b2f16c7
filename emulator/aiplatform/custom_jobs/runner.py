"""A custom job's replicas as local processes."""

import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from emulator.aiplatform.context import Context
from emulator.aiplatform.custom_jobs import resource, scheduling
from emulator.aiplatform.expansion import expanded
from emulator.aiplatform.methods import Message
from emulator.aiplatform.ports import free_ports
from emulator.processes import Command, Process, StoppingError

_POLL_S = 0.02
_TAIL_LINES = 20
SUCCEEDED, FAILED, CANCELLED = "JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"
Replica = tuple[int, int]
"""Worker pool and index in it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended: an empty message means that it succeeded."""

    state: str
    message: str = ""
    killed: bool = False
    """Whether a signal ended a replica."""
    code: str = "INTERNAL"
    """Of the error of a job that failed."""


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs one job; `cancel` ends it from another thread."""

    context: Context
    job: Message
    cancelled: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    """Set once the job's end is written down."""

    def run(self) -> Ended:
        """Runs the replicas to the job's end.

        When a signal ends a replica (on Vertex AI: when its machine is taken away) the job starts anew, where its
        scheduling says so; on spot machines unless it says that it must not.
        """
        deadline = self.context.clock.now().timestamp() + self._timeout_s
        restarts = scheduling.restarts(self.job.job_spec)
        ended = self._attempt(deadline)
        while ended.killed and restarts and not self.cancelled.is_set():
            restarts -= 1
            ended = self._attempt(deadline)
        if ended.killed and scheduling.strategy(self.job.job_spec) == scheduling.SPOT:
            return replace(ended, message=f"STOCKOUT: spot machines were taken away: {ended.message}")
        return ended

    def _attempt(self, deadline: float) -> Ended:
        """Starts all replicas, and waits until they have succeeded or one has failed; then all are ended."""
        replicas = resource.replicas(self.job)
        ports = dict(zip(replicas, free_ports(len(replicas)), strict=True))
        processes: dict[Replica, Process] = {}
        try:
            for replica in replicas:
                processes[replica] = self._start(ports, replica)
            return self._wait(processes, deadline)
        except OSError as error:
            return Ended(FAILED, f"the container's command does not start: {error}")
        except StoppingError as error:
            return Ended(FAILED, str(error))
        finally:
            # All are asked first, so that their times to end do not add up.
            for process in processes.values():
                process.send(signal.SIGTERM)
            for process in processes.values():
                process.stop()

    def _start(self, ports: Mapping[Replica, int], replica: Replica) -> Process:
        pool, index = replica
        spec = self.job.job_spec.worker_pool_specs[pool].container_spec
        log = self.context.logs / f"job-{self.job.name.rpartition('/')[2]}-{pool}-{index}.log"
        variables = resource.environment(self.job, ports, replica)
        argv = tuple(expanded(word, variables) for word in (*spec.command, *spec.args))
        return self.context.supervisor.start(Command(argv, variables, self.context.state, log))

    def _wait(self, processes: Mapping[Replica, Process], deadline: float) -> Ended:
        while True:
            if self.cancelled.is_set():
                return Ended(CANCELLED, "the job was cancelled")
            codes = {replica: process.poll() for replica, process in processes.items()}
            for (pool, index), code in codes.items():
                if code:
                    said = processes[pool, index].tail(_TAIL_LINES)
                    message = f"replica workerpool{pool}-{index} ended with {code}:\n{said}"
                    return Ended(FAILED, message, killed=code < 0)
            if all(code == 0 for (pool, _), code in codes.items() if pool in resource.TASK_POOLS):
                return Ended(SUCCEEDED)
            if self.context.clock.now().timestamp() > deadline:
                return Ended(FAILED, f"the job did not end within {self._timeout_s} s, its timeout")
            # Not by the clock: processes run in the machine's time.
            self.cancelled.wait(_POLL_S)

    @property
    def _timeout_s(self) -> int:
        return int(self.job.job_spec.scheduling.timeout.seconds) or scheduling.DEFAULT_TIMEOUT_S
