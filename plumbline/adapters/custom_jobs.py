"""Vertex AI custom jobs: made, waited for, never left running."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from google.cloud import aiplatform_v1 as vertex
from google.protobuf import duration_pb2

from plumbline.adapters.operations import service_errors
from plumbline.adapters.registry import encryption, parent
from plumbline.adapters.retries import once, patience_of
from plumbline.environment import Place
from plumbline.errors import ServiceError
from plumbline.hardware import Hardware
from plumbline.training import environment, replicas

_STATES = vertex.JobState
_ENDED = frozenset(
    {_STATES.JOB_STATE_SUCCEEDED, _STATES.JOB_STATE_FAILED, _STATES.JOB_STATE_CANCELLED, _STATES.JOB_STATE_EXPIRED}
)
_STRATEGIES = {
    # Standard is what Vertex AI takes by itself, so nothing is said.
    "standard": None,
    "spot": vertex.Scheduling.Strategy.SPOT,
    "flex_start": vertex.Scheduling.Strategy.FLEX_START,
}
OUTPUT = "output"
"""The label that tells which output a job writes, as a digest."""


@dataclass(frozen=True, slots=True)
class Job:
    """A container to run on some machines."""

    name: str
    image: str
    command: Sequence[str]
    arguments: Sequence[str]
    environment: Mapping[str, str]
    output: str
    """gs:// URI of the folder under which AIP_MODEL_DIR and the others lie."""
    labels: Mapping[str, str] = field(default_factory=dict)


def run(
    jobs: vertex.JobServiceClient,
    place: Place,
    job: Job,
    hardware: Hardware,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Runs a job to its end and returns its resource name.

    A job that an interrupted step has left running for the same output is waited for, not started twice. The job is
    cancelled when the waiting ends early, by an error or an interrupt: nobody would pay attention to it.

    Raises:
        ServiceError: Vertex AI refuses the job, or it does not succeed; the message is the job's own.
    """
    wanted, mark = custom_job(place, job, hardware), marked(job.output)
    wanted.labels[OUTPUT] = mark
    with service_errors(f"starting the job {job.name}"):
        made = once(
            jobs,
            lambda: _running(jobs, place, mark),
            lambda: jobs.create_custom_job(parent=parent(place), custom_job=wanted, retry=None),
        )
    waiting = Waiting(
        made.name,
        look=lambda: jobs.get_custom_job(name=made.name),
        cancel=lambda: jobs.cancel_custom_job(name=made.name),
        patience_s=hardware.wait_s + hardware.timeout_s + patience_of(jobs).margin_s,
    )
    ended = await_end(jobs, waiting, sleep)
    if ended.state != _STATES.JOB_STATE_SUCCEEDED:
        state = ended.state.name.removeprefix("JOB_STATE_").lower()
        raise ServiceError(f"the job {job.name} {state}: {ended.error.message or 'see its log'} ({made.name})")
    return made.name


def marked(output: str) -> str:
    """The value of the label OUTPUT for an output."""
    return hashlib.sha256(output.encode()).hexdigest()[:32]


def _running(jobs: vertex.JobServiceClient, place: Place, mark: str) -> vertex.CustomJob | None:
    """The job that writes to the same output and has not ended."""
    request = vertex.ListCustomJobsRequest(parent=parent(place), filter=f'labels.{OUTPUT}="{mark}"')
    return next((job for job in jobs.list_custom_jobs(request) if not Waiting.is_over(job)), None)


class Ending(Protocol):
    """A job of any kind."""

    state: vertex.JobState


AnyJob = TypeVar("AnyJob", bound=Ending)


@dataclass(frozen=True, slots=True)
class Waiting(Generic[AnyJob]):
    """A job to wait for."""

    name: str
    look: Callable[[], AnyJob]
    cancel: Callable[[], object]
    patience_s: float

    @staticmethod
    def is_over(job: Ending) -> bool:
        """Whether a job has ended."""
        return job.state in _ENDED


def await_end(jobs: vertex.JobServiceClient, waiting: Waiting[AnyJob], sleep: Callable[[float], None]) -> AnyJob:
    """The job as it ended. It is cancelled when the waiting ends early: nobody would pay attention to it.

    Raises:
        ServiceError: It does not end in time, or cannot be looked at.
    """
    try:
        return _wait(waiting, patience_of(jobs).pauses(), sleep)
    except BaseException:
        waiting.cancel()
        raise


def _wait(waiting: Waiting[AnyJob], pauses: Iterator[float], sleep: Callable[[float], None]) -> AnyJob:
    waited = 0.0
    while True:
        with service_errors(f"reading {waiting.name}"):
            job = waiting.look()
        if waiting.is_over(job):
            return job
        if waited > waiting.patience_s:
            raise ServiceError(f"{waiting.name} is still {job.state.name} after {waited:.0f} s; it was cancelled")
        sleep(pause := next(pauses))
        waited += pause


def custom_job(place: Place, job: Job, hardware: Hardware) -> vertex.CustomJob:
    """The job as Vertex AI is asked for it: one pool for the chief, one for the workers where there are any."""
    container = _container(job, hardware)
    pools = [
        vertex.WorkerPoolSpec(
            machine_spec=_machine(hardware),
            replica_count=count,
            container_spec=container,
            disk_spec=vertex.DiskSpec(boot_disk_size_gb=hardware.disk_gb),
        )
        for count in replicas(hardware)
    ]
    spec = vertex.CustomJobSpec(
        worker_pool_specs=pools,
        base_output_directory=vertex.GcsDestination(output_uri_prefix=job.output),
        scheduling=_scheduling(hardware),
        service_account=place.service_account or None,
        network=place.network or None,
    )
    labels = {**place.labels, **job.labels}
    return vertex.CustomJob(display_name=job.name, job_spec=spec, labels=labels, encryption_spec=encryption(place))


def _machine(hardware: Hardware) -> vertex.MachineSpec:
    return vertex.MachineSpec(
        machine_type=hardware.machine_type,
        accelerator_type=hardware.accelerator_type or None,
        accelerator_count=hardware.accelerator_count,
        tpu_topology=hardware.tpu_topology or None,
        reservation_affinity=_reservation(hardware.reservation) if hardware.reservation else None,
    )


def _reservation(name: str) -> vertex.ReservationAffinity:
    """Source: Vertex AI, "Use reservations with training"."""
    return vertex.ReservationAffinity(
        reservation_affinity_type=vertex.ReservationAffinity.Type.SPECIFIC_RESERVATION,
        key="compute.googleapis.com/reservation-name",
        values=[name],
    )


def _container(job: Job, hardware: Hardware) -> vertex.ContainerSpec:
    variables = {**environment(hardware), **job.environment}
    return vertex.ContainerSpec(
        image_uri=job.image,
        command=list(job.command),
        args=list(job.arguments),
        env=[vertex.EnvVar(name=name, value=value) for name, value in variables.items()],
    )


def _scheduling(hardware: Hardware) -> vertex.Scheduling:
    waits = hardware.scheduling == "flex_start"
    return vertex.Scheduling(
        timeout=duration_pb2.Duration(seconds=hardware.timeout_s),
        strategy=_STRATEGIES[hardware.scheduling],
        max_wait_duration=duration_pb2.Duration(seconds=hardware.wait_s) if waits else None,
        restart_job_on_worker_restart=hardware.restart,
        disable_retries=not hardware.restart,
    )
