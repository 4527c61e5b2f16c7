"""`make simulate`: a year of flights in minutes, on the emulator and by its clock.

A model ships, is asked hour by hour, is judged when the labels have come, and is trained again where that is called
for: the pipelines are those of every day, with all that is real in them.
"""

import datetime as dt
import itertools
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import requests
from google.cloud import aiplatform_v1 as vertex
from google.protobuf import json_format, struct_pb2

from pipelines.code import code_digest
from pipelines.evaluate import evaluation_order
from pipelines.finish import fetch
from pipelines.follow import follow
from pipelines.parameters import local_images
from pipelines.run import Request, linked, order
from pipelines.session import Session
from plumbline.adapters import bigquery as bq
from plumbline.adapters import endpoints as on
from plumbline.adapters import pipeline_jobs, replay
from plumbline.adapters.observing import log_table
from plumbline.adapters.operations import service_errors
from plumbline.adapters.registry import parent
from plumbline.adapters.retries import patience_of
from plumbline.adapters.series import alerts_since
from plumbline.adapters.storage import ensure_bucket
from plumbline.continuous import Observation, Retraining
from plumbline.errors import ServiceError
from plumbline.explanation import Explanation
from plumbline.problem import ProblemConfig, Split, Window
from plumbline.prototype import Prototype
from plumbline.quality import Judgements
from plumbline.runs import Run, outcome
from plumbline.scoreboard import OVERALL, Estimate, find
from plumbline.section import from_json, to_json
from plumbline.simulation import Chapter, Judged, Trained, Year, render

_FIRST = dt.date(2013, 1, 1)
_DAYS: Mapping[str, int] = {"train": 42, "validation": 14, "test": 14}
"""Length of each split: a year has room for it, and for what comes after."""
_LAST = dt.datetime(2014, 1, 1, tzinfo=dt.UTC)
_PERIOD = dt.timedelta(days=14)
_DELAY = dt.timedelta(hours=36)
"""So long after its end all labels of a period are known."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LOG_S = 60.0
BEGIN = dt.datetime.combine(_FIRST, dt.time(5), dt.UTC) + dt.timedelta(days=sum(_DAYS.values()))
"""When the first training begins: its data is complete by then."""


@dataclass(frozen=True, slots=True)
class Scope:
    """How much of the year, and how many of a day's flights."""

    periods: int
    a_day: int


@dataclass(slots=True)
class _World:
    """What goes on while the year passes."""

    session: Session
    request: Request
    now: dt.datetime
    published: dt.datetime
    versions: dict[str, str] = field(default_factory=dict)
    """Number of the version, by the id of the deployed model."""
    answers: Counter[str] = field(default_factory=Counter)
    """In this period, by version."""
    http: requests.Session = field(default_factory=requests.Session)
    """One connection for the clock, which is set some thousand times."""

    def set_clock(self, moment: dt.datetime) -> None:
        """Sets the emulator's clock forward to a moment; it is later already where a training took that long."""
        address = f"{self.session.clients.environ['AIPLATFORM_EMULATOR_HOST']}/emulator/clock"
        answer = self.http.put(address, json={"now": moment.isoformat()}, timeout=10)
        if answer.status_code == requests.codes.conflict:
            answer = self.http.get(address, timeout=10)
        if not answer.ok:
            raise ServiceError(f"the emulator's clock: {answer.text}")
        self.now = dt.datetime.fromisoformat(answer.json()["now"])


def simulate(session: Session, scope: Scope) -> int:
    """Plays the year, and writes its page; the exit status is 0 where every training shipped or was blocked.

    Args:
        session: Where, and the problem as its config has it; the emulator's clock shows `BEGIN`.
        scope: How much of it.

    Raises:
        PlumblineError: A pipeline cannot be started, or the first training does not ship.
    """
    begun = time.monotonic()
    observation = session.loaded.config.observation
    if observation is None:
        raise ServiceError("the config has no section `observation`: without it nobody learns how the model does")
    loaded = replace(session.loaded, config=pressed(session.loaded.config, observation))
    session = replace(session, loaded=loaded)
    clients, environment, code = session.clients, session.environment, code_digest()
    images = local_images(environment, code)
    request = Request(loaded, environment, clients, code, images, linked(images, state=session.state))
    ensure_bucket(clients.storage(), clients.place)
    replay.prepare(clients, loaded.sql, until=BEGIN)
    world = _World(session, request, now=BEGIN, published=BEGIN)
    session.say(f"{BEGIN:%d %b}: the first training")
    first = _train(world)
    if first.kind != "shipped":
        raise ServiceError(f"the first training did not ship, so there is nothing to live with: {first.reason}")
    year = Year(
        title=loaded.config.statement.title,
        first=first,
        chapters=tuple(_chapters(world, scope)),
        bound=_bound(loaded.config),
        drift_bound=loaded.config.monitoring.drift_threshold,
        seconds=time.monotonic() - begun,
    )
    page = session.state / "year.html"
    page.write_text(render(year), encoding="utf-8")
    page.with_suffix(".json").write_text(to_json(year), encoding="utf-8")
    kinds = Counter(trained.kind for trained in year.trainings)
    session.say(f"{len(year.trainings)} trainings: {dict(kinds)}; {year.alerts} alerts; {year.seconds:.0f} s")
    session.say(f"  {'the year':<12} {page}")
    return 1 if kinds["failed"] else 0


def pressed(config: ProblemConfig, observation: Observation) -> ProblemConfig:
    """The problem with windows that fit into a year, and without what costs time and tells nothing about a year."""
    starts = list(itertools.accumulate(_DAYS.values(), initial=0))
    windows = {
        name: Window(start=_FIRST + dt.timedelta(days=start), end=_FIRST + dt.timedelta(days=end))
        for name, (start, end) in zip(_DAYS, itertools.pairwise(starts), strict=True)
    }
    # Two weeks are too few late flights to compare airports or carriers by.
    gates = (gate for gate in config.evaluation.gates if not gate.by and gate.against in {"", "today", "champion"})
    evaluation = replace(
        config.evaluation,
        # The calibration error of a fortnight's sample is mostly chance.
        gates=tuple(replace(gate, in_service=gate.metric != "calibration_error") for gate in gates),
        minimum_count=200,
        minimum_positives=15,
    )
    hours = dt.timedelta(hours=1)
    return replace(
        config,
        data=replace(config.data, split=Split(**windows)),
        # A fortnight's rain is never like that of six weeks before.
        validation=replace(config.validation, shift_exempt=(*config.validation.shift_exempt, "precipitation")),
        signal=replace(config.signal, rows=5000, shuffles=4),
        prototype=Prototype(models=()),
        training=replace(config.training, epochs=6, patience=2),
        evaluation=evaluation,
        explanation=Explanation(rows=50, permutations=2, shuffled_rows=2000),
        serving=replace(config.serving, load=None),
        monitoring=replace(config.monitoring, interval_hours=_PERIOD // hours),
        observation=replace(observation, window_hours=_PERIOD // hours, delay_hours=_DELAY // hours),
        retraining=Retraining(new_rows=40_000, on_alert=True, cooldown_hours=24 * 27, runs_a_day=1),
    )


def _bound(config: ProblemConfig) -> float | None:
    """What the gates ask of AUC-PR over all rows."""
    asked = [gate.minimum for gate in config.evaluation.gates if gate.metric == "auc_pr" and not gate.by]
    return max((bound for bound in asked if bound is not None), default=None)


def _chapters(world: _World, scope: Scope) -> Iterator[Chapter]:
    """The periods, one after the other, as far as the labels of the year go."""
    start = _EPOCH + (BEGIN - _EPOCH) // _PERIOD * _PERIOD
    ends = [start + (i + 1) * _PERIOD for i in range(scope.periods)]
    ends = [end for end in ends if end + _DELAY <= _LAST]
    last = ends[-1] + _DELAY
    data = world.session.loaded.config.data
    hours = replay.questions(
        world.session.clients, data, start=BEGIN.date(), end=last.date() + dt.timedelta(days=1), a_day=scope.a_day
    )
    hours = (hour for hour in hours if BEGIN <= hour.start < last)
    predictions = world.session.clients.predictions()
    for end in ends:
        for hour in _until(hours, end + _DELAY):
            _ask(world, predictions, hour)
        yield _look(world, end - _PERIOD, end)


def _until(hours: Iterator[replay.Hour], moment: dt.datetime) -> Iterator[replay.Hour]:
    """Those that begin before a moment; the first after it stays."""
    for hour in hours:
        yield hour
        if hour.start + dt.timedelta(hours=1) >= moment:
            return


def _ask(world: _World, predictions: vertex.PredictionServiceClient, hour: replay.Hour) -> None:
    """What callers ask in an hour, in one request."""
    world.set_clock(hour.start)
    endpoint = _endpoint(world)
    values = [json_format.ParseDict(dict(instance), struct_pb2.Value()) for instance in hour.instances]
    with service_errors(f"predicting on {endpoint}"):
        answer = predictions.predict(endpoint=endpoint, instances=values)
    world.answers[world.versions[answer.deployed_model_id]] += len(answer.predictions)


def _look(world: _World, start: dt.datetime, end: dt.datetime) -> Chapter:
    """A period, judged when its labels are known, and what followed."""
    session, clients = world.session, world.session.clients
    _await_log(world)
    world.set_clock(end + _DELAY)
    replay.publish(clients, start=world.published, end=world.now)
    before, world.published = world.published, world.now
    run_id = f"{session.loaded.config.name}-evaluation-{end:%Y%m%d}-{secrets.token_hex(2)}"
    wanted = evaluation_order(session, world.request, job_id=run_id, at=world.now.isoformat())
    run = _finished(world, pipeline_jobs.submit(clients.pipelines(), clients.place, wanted))
    if run.state != "SUCCEEDED":
        raise ServiceError(f"the evaluation {run_id} failed: {outcome(run).reason}")
    judged = tuple(_judged(world, run))
    alerts = alerts_since(clients, session.loaded.config.name, before)
    decision = str(run.metadata("decide", "decision").get("text", ""))
    answers, world.answers = dict(sorted(world.answers.items())), Counter()
    said = "; ".join(f"version {each.version} {each.status}" for each in judged) or "not judged"
    session.say(f"{start:%d %b} to {end:%d %b}: {said}; {len(alerts)} alert(s); {decision}")
    launched = str(run.metadata("launch", "training").get("resourceName", ""))
    return Chapter(
        start=start,
        end=end,
        asked=sum(answers.values()),
        answers=answers,
        matched=int(float(str(run.metadata("observe", "observed")["matched"]))),
        judged=judged,
        alerts=tuple(f"{alert.kind}: {alert.summary}" for alert in alerts),
        distances=_distances(run),
        decision=decision,
        trained=_trained(world, launched, why=decision) if launched else None,
    )


def _distances(run: Run) -> Mapping[str, float]:
    found = run.metadata("drift", "distances").get("furthest")
    return {str(name): float(distance) for name, distance in found.items()} if isinstance(found, dict) else {}


def _judged(world: _World, run: Run) -> Iterator[Judged]:
    page = fetch(run.uri("judge", "judgements"), world.session.clients, world.session.state / "judgements.json")
    for version in from_json(Judgements, page.read_text(encoding="utf-8")).versions:
        overall = find(version.board, "candidate", OVERALL) if version.board else None
        yield Judged(
            version=version.version,
            status=version.status,
            summary=version.summary,
            auc_pr=overall.metrics["auc_pr"] if overall else Estimate(value=None),
            rows=version.rows,
        )


def _train(world: _World) -> Trained:
    """The first training, started by hand."""
    session = world.session
    run_id = f"{session.loaded.config.name}-first-{secrets.token_hex(2)}"
    wanted = order(world.request, job_id=run_id)
    name = pipeline_jobs.submit(session.clients.pipelines(), session.clients.place, wanted)
    return _trained(world, name, why="by hand: nothing serves yet")


def _trained(world: _World, name: str, *, why: str) -> Trained:
    """What came of a training, and who answers from now on."""
    run = _finished(world, name)
    found = outcome(run)
    endpoint = on.find(world.session.clients.endpoints(), _endpoint(world))
    for model in endpoint.deployed_models if endpoint else ():
        world.versions[model.id] = model.model_version_id
    version = str(run.metadata("register", "version").get("resourceName", "")).rpartition("@")[2]
    world.session.say(f"  training {run.run_id}: {found.kind}, {found.reason}")
    return Trained(run=run.run_id, kind=found.kind, reason=found.reason, why=why, version=version)


def _finished(world: _World, name: str) -> Run:
    pipelines = world.session.clients.pipelines()
    return follow(lambda: pipeline_jobs.look(pipelines, name), lambda _: None, patience_of(pipelines).pauses())


def _endpoint(world: _World) -> str:
    return f"{parent(world.session.clients.place)}/endpoints/{world.session.loaded.config.serving.endpoint}"


def _await_log(world: _World) -> None:
    """Returns once the last prediction is in the log: rows come there in their order.

    Raises:
        ServiceError: It does not come.
    """
    table = log_table(world.session.clients, world.session.loaded.config.serving.endpoint)
    client, deadline = world.session.clients.bigquery(), time.monotonic() + _LOG_S
    since = world.now.replace(minute=0, second=0, microsecond=0)
    sql = f"SELECT COUNT(*) AS found FROM `{table}` WHERE logging_time >= @since"  # noqa: S608 - our own table
    while True:
        (row,) = bq.fetch(client, sql, maximum_bytes=10**12, labels={}, parameters={"since": since})
        if row["found"]:
            return
        if time.monotonic() > deadline:
            raise ServiceError(f"{table} has no row since {since.isoformat()}: the log of the requests lags behind")
        time.sleep(0.1)
