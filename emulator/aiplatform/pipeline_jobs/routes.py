"""PipelineService: jobs are run by the emulator's own interpreter of compiled pipelines."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from google.protobuf import empty_pb2, json_format

from emulator.aiplatform import wire
from emulator.aiplatform.context import TYPES, Collection, Context, stamp
from emulator.aiplatform.encryption import check_key
from emulator.aiplatform.errors import NUMBERS, exists, precondition
from emulator.aiplatform.listing import listed
from emulator.aiplatform.methods import Message, message_class
from emulator.aiplatform.operations import Work, at_once
from emulator.aiplatform.pipeline_jobs import resource
from emulator.aiplatform.states import set_state, state_name
from emulator.faults import FAILS, OPERATION_KINDS, Fault
from emulator.runtime.cache import CachedExecutor
from emulator.runtime.containers import ContainerExecutor
from emulator.runtime.run import Run, Settings
from emulator.runtime.tasks import CANCELLED, FAILED, Json, TaskEvent

log = logging.getLogger(__name__)
_KIND = f"{TYPES}.pipeline_job:PipelineJob"
_ENDED = ("PIPELINE_STATE_SUCCEEDED", "PIPELINE_STATE_FAILED", "PIPELINE_STATE_CANCELLED")
_FAST = "PIPELINE_FAILURE_POLICY_FAIL_FAST"
_STOP_S = 20.0


@dataclass(frozen=True, slots=True)
class _Running:
    run: Run
    thread: threading.Thread


class PipelineJobRoutes:
    """The methods of PipelineService that the emulator has."""

    def __init__(self, context: Context) -> None:
        """Jobs that ran when the emulator was killed have failed; the next run goes on from the cache."""
        self._context = context
        self._jobs = Collection(context, _KIND)
        self._running: dict[str, _Running] = {}
        self.when_ended: Callable[[str], None] = lambda _: None
        """Told the schedule of a job that has ended, where it has one."""
        containers = ContainerExecutor(context.supervisor, context.state, context.path)
        self._execute = CachedExecutor(containers, context.state / "cache", context.objects)
        for job in self._jobs.all():
            if state_name(job) not in _ENDED:
                self._end(
                    job, FAILED, "the emulator was stopped while the job ran; run it again to go on from its cache"
                )

    def routes(self) -> Mapping[str, Callable[[Message], Message | Work | str]]:
        """Handlers by method."""
        return {
            "CreatePipelineJob": self.create,
            "GetPipelineJob": lambda request: self._jobs.text(request.name),
            "ListPipelineJobs": self.list,
            "CancelPipelineJob": self.cancel,
            "DeletePipelineJob": at_once(self.delete),
        }

    def stop(self) -> None:
        """Cancels every job that runs, and waits for their exit tasks."""
        running = list(self._running.values())
        for one in running:
            one.run.cancelled.set()
        for one in running:
            one.thread.join(_STOP_S)

    def create(self, request: Message) -> Message:
        """A new job, which starts at once."""
        return self.begin(request)

    def check(self, request: Message) -> Mapping[str, Json]:
        """The parameters of the job that a request asks for.

        Raises:
            ApiError: Vertex AI would not take it, or the emulator cannot run it.
        """
        wire.only(request, ("parent", "pipeline_job", "pipeline_job_id"), "CreatePipelineJobRequest")
        check_key(request.pipeline_job, request.parent, "pipeline_job")
        return resource.check(request.pipeline_job)

    def begin(self, request: Message, schedule: str = "") -> Message:
        """A new job, which starts at once: by a schedule, where one is named.

        Raises:
            ApiError: It cannot be, or there is one of that name.
        """
        parameters = self.check(request)
        job_id = request.pipeline_job_id or f"job-{self._context.store.next_number()}"
        resource.check_id(job_id)
        job = type(request.pipeline_job)()
        job.CopyFrom(request.pipeline_job)
        job.name, job.schedule_name = f"{request.parent}/pipelineJobs/{job_id}", schedule
        set_state(job, "PIPELINE_STATE_PENDING")
        stamp(job, self._context, "create_time", "update_time")
        with self._context.lock:
            if self._jobs.find(job.name) is not None:
                raise exists(job.name)
            self._jobs.put(job.name, job)
        self._start(job, parameters)
        return job

    def list(self, request: Message) -> Message:
        """The jobs of a location, the newest first unless asked otherwise."""
        response = message_class(f"{TYPES}.pipeline_service:ListPipelineJobsResponse")()
        found = self._jobs.all(f"{request.parent}/pipelineJobs/")
        return listed(request, response, sorted(found, key=lambda job: job.create_time.ToNanoseconds(), reverse=True))

    def cancel(self, request: Message) -> Message:
        """Asks a job to end: nothing new starts, what runs is stopped, the exit task still runs."""
        self._jobs.get(request.name)
        if running := self._running.get(request.name):
            running.run.cancelled.set()
        return empty_pb2.Empty()

    def delete(self, request: Message) -> Message:
        """Takes away a job that has ended."""
        if state_name(self._jobs.get(request.name)) not in _ENDED:
            raise precondition(f"{request.name} still runs; cancel it first")
        self._jobs.delete(request.name)
        return empty_pb2.Empty()

    def exists(self, name: str) -> bool:
        """Whether there is a job of that name, going on or ended."""
        return self._jobs.find(name) is not None

    def active(self, schedule: str) -> int:
        """How many jobs of a schedule have not ended."""
        return sum(1 for job in self._jobs.all() if job.schedule_name == schedule and state_name(job) not in _ENDED)

    def _start(self, job: Message, parameters: Mapping[str, Json]) -> None:
        config = job.runtime_config

        def observe(event: TaskEvent) -> None:
            with self._context.lock:
                now = self._jobs.get(job.name)
                resource.write_detail(now, event)
                self._keep(now)

        policy = config.DESCRIPTOR.fields_by_name["failure_policy"].enum_type.values_by_number[config.failure_policy]
        settings = Settings(
            job=job.name,
            root=config.gcs_output_directory.rstrip("/"),
            execute=self._execute,
            clock=self._context.clock,
            observe=observe,
            stop_early=policy.name == _FAST,
        )
        run = Run(json_format.MessageToDict(job.pipeline_spec), settings)
        fault = self._context.faults.of_rpc("CreatePipelineJob", OPERATION_KINDS)
        arguments = (job.name, run, parameters, fault)
        thread = threading.Thread(target=self._run, args=arguments, name=job.name, daemon=True)
        self._running[job.name] = _Running(run, thread)
        thread.start()

    def _run(self, name: str, run: Run, parameters: Mapping[str, Json], fault: Fault | None) -> None:
        code = "FAILED_PRECONDITION" if fault is None else fault.code
        try:
            state, error = self._carry_out(name, run, parameters) if fault is None else _end_of(fault, run)
        except Exception as problem:
            log.exception("%s", name)
            state, error = FAILED, f"{type(problem).__name__}: {problem}"
        with self._context.lock:
            job = self._jobs.get(name)
            self._end(job, state, error, code)
        self._running.pop(name, None)
        if job.schedule_name:
            self.when_ended(job.schedule_name)

    def _carry_out(self, name: str, run: Run, parameters: Mapping[str, Json]) -> tuple[str, str]:
        with self._context.lock:
            job = self._jobs.get(name)
            set_state(job, "PIPELINE_STATE_RUNNING")
            stamp(job, self._context, "start_time")
            self._keep(job)
        result = run.execute(parameters)
        return result.state, result.error

    def _end(self, job: Message, state: str, error: str, code: str = "FAILED_PRECONDITION") -> None:
        set_state(job, f"PIPELINE_STATE_{state}")
        if error:
            job.error.code, job.error.message = NUMBERS[code], error
        stamp(job, self._context, "end_time")
        self._keep(job)

    def _keep(self, job: Message) -> None:
        stamp(job, self._context, "update_time")
        self._jobs.put(job.name, job)


def _end_of(fault: Fault, run: Run) -> tuple[str, str]:
    """State and error of a job that was not to run: at once the fault's, or when it is cancelled."""
    if fault.kind == FAILS:
        return FAILED, fault.message
    run.cancelled.wait()
    return CANCELLED, ""
