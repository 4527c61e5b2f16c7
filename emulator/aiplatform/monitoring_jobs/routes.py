"""JobService's monitoring jobs: kept with the service's rules, and run on the emulator's clock."""

from collections.abc import Callable, Mapping

from google.protobuf import empty_pb2

from emulator.aiplatform.context import TYPES, Collection, Context, stamp
from emulator.aiplatform.deployed import ENDPOINT
from emulator.aiplatform.encryption import check_key
from emulator.aiplatform.errors import invalid, precondition
from emulator.aiplatform.listing import listed
from emulator.aiplatform.methods import Message, message_class
from emulator.aiplatform.monitoring_jobs import resource, search
from emulator.aiplatform.monitoring_jobs.watcher import KIND, Watcher
from emulator.aiplatform.operations import Work, at_once
from emulator.aiplatform.states import set_state, state_name

_PAUSED = "JOB_STATE_PAUSED"


class MonitoringJobRoutes:
    """The methods of JobService for monitoring jobs that the emulator has."""

    def __init__(self, context: Context) -> None:
        """Jobs go on after a restart, with the windows that ended meanwhile."""
        self._context = context
        self._watcher = Watcher(context)
        self._jobs = Collection(context, KIND)
        self._endpoints = Collection(context, ENDPOINT)
        if self._jobs.all():
            self._watcher.look()

    def routes(self) -> Mapping[str, Callable[[Message], Message | Work]]:
        """Handlers by method."""
        return {
            "CreateModelDeploymentMonitoringJob": self.create,
            "GetModelDeploymentMonitoringJob": lambda request: self._jobs.get(request.name),
            "ListModelDeploymentMonitoringJobs": self.list,
            "UpdateModelDeploymentMonitoringJob": at_once(self.update),
            "DeleteModelDeploymentMonitoringJob": at_once(self.delete),
            "PauseModelDeploymentMonitoringJob": self.pause,
            "ResumeModelDeploymentMonitoringJob": self.resume,
            "SearchModelDeploymentMonitoringStatsAnomalies": self.search,
        }

    def stop(self) -> None:
        """Looks at nothing more."""
        self._watcher.stop()

    def search(self, request: Message) -> Message:
        """What a job has found of a deployed model."""
        return search.searched(request, self._jobs.get(request.model_deployment_monitoring_job), self._context.store)

    def create(self, request: Message) -> Message:
        """The job of an endpoint that has none."""
        asked = request.model_deployment_monitoring_job
        check_key(asked, request.parent, "model_deployment_monitoring_job")
        with self._context.lock:
            endpoint = self._endpoints.get(asked.endpoint)
            if endpoint.model_deployment_monitoring_job:
                raise precondition(f"{endpoint.name} has {endpoint.model_deployment_monitoring_job} already")
            resource.check(asked, endpoint)
            job = type(asked)()
            job.CopyFrom(asked)
            number = self._context.store.next_number()
            job.name = f"{request.parent}/modelDeploymentMonitoringJobs/{number}"
            resource.round_interval(job)
            set_state(job, _working(job))
            stamp(job, self._context, "create_time")
            self._watcher.begin(job)
            self._keep(job)
            endpoint.model_deployment_monitoring_job = job.name
            self._endpoints.put(endpoint.name, endpoint)
        return job

    def list(self, request: Message) -> Message:
        """The monitoring jobs of a location."""
        response = message_class(f"{TYPES}.job_service:ListModelDeploymentMonitoringJobsResponse")()
        found = self._jobs.all(f"{request.parent}/modelDeploymentMonitoringJobs/")
        return listed(request, response, found)

    def update(self, request: Message) -> Message:
        """The job with other objectives, schedule, sampling or alerts."""
        asked, paths = request.model_deployment_monitoring_job, list(request.update_mask.paths)
        if not paths or (set(paths) - set(resource.CHANGEABLE)):
            raise invalid(f"update_mask names {paths}; it can name {list(resource.CHANGEABLE)}")
        with self._context.lock:
            job = self._jobs.get(asked.name)
            for path in paths:
                job.ClearField(path)
            wanted = type(job)()
            request.update_mask.MergeMessage(asked, wanted)
            job.MergeFrom(wanted)
            checked = type(job)()
            checked.CopyFrom(job)
            for field, _ in job.ListFields():
                if field.name not in resource.FIELDS:
                    checked.ClearField(field.name)
            resource.check(checked, self._endpoints.get(job.endpoint))
            resource.round_interval(job)
            self._watcher.reschedule(job)
            self._keep(job)
        return job

    def delete(self, request: Message) -> Message:
        """Takes the job off its endpoint."""
        with self._context.lock:
            job = self._jobs.get(request.name)
            endpoint = self._endpoints.find(job.endpoint)
            if endpoint is not None:
                endpoint.model_deployment_monitoring_job = ""
                self._endpoints.put(endpoint.name, endpoint)
            self._jobs.delete(request.name)
            self._watcher.forget(request.name)
        return empty_pb2.Empty()

    def pause(self, request: Message) -> Message:
        """The job stops looking."""
        with self._context.lock:
            job = self._jobs.get(request.name)
            set_state(job, _PAUSED)
            self._keep(job)
        return empty_pb2.Empty()

    def resume(self, request: Message) -> Message:
        """A paused job looks again."""
        with self._context.lock:
            job = self._jobs.get(request.name)
            if state_name(job) != _PAUSED:
                raise precondition(f"{job.name} is not paused")
            set_state(job, _working(job))
            self._watcher.begin(job)
            self._keep(job)
        return empty_pb2.Empty()

    def _keep(self, job: Message) -> None:
        stamp(job, self._context, "update_time")
        self._jobs.put(job.name, job)
        self._watcher.look()


def _working(job: Message) -> str:
    # Without a schema Vertex AI infers one from the first 1,000 predictions, and waits for them.
    return "JOB_STATE_RUNNING" if job.analysis_instance_schema_uri else "JOB_STATE_PENDING"
