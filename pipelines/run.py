"""One training run: from a config to a verdict."""

import datetime as dt
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.compiled import Graph, Spec, compiled_once
from pipelines.follow import Say, follow
from pipelines.link import link
from pipelines.parameters import parameters
from plumbline.adapters import pipeline_jobs
from plumbline.adapters.clients import Clients
from plumbline.adapters.locks import held, lock_of
from plumbline.adapters.pipeline_jobs import Order
from plumbline.adapters.retries import patience_of
from plumbline.config import Loaded
from plumbline.environment import Environment
from plumbline.errors import ServiceError
from plumbline.labels import label
from plumbline.runs import Run

INPUTS = "inputs"
"""The label of a pipeline job that tells everything it was started with, as a digest."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to run, and where."""

    loaded: Loaded
    environment: Environment
    clients: Clients
    code: str
    """Digest of the code, hexadecimal."""
    images: Mapping[str, str]
    """With their digests, by the plain names that the compiled pipeline has."""
    spec: Spec
    """The compiled pipeline, its images linked."""


def start(request: Request, say: Say, *, now: Callable[[], dt.datetime]) -> str:
    """The resource name of the pipeline job: a new one, or the one that runs already with the very same inputs.

    Raises:
        PlumblineError: The run cannot start; nothing was made.
    """
    config, clients, at = request.loaded.config, request.clients, now()
    wanted = order(request, job_id=f"{config.name.replace('_', '-')}-{at:%Y%m%d%H%M%S}-{secrets.token_hex(2)}")
    lock = lock_of(config.name)
    with held(clients.storage(), clients.place.bucket, lock, now=at, holder=wanted.job_id) as ours:
        if not ours:
            raise ServiceError(f"another caller is starting a run of {config.name} at this moment: try again")
        return _started(request, wanted, say)


def _started(request: Request, wanted: Order, say: Say) -> str:
    clients = request.clients
    for job in pipeline_jobs.running(clients.pipelines(), clients.place, wanted.labels["problem"]):
        run_id = job.name.rpartition("/")[2]
        if job.labels.get(INPUTS) != wanted.labels[INPUTS]:
            raise ServiceError(
                f"{run_id} of the same problem is under way with other code or config: wait for it, or `make cancel`"
            )
        say(f"run {run_id} is under way with the same code and config: following it")
        return str(job.name)
    say(f"run {wanted.job_id}")
    return pipeline_jobs.submit(clients.pipelines(), clients.place, wanted)


def watch(request: Request, name: str, say: Say) -> Run:
    """The pipeline job as it ended, after telling how its steps went."""
    pipelines = request.clients.pipelines()
    return follow(lambda: pipeline_jobs.look(pipelines, name), say, patience_of(pipelines).pauses())


def order(request: Request, *, job_id: str) -> Order:
    """The order for a run under an id."""
    config, environment, code = request.loaded.config, request.environment, request.code
    values = parameters(request.loaded, environment, code=code, images=request.images)
    inputs = hashlib.sha256(json.dumps([request.spec, values], sort_keys=True).encode()).hexdigest()
    return Order(
        job_id=job_id,
        display_name=config.name,
        spec=request.spec,
        parameters=values,
        root=f"gs://{environment.bucket}/runs",
        labels={
            **environment.labels,
            "problem": label(config.name),
            "code": label(code),
            INPUTS: inputs[:40],
        },
    )


def linked(images: Mapping[str, str], *, state: Path, graph: Graph = "training") -> Spec:
    """A compiled pipeline, checked, with its images linked.

    Args:
        images: With their digests, by the plain names that the compiled pipeline has.
        state: The folder of this machine below which compiled pipelines are kept.
        graph: Which pipeline.

    Raises:
        PlumblineError: Vertex AI Pipelines would refuse it, or an image has no digest.
    """
    return link(compiled_once(state / "compiled", graph), images)
