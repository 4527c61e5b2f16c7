"""JobService's custom jobs: create, look up, list, cancel, delete."""

import logging
import threading
from collections.abc import Callable, Mapping

from google.protobuf import empty_pb2

from emulator.aiplatform.context import TYPES, Collection, Context, stamp
from emulator.aiplatform.custom_jobs import resource, scheduling
from emulator.aiplatform.custom_jobs.runner import CANCELLED, FAILED, Ended, Runner
from emulator.aiplatform.encryption import check_key
from emulator.aiplatform.errors import NUMBERS, precondition
from emulator.aiplatform.listing import listed
from emulator.aiplatform.methods import Message, message_class
from emulator.aiplatform.operations import Work, at_once
from emulator.aiplatform.states import set_state, state_name
from emulator.faults import FAILS, OPERATION_KINDS, Fault

log = logging.getLogger(__name__)
_KIND = f"{TYPES}.custom_job:CustomJob"
_STOP_S = 10.0
_STOPPED = "the emulator was stopped while the job ran"
_GOING_ON = ("JOB_STATE_QUEUED", "JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_CANCELLING")


class CustomJobRoutes:
    """The methods of JobService for custom jobs that the emulator has."""

    def __init__(self, context: Context) -> None:
        """Jobs that ran when the emulator was killed are dead, so they have failed."""
        self._context = context
        self._jobs = Collection(context, _KIND)
        self._runners: dict[str, Runner] = {}
        self._stopping = False
        for job in self._jobs.all():
            if state_name(job) in _GOING_ON:
                self._end(job, Ended(FAILED, _STOPPED))

    def routes(self) -> Mapping[str, Callable[[Message], Message | Work | str]]:
        """Handlers by method."""
        return {
            "CreateCustomJob": self.create,
            "GetCustomJob": lambda request: self._jobs.text(request.name),
            "ListCustomJobs": self.list,
            "CancelCustomJob": self.cancel,
            "DeleteCustomJob": at_once(self.delete),
        }

    def stop(self) -> None:
        """Fails every job that runs, as a kill would, and waits until their replicas have ended."""
        self._stopping = True
        running = list(self._runners.values())
        for runner in running:
            runner.cancelled.set()
        for runner in running:
            runner.ended.wait(_STOP_S)

    def create(self, request: Message) -> Message:
        """A new job, which starts at once."""
        resource.check(request.custom_job)
        check_key(request.custom_job, request.parent, "custom_job")
        job = type(request.custom_job)()
        job.CopyFrom(request.custom_job)
        job.name = f"{request.parent}/customJobs/{self._context.store.next_number()}"
        scheduling.write_defaults(job.job_spec)
        set_state(job, "JOB_STATE_PENDING")
        stamp(job, self._context, "create_time", "update_time")
        runner = self._runners[job.name] = Runner(self._context, job)
        self._jobs.put(job.name, job)
        fault = self._context.faults.of_rpc("CreateCustomJob", OPERATION_KINDS)
        threading.Thread(target=self._run, args=(runner, fault), name=job.name, daemon=True).start()
        return job

    def list(self, request: Message) -> Message:
        """The jobs of a location."""
        response = message_class(f"{TYPES}.job_service:ListCustomJobsResponse")()
        return listed(request, response, self._jobs.all(f"{request.parent}/customJobs/"))

    def cancel(self, request: Message) -> Message:
        """Asks a job to end; a job that has ended stays as it is."""
        self._jobs.get(request.name)
        if runner := self._runners.get(request.name):
            runner.cancelled.set()
        return empty_pb2.Empty()

    def delete(self, request: Message) -> Message:
        """Takes away a job that has ended."""
        if state_name(self._jobs.get(request.name)) in _GOING_ON:
            raise precondition(f"{request.name} still runs; cancel it first")
        self._jobs.delete(request.name)
        return empty_pb2.Empty()

    def _run(self, runner: Runner, fault: Fault | None) -> None:
        job = self._jobs.get(runner.job.name)
        try:
            ended = self._carry_out(job, runner) if fault is None else _end_of(fault, runner)
        except Exception as error:
            log.exception("%s", job.name)
            ended = Ended(FAILED, f"{type(error).__name__}: {error}")
        self._end(job, Ended(FAILED, _STOPPED) if self._stopping else ended)
        self._runners.pop(job.name, None)
        runner.ended.set()

    def _carry_out(self, job: Message, runner: Runner) -> Ended:
        set_state(job, "JOB_STATE_RUNNING")
        stamp(job, self._context, "start_time", "update_time")
        self._jobs.put(job.name, job)
        return runner.run()

    def _end(self, job: Message, ended: Ended) -> None:
        set_state(job, ended.state)
        if ended.message:
            job.error.code = NUMBERS["CANCELLED" if ended.state == CANCELLED else ended.code]
            job.error.message = ended.message
        stamp(job, self._context, "end_time", "update_time")
        self._jobs.put(job.name, job)


def _end_of(fault: Fault, runner: Runner) -> Ended:
    """How a job ends that was not to run: at once with the fault's error, or when it is cancelled."""
    if fault.kind == FAILS:
        return Ended(FAILED, fault.message, code=fault.code)
    runner.cancelled.wait()
    return Ended(CANCELLED, "the job was cancelled")
