"""One training run: from a config to a verdict."""

import datetime as dt
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipelines.compiled import Spec, compile_training
from pipelines.follow import Say, follow
from pipelines.link import link
from pipelines.lint import check
from pipelines.parameters import parameters
from plumbline.adapters import bigquery, pipeline_jobs
from plumbline.adapters.clients import Clients
from plumbline.adapters.pipeline_jobs import Order
from plumbline.candidate import label
from plumbline.config import Loaded
from plumbline.environment import Environment
from plumbline.runs import Run


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


def run(request: Request, say: Say, *, now: Callable[[], dt.datetime]) -> Run:
    """The pipeline job as it ended.

    Raises:
        PlumblineError: The run cannot start; nothing was made.
    """
    return watch(request, start(request, say, now=now), say)


def start(request: Request, say: Say, *, now: Callable[[], dt.datetime]) -> str:
    """The resource name of a new pipeline job."""
    wanted = prepare(request, now=now())
    name = pipeline_jobs.submit(request.clients.pipelines(), request.clients.place, wanted)
    say(f"run {wanted.job_id}")
    return name


def watch(request: Request, name: str, say: Say) -> Run:
    """The pipeline job as it ended. An interrupt cancels it, and still waits for its report."""
    pipelines = request.clients.pipelines()

    def look() -> Run:
        return pipeline_jobs.look(pipelines, name)

    try:
        return follow(look, say)
    except KeyboardInterrupt:
        say("interrupted: ending the run; its report is still written")
        pipeline_jobs.cancel(pipelines, name)
        return follow(look, say)


def prepare(request: Request, *, now: dt.datetime) -> Order:
    """The order for a run, with every parameter.

    Raises:
        DataError: A source table is not there, or is a view.
    """
    config, clients = request.loaded.config, request.clients
    bigquery.source_version(clients.bigquery(), clients.place, config.data.tables)
    return order(request, job_id=f"{config.name.replace('_', '-')}-{now:%Y%m%d%H%M%S}-{secrets.token_hex(2)}")


def order(request: Request, *, job_id: str) -> Order:
    """The order under an id."""
    config, environment, code = request.loaded.config, request.environment, request.code
    return Order(
        job_id=job_id,
        display_name=config.name,
        spec=request.spec,
        parameters=parameters(request.loaded, environment, code=code, images=request.images),
        root=f"gs://{environment.bucket}/runs",
        labels={**environment.labels, "problem": label(config.name), "code": label(code)},
    )


def linked(images: Mapping[str, str]) -> Spec:
    """The compiled pipeline with its images linked, and checked.

    Raises:
        PlumblineError: Vertex AI Pipelines would refuse it.
    """
    spec = link(compile_training(), images)
    check(spec, linked=True)
    return spec
