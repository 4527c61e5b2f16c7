"""Starts the runs of schedules when their time has come, in a thread of its own that sleeps on the clock."""

import datetime as dt
import logging
import threading

from emulator.aiplatform.context import TYPES, Collection, Context, stamp
from emulator.aiplatform.errors import ApiError
from emulator.aiplatform.methods import Message
from emulator.aiplatform.pipeline_jobs.routes import PipelineJobRoutes
from emulator.aiplatform.schedules import resource
from emulator.aiplatform.schedules.resource import Step
from emulator.aiplatform.states import state_name

log = logging.getLogger(__name__)
KIND = f"{TYPES}.schedule:Schedule"
_STOP_S = 10.0


class Scheduler:
    """Runs the active schedules of one emulator."""

    def __init__(self, context: Context, jobs: PipelineJobRoutes) -> None:
        self._context = context
        self._jobs = jobs
        self._schedules = Collection(context, KIND)
        self._woken = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        jobs.when_ended = lambda _: self._woken.set()

    def look(self) -> None:
        """Has the schedules looked at, since one of them is new or another. The thread starts with the first one."""
        with self._context.lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="scheduler", daemon=True)
                self._thread.start()
        self._woken.set()

    def stop(self) -> None:
        """Starts nothing more, and waits until what is being started is."""
        self._stopping = True
        self._woken.set()
        if self._thread is not None:
            self._thread.join(_STOP_S)

    def _loop(self) -> None:
        while not self._stopping:
            self._woken.clear()
            self._context.clock.wait(self._woken, self._do_what_is_due(self._context.clock.now()))

    def _do_what_is_due(self, now: dt.datetime) -> dt.datetime | None:
        """When the next thing will be due, None where nothing will."""
        looks = []
        for schedule in self._schedules.all():
            try:
                with self._context.lock:
                    current = self._schedules.find(schedule.name)
                    if current is not None and state_name(current) == resource.ACTIVE:
                        looks.append(self._carry_on(current, now))
            except Exception:
                log.exception("%s", schedule.name)
        return min((look for look in looks if look is not None), default=None)

    def _carry_on(self, schedule: Message, now: dt.datetime) -> dt.datetime | None:
        """Does what is due for a schedule; when it is to be looked at again by itself."""
        while not self._stopping:
            step = resource.step(schedule, now, self._jobs.active(schedule.name))
            if step is Step.WAIT:
                return resource.next_look(schedule)
            if step is Step.QUEUE:
                return None
            if step is Step.COMPLETE:
                resource.complete(schedule)
            else:
                if step is Step.START:
                    self._start(schedule)
                resource.move_on(schedule)
            stamp(schedule, self._context, "update_time")
            self._schedules.put(schedule.name, schedule)
            if step is Step.COMPLETE:
                return None
        return None

    def _start(self, schedule: Message) -> None:
        """The run that is due, with what came of starting it written down."""
        request = type(schedule.create_pipeline_job_request)()
        request.CopyFrom(schedule.create_pipeline_job_request)
        request.pipeline_job_id = self._free_id(request.parent, resource.job_id(schedule))
        response = schedule.last_scheduled_run_response
        response.scheduled_run_time.CopyFrom(schedule.next_run_time)
        try:
            response.run_response = self._jobs.begin(request, schedule.name).name
            schedule.started_run_count += 1
        except ApiError as error:
            response.run_response = f"{error.code}: {error.message}"

    def _free_id(self, parent: str, wanted: str) -> str:
        """The id that is wanted, or one like it where another schedule of the pipeline has it."""
        taken = self._jobs.exists(f"{parent}/pipelineJobs/{wanted}")
        return f"{wanted}-{self._context.store.next_number()}" if taken else wanted
