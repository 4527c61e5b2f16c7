"""One training run: from a config to a verdict."""

import datetime as dt
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from pipelines.code import code_digest
from pipelines.compiled import Spec, compile_training
from pipelines.follow import Say, follow
from pipelines.link import link
from pipelines.lint import check
from pipelines.parameters import images, lineage, parameters
from plumbline.adapters import bigquery, pipeline_jobs, registry
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
    spec: Spec
    """The compiled pipeline, its images linked."""


def run(request: Request, say: Say, *, now: Callable[[], dt.datetime]) -> Run:
    """The pipeline job as it ended. An interrupt cancels it, and still waits for its report.

    Raises:
        PlumblineError: The run cannot start; nothing was made.
    """
    order = prepare(request, now=now())
    pipelines = request.clients.pipelines()
    name = pipeline_jobs.submit(pipelines, request.clients.place, order)
    say(f"run {order.job_id}")

    def look() -> Run:
        return pipeline_jobs.look(pipelines, name)

    try:
        return follow(look, say)
    except KeyboardInterrupt:
        say("interrupted: ending the run; its report is still written")
        pipeline_jobs.cancel(pipelines, name)
        return follow(look, say)


def prepare(request: Request, *, now: dt.datetime) -> Order:
    """The order for a run, with every parameter."""
    config, environment, clients, code = request.loaded.config, request.environment, request.clients, request.code
    source = bigquery.source_version(clients.bigquery(), clients.place, config.data.tables)
    made_from = lineage(request.loaded, code=code, source_version=source)
    champion = registry.opponent(clients.models(), clients.place, config.name, made_from)
    values = parameters(request.loaded, environment, code=code, source_version=source, champion=champion)
    return Order(
        job_id=f"{config.name.replace('_', '-')}-{now:%Y%m%d%H%M%S}-{secrets.token_hex(2)}",
        display_name=config.name,
        spec=request.spec,
        parameters=values,
        root=f"gs://{environment.bucket}/runs",
        labels={**environment.labels, "problem": label(config.name), "code": label(code)},
    )


def linked(environment: Environment) -> tuple[str, Spec]:
    """The digest of the code, and the compiled pipeline with its images linked and checked.

    Raises:
        PlumblineError: Vertex AI Pipelines would refuse it.
    """
    code = code_digest()
    spec = link(compile_training(), images(environment, code))
    check(spec, linked=True)
    return code, spec
