"""A custom job's replicas as local processes."""

import threading
from dataclasses import dataclass, field

from emulator.aiplatform.context import Context
from emulator.aiplatform.custom_jobs import resource
from emulator.aiplatform.methods import Message
from emulator.aiplatform.ports import free_ports
from emulator.processes import Command, Process

_POLL_S = 0.02
_TAIL_LINES = 20
_DEFAULT_TIMEOUT_S = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended: an empty message means that it succeeded."""

    state: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs one job; `cancel` ends it from another thread."""

    context: Context
    job: Message
    cancelled: threading.Event = field(default_factory=threading.Event)

    def run(self) -> Ended:
        """Starts all replicas, and waits until all have succeeded or one has failed; then the others are ended too."""
        ended = self._attempt()
        again = self.job.job_spec.scheduling.restart_job_on_worker_restart
        return self._attempt() if ended.state == "JOB_STATE_FAILED" and again else ended

    def _attempt(self) -> Ended:
        replicas = resource.replicas(self.job)
        ports = dict(zip(replicas, free_ports(len(replicas)), strict=True))
        processes = {replica: self._start(ports, replica) for replica in replicas}
        try:
            return self._wait(processes)
        finally:
            for process in processes.values():
                process.stop()

    def _start(self, ports: dict[tuple[int, int], int], replica: tuple[int, int]) -> Process:
        pool, index = replica
        spec = self.job.job_spec.worker_pool_specs[pool].container_spec
        log = self.context.logs / f"job-{self.job.name.rpartition('/')[2]}-{pool}-{index}.log"
        variables = resource.environment(self.job, ports, replica)
        return self.context.supervisor.start(Command((*spec.command, *spec.args), variables, self.context.state, log))

    def _wait(self, processes: dict[tuple[int, int], Process]) -> Ended:
        timeout = self.job.job_spec.scheduling.timeout.seconds or _DEFAULT_TIMEOUT_S
        deadline = self.context.clock.now().timestamp() + timeout
        while True:
            codes = {replica: process.poll() for replica, process in processes.items()}
            for (pool, index), code in codes.items():
                if code:
                    said = processes[pool, index].tail(_TAIL_LINES)
                    return Ended("JOB_STATE_FAILED", f"replica workerpool{pool}-{index} ended with {code}:\n{said}")
            if all(code == 0 for code in codes.values()):
                return Ended("JOB_STATE_SUCCEEDED")
            if self.cancelled.is_set():
                return Ended("JOB_STATE_CANCELLED", "the job was cancelled")
            if self.context.clock.now().timestamp() > deadline:
                return Ended("JOB_STATE_FAILED", f"the job did not end within its timeout of {timeout} s")
            self.context.clock.sleep(_POLL_S)
