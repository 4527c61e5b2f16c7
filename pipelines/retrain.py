"""`make retrain`: looks once whether a new model is to be trained, says why, and starts the training."""

from pipelines.commands import now
from pipelines.run import Request, order
from pipelines.session import Session
from plumbline.adapters import pipeline_jobs
from plumbline.adapters.retraining import launch, look


def retrain(session: Session, request: Request, *, start: bool) -> str:
    """The resource name of the training that was started, empty for none, after the decision was told.

    Args:
        session: Where, and what.
        request: Of the training.
        start: Whether a training may be started; otherwise it is only told what would be decided.

    Raises:
        PlumblineError: A query is refused, or a service fails.
    """
    clients, retraining = session.clients, session.loaded.config.retraining
    wanted = order(request, job_id="")
    if not start:
        session.say(look(clients, wanted, retraining, now=now()).text)
        session.say("nothing was started: it was only asked what would be decided")
        return ""
    started = launch(clients, wanted, retraining, now=now())
    session.say(started.decision.text)
    if started.run:
        run_id = started.run.rpartition("/")[2]
        session.say(f"run {run_id}")
        session.say(f"  {'console':<12} {pipeline_jobs.console(clients.place, run_id)}")
    return started.run
