"""`make evaluate`: the model that serves, judged on what it said and what came of it."""

import hashlib
import json
import secrets
from collections.abc import Iterator

from pipelines.commands import now
from pipelines.follow import follow
from pipelines.parameters import evaluation_parameters
from pipelines.run import INPUTS, Request, linked, order
from pipelines.session import Session
from plumbline.adapters import pipeline_jobs
from plumbline.adapters.pipeline_jobs import Order
from plumbline.adapters.retraining import save
from plumbline.adapters.retries import patience_of
from plumbline.labels import label
from plumbline.runs import OBSERVING, Run, first_line

OBSERVES = "observes"
"""The label of an evaluation. It has no label `problem`: those are the trainings, of which there is one at a time."""


def evaluate(session: Session, request: Request, *, at: str, wait: bool) -> int:
    """Runs the evaluation pipeline once; the exit status is 3 where a gate has failed.

    Args:
        session: Where, and what.
        request: Of the training that it may start.
        at: The time to look from, ISO 8601; empty for now.
        wait: Whether to follow the run to its end.

    Raises:
        PlumblineError: The run cannot start.
    """
    config, pipelines = session.loaded.config, session.clients.pipelines()
    run_id = f"{config.name.replace('_', '-')}-evaluation-{now():%Y%m%d%H%M%S}-{secrets.token_hex(2)}"
    wanted = evaluation_order(session, request, job_id=run_id, at=at)
    session.say(f"evaluation {run_id}")
    name = pipeline_jobs.submit(pipelines, session.clients.place, wanted)
    if not wait:
        session.say(f"  {'console':<12} {pipeline_jobs.console(session.clients.place, run_id)}")
        return 0
    ended = follow(lambda: pipeline_jobs.look(pipelines, name), session.say, patience_of(pipelines).pauses())
    for line in told(ended):
        session.say(line)
    if ended.state != "SUCCEEDED":
        return 1
    return 3 if ended.metadata("judge", "judgements").get("failed") else 0


def evaluation_order(session: Session, request: Request, *, job_id: str, at: str) -> Order:
    """The order for an evaluation under an id; that of the training which it may start is laid into the bucket.

    Raises:
        PlumblineError: The config has no section `observation`, or the bucket cannot be written.
    """
    config, environment, clients = session.loaded.config, session.environment, session.clients
    values = evaluation_parameters(session.loaded, environment, order=save(clients, order(request, job_id="")), at=at)
    spec = linked(request.images, state=session.state, graph="evaluation")
    inputs = hashlib.sha256(json.dumps([spec, values], sort_keys=True).encode()).hexdigest()
    labels = {OBSERVES: label(config.name), "code": label(request.code), INPUTS: inputs[:40]}
    return Order(
        job_id=job_id,
        display_name=f"{config.name}-evaluation",
        spec=spec,
        parameters=values,
        root=f"gs://{environment.bucket}/runs",
        labels={**environment.labels, **labels},
    )


def told(run: Run) -> Iterator[str]:
    """What came of an evaluation, as lines."""
    observed, judged = run.metadata("observe", "observed"), run.metadata("judge", "judgements")
    raised, decided = run.metadata("alert", "raised"), run.metadata("decide", "decision")
    if observed:
        counts = ("labels", "matched", "predictions", "late", "superseded", "unmatched", "unreadable", "overdue")
        listed = ", ".join(f"{name} {int(float(str(observed[name])))}" for name in counts)
        yield f"  {'window':<12} {observed['start']} to {observed['end']}: {listed}"
    if judged:
        yield f"  {'judged':<12} {judged['summary']}"
    if raised:
        new = [*_listed(raised.get("raised")), *_listed(run.metadata("drift", "distances").get("raised"))]
        yield f"  {'alerts':<12} {'; '.join(map(str, new)) or 'no new one'}"
    if decided:
        yield f"  {'training':<12} {decided['text']}"
    if started := run.metadata("launch", "training"):
        name = started.get("resourceName")
        yield f"  {'started' if name else 'not started':<12} {name or started['text']}"
    for name in OBSERVING:
        if (step := run.steps.get(name)) and step.error:
            yield f"  {name:<12} FAILED: {first_line(step.error)}"


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []
