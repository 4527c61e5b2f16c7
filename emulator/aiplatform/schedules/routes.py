"""ScheduleService: schedules that start pipeline jobs."""

from collections.abc import Callable, Mapping

from google.protobuf import empty_pb2

from emulator.aiplatform import wire
from emulator.aiplatform.context import TYPES, Collection, Context, stamp
from emulator.aiplatform.listing import listed
from emulator.aiplatform.methods import Message, message_class
from emulator.aiplatform.operations import Work, at_once
from emulator.aiplatform.pipeline_jobs.routes import PipelineJobRoutes
from emulator.aiplatform.schedules import resource
from emulator.aiplatform.schedules.scheduler import KIND, Scheduler
from emulator.aiplatform.states import set_state, state_name


class ScheduleRoutes:
    """The methods of ScheduleService that the emulator has."""

    def __init__(self, context: Context, jobs: PipelineJobRoutes) -> None:
        """Schedules go on after a restart; what would have run meanwhile is left out, unless it is to be caught up."""
        self._context = context
        self._jobs = jobs
        self._schedules = Collection(context, KIND)
        self._scheduler = Scheduler(context, jobs)
        going_on = [one for one in self._schedules.all() if state_name(one) == resource.ACTIVE]
        for schedule in going_on:
            if not schedule.catch_up:
                resource.begin_anew(schedule, context.clock.now())
                self._schedules.put(schedule.name, schedule)
        if going_on:
            self._scheduler.look()

    def routes(self) -> Mapping[str, Callable[[Message], Message | Work]]:
        """Handlers by method."""
        return {
            "CreateSchedule": self.create,
            "GetSchedule": lambda request: self._schedules.get(request.name),
            "ListSchedules": self.list,
            "UpdateSchedule": self.update,
            "DeleteSchedule": at_once(self.delete),
            "PauseSchedule": self.pause,
            "ResumeSchedule": self.resume,
        }

    def stop(self) -> None:
        """Starts no more runs."""
        self._scheduler.stop()

    def create(self, request: Message) -> Message:
        """A new schedule, active at once."""
        now = self._context.clock.now()
        resource.check(request.schedule, request.parent, now)
        self._jobs.check(request.schedule.create_pipeline_job_request)
        schedule = type(request.schedule)()
        schedule.CopyFrom(request.schedule)
        schedule.name = f"{request.parent}/schedules/{self._context.store.next_number()}"
        stamp(schedule, self._context, "create_time")
        if not schedule.HasField("start_time"):
            schedule.start_time.CopyFrom(schedule.create_time)
        set_state(schedule, resource.ACTIVE)
        resource.begin_anew(schedule, now)
        return self._keep(schedule)

    def list(self, request: Message) -> Message:
        """The schedules of a location, the newest first unless asked otherwise."""
        response = message_class(f"{TYPES}.schedule_service:ListSchedulesResponse")()
        found = self._schedules.all(f"{request.parent}/schedules/")
        return listed(request, response, sorted(found, key=lambda one: one.create_time.ToNanoseconds(), reverse=True))

    def update(self, request: Message) -> Message:
        """A schedule with other settings; it goes on with the next run from now on."""
        wire.only(request, ("schedule", "update_mask"), "UpdateScheduleRequest")
        with self._context.lock:
            schedule = self._schedules.get(request.schedule.name)
            resource.check_can(schedule, resource.ACTIVE, resource.PAUSED)
            schedule = resource.changed(schedule, request.schedule, request.update_mask)
            now, parent = self._context.clock.now(), schedule.name.rpartition("/schedules/")[0]
            resource.check(resource.settings(schedule), parent, now)
            self._jobs.check(schedule.create_pipeline_job_request)
            resource.begin_anew(schedule, now)
            return self._keep(schedule)

    def delete(self, request: Message) -> Message:
        """Takes a schedule away; its runs go on."""
        self._schedules.delete(request.name)
        return empty_pb2.Empty()

    def pause(self, request: Message) -> Message:
        """An active schedule starts no more runs; those that run go on."""
        with self._context.lock:
            schedule = self._schedules.get(request.name)
            resource.check_can(schedule, resource.ACTIVE)
            set_state(schedule, resource.PAUSED)
            stamp(schedule, self._context, "last_pause_time")
            self._keep(schedule)
        return empty_pb2.Empty()

    def resume(self, request: Message) -> Message:
        """A paused schedule goes on, with the runs that it missed where it is to catch up."""
        with self._context.lock:
            schedule = self._schedules.get(request.name)
            resource.check_can(schedule, resource.PAUSED)
            set_state(schedule, resource.ACTIVE)
            stamp(schedule, self._context, "last_resume_time")
            schedule.catch_up = request.catch_up
            if not schedule.catch_up:
                resource.begin_anew(schedule, self._context.clock.now())
            self._keep(schedule)
        return empty_pb2.Empty()

    def _keep(self, schedule: Message) -> Message:
        stamp(schedule, self._context, "update_time")
        self._schedules.put(schedule.name, schedule)
        self._scheduler.look()
        return schedule
