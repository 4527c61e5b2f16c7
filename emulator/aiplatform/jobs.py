"""JobService's jobs that run containers: created, looked up, listed, cancelled and deleted, whatever they run."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from google.protobuf import empty_pb2

from emulator.aiplatform.context import TYPES, Collection, Context, stamp
from emulator.aiplatform.custom_jobs.runner import CANCELLED, FAILED, Ended
from emulator.aiplatform.encryption import check_key
from emulator.aiplatform.errors import NUMBERS, precondition
from emulator.aiplatform.listing import listed
from emulator.aiplatform.methods import Message, message_class
from emulator.aiplatform.operations import Work, at_once
from emulator.aiplatform.states import set_state, state_name
from emulator.faults import FAILS, OPERATION_KINDS, Fault

log = logging.getLogger(__name__)
_STOP_S = 10.0
_STOPPED = "the emulator was stopped while the job ran"
_GOING_ON = ("JOB_STATE_QUEUED", "JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_CANCELLING")


class Running(Protocol):
    """A job that runs."""

    @property
    def job(self) -> Message:
        """The job."""

    @property
    def cancelled(self) -> threading.Event:
        """Ends it from another thread."""

    @property
    def ended(self) -> threading.Event:
        """Set once the job's end is written down."""

    def run(self) -> Ended:
        """Runs it to its end."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of job."""

    name: str
    """As its methods have it, such as CustomJob."""
    module: str
    """Of its message."""
    field: str
    """Of a request that creates one."""
    collection: str
    """In resource names."""
    check: Callable[[Message], None]
    """Refuses what Vertex AI would refuse."""
    complete: Callable[[Message], None]
    """Writes in what Vertex AI takes where it is not told."""
    running: Callable[[Context, Message, Callable[[], None]], Running]
    """Makes ready to run a job; the function writes the job down."""
    close: Callable[[Message, str], None] = lambda _, __: None
    """Ends the parts of a job that has ended, with its message."""


class JobRoutes:
    """The methods for one kind of job."""

    def __init__(self, context: Context, kind: Kind) -> None:
        """Jobs that ran when the emulator was killed are dead, so they have failed."""
        self._context, self._kind = context, kind
        self._jobs = Collection(context, f"{TYPES}.{kind.module}:{kind.name}")
        self._running: dict[str, Running] = {}
        self._stopping = False
        for job in self._jobs.all():
            if state_name(job) in _GOING_ON:
                self._end(job, Ended(FAILED, _STOPPED))

    def routes(self) -> Mapping[str, Callable[[Message], Message | Work | str]]:
        """Handlers by method."""
        name = self._kind.name
        return {
            f"Create{name}": self.create,
            f"Get{name}": lambda request: self._jobs.text(request.name),
            f"List{name}s": self.list,
            f"Cancel{name}": self.cancel,
            f"Delete{name}": at_once(self.delete),
        }

    def stop(self) -> None:
        """Fails every job that runs, as a kill would, and waits until its containers have ended."""
        self._stopping = True
        running = list(self._running.values())
        for one in running:
            one.cancelled.set()
        for one in running:
            one.ended.wait(_STOP_S)

    def create(self, request: Message) -> Message:
        """A new job, which starts at once."""
        kind, wanted = self._kind, getattr(request, self._kind.field)
        kind.check(wanted)
        check_key(wanted, request.parent, kind.field)
        job = _copy(wanted)
        job.name = f"{request.parent}/{kind.collection}/{self._context.store.next_number()}"
        kind.complete(job)
        set_state(job, "JOB_STATE_PENDING")
        stamp(job, self._context, "create_time", "update_time")
        running = self._running[job.name] = kind.running(self._context, job, lambda: self._jobs.put(job.name, job))
        self._jobs.put(job.name, job)
        answer = _copy(job)
        fault = self._context.faults.of_rpc(f"Create{kind.name}", OPERATION_KINDS)
        threading.Thread(target=self._run, args=(running, fault), name=job.name, daemon=True).start()
        return answer

    def list(self, request: Message) -> Message:
        """The jobs of a location."""
        response = message_class(f"{TYPES}.job_service:List{self._kind.name}sResponse")()
        return listed(request, response, self._jobs.all(f"{request.parent}/{self._kind.collection}/"))

    def cancel(self, request: Message) -> Message:
        """Asks a job to end; a job that has ended stays as it is."""
        self._jobs.get(request.name)
        if running := self._running.get(request.name):
            running.cancelled.set()
        return empty_pb2.Empty()

    def delete(self, request: Message) -> Message:
        """Takes away a job that has ended."""
        if state_name(self._jobs.get(request.name)) in _GOING_ON:
            raise precondition(f"{request.name} still runs; cancel it first")
        self._jobs.delete(request.name)
        return empty_pb2.Empty()

    def _run(self, running: Running, fault: Fault | None) -> None:
        try:
            ended = self._carry_out(running) if fault is None else _end_of(fault, running)
        except Exception as error:
            log.exception("%s", running.job.name)
            ended = Ended(FAILED, f"{type(error).__name__}: {error}")
        self._end(running.job, Ended(FAILED, _STOPPED) if self._stopping else ended)
        self._running.pop(running.job.name, None)
        running.ended.set()

    def _carry_out(self, running: Running) -> Ended:
        set_state(running.job, "JOB_STATE_RUNNING")
        stamp(running.job, self._context, "start_time", "update_time")
        self._jobs.put(running.job.name, running.job)
        return running.run()

    def _end(self, job: Message, ended: Ended) -> None:
        set_state(job, ended.state)
        if ended.message:
            job.error.code = NUMBERS["CANCELLED" if ended.state == CANCELLED else ended.code]
            job.error.message = ended.message
        stamp(job, self._context, "end_time", "update_time")
        self._kind.close(job, ended.message)
        self._jobs.put(job.name, job)


def _copy(job: Message) -> Message:
    made = type(job)()
    made.CopyFrom(job)
    return made


def _end_of(fault: Fault, running: Running) -> Ended:
    """How a job ends that was not to run: at once with the fault's error, or when it is cancelled."""
    if fault.kind == FAILS:
        return Ended(FAILED, fault.message, code=fault.code)
    running.cancelled.wait()
    return Ended(CANCELLED, "the job was cancelled")
