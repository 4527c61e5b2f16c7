"""The commands against a Google Cloud project. They work against the emulator just as well."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines import evaluate as evaluate_
from pipelines import janitor as janitors
from pipelines import plan as plans
from pipelines import retrain as retrains
from pipelines.code import code_digest
from pipelines.commands import now
from pipelines.finish import finish
from pipelines.follow import Say
from pipelines.images import CPU, GPU, Wanted, obtain, read_images
from pipelines.parameters import local_images
from pipelines.run import Request, linked, order, start, watch
from pipelines.session import Session
from plumbline.adapters import endpoints as on
from plumbline.adapters import monitoring_jobs, pipeline_jobs, pipeline_repository, schedules
from plumbline.adapters.pipeline_jobs import Order
from plumbline.adapters.registry import parent
from plumbline.adapters.rollback import roll_back
from plumbline.adapters.storage import ensure_bucket
from plumbline.cost import check_cost
from plumbline.deployment import STAGING
from plumbline.environment import Schedule
from plumbline.errors import PlumblineError, ServiceError
from plumbline.finding import Finding, failed
from plumbline.labels import label

Examined = Callable[[Say], Sequence[Finding]]
NOT_STARTED = 2
"""Exit status: nothing was started, because something is missing or wrong."""


def run_pipeline(session: Session, examined: Examined, *, wait: bool, images: Path | None) -> int:
    """Doctor, plan, images, submission, progress, verdict; the exit status is that of a local run.

    Args:
        session: Where, and what.
        examined: Doctor's findings, which are waited for and said.
        wait: Whether to follow the run to its end.
        images: A folder with what containers/build.sh has printed; None where the images are to be found or built.
    """
    request = _request(session, examined, images)
    if request is None:
        session.say("nothing was started")
        return NOT_STARTED
    name = start(request, session.say, now=now)
    session.say(f"  {'console':<12} {pipeline_jobs.console(session.clients.place, name.rpartition('/')[2])}")
    if not wait:
        session.say("not waiting: the same command without WAIT=no follows the run, `make cancel` ends it")
        return 0
    try:
        ended = watch(request, name, session.say)
    except KeyboardInterrupt:
        session.say("the run goes on: the same command follows it again, `make cancel` ends it")
        raise
    return finish(ended, session.clients, session.say, folder=session.state / "runs" / ended.run_id).exit_status


def images(session: Session, *, build: bool) -> int:
    """The three images of this code, built unless they are there."""
    for image in _images(session, code_digest(), build=build).values():
        session.say(f"  {image}")
    return 0


def plan(session: Session) -> int:
    """What a run would make, change and reuse, and what it would cost."""
    plans.plan(session.loaded, session.environment, session.clients, code_digest(), session.say)
    return 0


def janitor(session: Session) -> int:
    """What is there and costs money, and what no run owns."""
    janitors.janitor(session.environment, session.clients, session.say)
    return 0


def cancel(session: Session, *, run: str) -> int:
    """Ends the runs of the problem that are under way, or the one named; each still writes its report."""
    pipelines, place = session.clients.pipelines(), session.clients.place
    under_way = [job.name for job in pipeline_jobs.running(pipelines, place, label(session.loaded.config.name))]
    named = [name for name in under_way if not run or name.endswith(f"/{run}")]
    if run and not named:
        raise ServiceError(f"{run} is not under way; under way: {[n.rpartition('/')[2] for n in under_way] or 'none'}")
    for name in named:
        pipeline_jobs.cancel(pipelines, name)
        session.say(f"{name.rpartition('/')[2]}: asked to end; its report is still written")
    if not named:
        session.say("no run is under way")
    return 0


def clean_cloud(session: Session, *, confirm: Callable[[str], bool]) -> int:
    """Undeploys everything, so that nothing costs money by the hour; the endpoint keeps its id, the models stay.

    The next run deploys again. A schedule is paused first, or it would deploy again by itself.
    """
    clients, config, say = session.clients, session.loaded.config, session.say
    endpoints, name = clients.endpoints(), f"{parent(clients.place)}/endpoints/{session.loaded.config.serving.endpoint}"
    endpoint, staging = on.find(endpoints, name), on.find(endpoints, f"{name}{STAGING}")
    models = 0 if endpoint is None else len(endpoint.deployed_models)
    if not models and staging is None:
        say(f"nothing is deployed on {name}")
        return 0
    if not confirm(f"Undeploy {models} model(s) from {name}? It will answer no more predictions. [y/N] "):
        say("nothing was changed")
        return 1
    for scheduled in (config.name, f"{config.name}-evaluation"):
        if schedules.pause(clients.schedules(), clients.place, scheduled):
            say(f"schedule {scheduled} paused: `make schedule` lets it go on")
    if endpoint is not None:
        job = endpoint.model_deployment_monitoring_job
        if job and monitoring_jobs.pause(clients.jobs(), job):
            say("monitoring paused: the next run lets it go on")
        say(f"{on.empty(endpoints, endpoint)} model(s) undeployed; the endpoint keeps its id")
    if staging is not None:
        on.remove(endpoints, staging)
        say("staging endpoint removed")
    return 0


def ablate(session: Session, *, seeds: int) -> int:
    """Says what each group of features is worth."""
    from pipelines import ablate as ablation  # noqa: PLC0415 - only this command needs it

    if session.environment.endpoints is not None:
        return ablation.ablate(session, seeds=seeds, images=ablation.trainer_images(session))
    return ablation.ablate(session, seeds=seeds, images=lambda: _images(session, code_digest(), build=True))


def rollback(session: Session) -> int:
    """The version before, back in service; says what serves now.

    Raises:
        PlumblineError: There is nothing to go back to, or it cannot be deployed; what serves goes on.
    """
    config = session.loaded.config
    session.say(f"taking the traffic of {config.serving.endpoint} back")
    version, deployed = roll_back(session.clients, config.serving, config.name)
    number = version.rpartition("@")[2]
    if deployed is None:
        session.say(f"a new version was on its way: version {number} has all the traffic again")
    else:
        session.say(f"version {number} has all the traffic; its answers are off by {deployed.difference:.2g} at most")
    return 0


def monitor(session: Session, *, hours: float, until: str) -> int:
    """Skew, drift and prediction drift of the endpoint's latest requests."""
    from pipelines import monitor as monitoring  # noqa: PLC0415 - only this command needs it

    return monitoring.monitor(session, hours=hours, until=until)


def load(session: Session, **asked: Any) -> int:
    """Asks the endpoint by a schedule, and says what it held."""
    from pipelines import load as loading  # noqa: PLC0415 - only this command needs it

    return loading.load(session, loading.Asked(**asked))


def schedule(session: Session, examined: Examined) -> int:
    """Makes the schedules of the problem, or brings them up to date: of the training, and of the evaluation."""
    when, observation = session.environment.schedule, session.loaded.config.observation
    if when is None and observation is None:
        raise ServiceError(
            "the environment has no schedule: add `schedule: {cron: 0 6 * * 1, time_zone: Europe/Berlin}`"
        )
    request = _request(session, examined, None)
    if request is None:
        session.say("nothing was started")
        return NOT_STARTED
    if when is not None:
        _put(session, "schedule", when, order(request, job_id=""))
    if observation is not None:
        wanted = evaluate_.evaluation_order(session, request, job_id="", at="")
        _put(session, "schedule of the evaluation", Schedule(cron=observation.cron), wanted)
    return 0


def _put(session: Session, what: str, when: Schedule, wanted: Order) -> None:
    """Makes a schedule, or brings it up to date, and says so."""
    made, change = schedules.put(session.clients.schedules(), session.clients.place, when, wanted)
    session.say(
        f"{what} {change}: {made.cron}, at most one run at a time; next at {made.next_run_time:%Y-%m-%d %H:%M} UTC"
    )
    session.say(f"  {made.name}")


def evaluate(session: Session, *, at: str, wait: bool) -> int:
    """The model that serves, judged on the last window whose labels are known; starts a training where one is due."""
    return evaluate_.evaluate(session, _unexamined(session), at=at, wait=wait)


def retrain(session: Session, *, start: bool, wait: bool) -> int:
    """Looks once whether to train, and follows the training that it starts."""
    request = _unexamined(session)
    name = retrains.retrain(session, request, start=start)
    if not name or not wait:
        return 0
    ended = watch(request, name, session.say)
    return finish(ended, session.clients, session.say, folder=session.state / "runs" / ended.run_id).exit_status


def _unexamined(session: Session) -> Request:
    """A run that needs no doctor: the images are there, or are built; on the emulator they are the checkout."""
    environment, code = session.environment, code_digest()
    emulated = environment.endpoints is not None
    if emulated:
        ensure_bucket(session.clients.storage(), session.clients.place)
    found = local_images(environment, code) if emulated else _images(session, code, build=True)
    return Request(session.loaded, environment, session.clients, code, found, linked(found, state=session.state))


def publish(session: Session, *, tag: str, images: Path | None) -> int:
    """Publishes the compiled pipeline, its images linked, under a tag; `images` as for a run."""
    repository = session.environment.pipelines
    if not repository:
        raise ServiceError("the environment names no repository for compiled pipelines: add `pipelines: https://...`")
    code = code_digest()
    found = read_images(images, session.environment) if images else _images(session, code, build=True)
    spec = linked(found, state=session.state)
    version = pipeline_repository.upload(session.clients, repository, spec, tags=(tag, f"code-{label(code)}"))
    session.say(f"published {repository}/{version} as {tag}")
    return 0


def _request(session: Session, examined: Examined, images: Path | None) -> Request | None:
    """A run ready to be submitted: examined, priced, its images there; None where doctor says that it would fail.

    Raises:
        PlumblineError: The images cannot be built, or the run would cost more than the environment allows.
    """
    environment, say, code = session.environment, session.say, code_digest()
    planned: list[str] = []
    try:
        estimate = plans.plan(session.loaded, environment, session.clients, code, planned.append)
    except PlumblineError:
        # Doctor knows better why, and what mends it.
        if failed(examined(say)):
            return None
        raise
    if failed(examined(say)):
        return None
    for line in planned:
        say(line)
    # Before the images are built, which costs money too.
    check_cost(estimate, environment.max_run_cost)
    found = read_images(images, environment) if images else _images(session, code, build=True)
    return Request(session.loaded, environment, session.clients, code, found, linked(found, state=session.state))


def _images(session: Session, code: str, *, build: bool) -> Mapping[str, str]:
    """The images that the problem's hardware needs."""
    on_gpu = session.loaded.config.training.hardware.accelerator_type.startswith("NVIDIA")
    wanted = Wanted(session.environment, code, trainer=GPU if on_gpu else CPU)
    return obtain(wanted, session.clients, build=build, say=session.say)
