"""Continuous training: gathers what the decision needs, and starts the training, one caller at a time."""

import datetime as dt
import json
import secrets
from dataclasses import dataclass, replace

from google.cloud import aiplatform_v1 as vertex

from plumbline.adapters import bigquery as bq
from plumbline.adapters import pipeline_jobs, registry
from plumbline.adapters.clients import Clients
from plumbline.adapters.locks import held
from plumbline.adapters.operations import service_errors
from plumbline.adapters.pipeline_jobs import Order
from plumbline.adapters.series import alerts_since
from plumbline.continuous import Retraining
from plumbline.evidence import Evidence
from plumbline.labels import label
from plumbline.problem import Data, Split
from plumbline.query import fill
from plumbline.retraining import NEVER, Decision, Facts, Training, decide, first_day, moved
from plumbline.section import from_json, to_json


@dataclass(frozen=True, slots=True)
class Started:
    """What became of a look."""

    decision: Decision
    run: str = ""
    """Resource name of the training that was started; empty for none."""


def save(clients: Clients, order: Order) -> str:
    """The gs:// URI of an order, for the evaluation pipeline: the same order has the same URI.

    A schedule keeps the parameters that it was made with, and a compiled pipeline is too long for one of them.
    """
    text = json.dumps(
        {
            "job_id": "",
            "display_name": order.display_name,
            "spec": order.spec,
            "parameters": order.parameters,
            "root": order.root,
            "labels": order.labels,
        },
        sort_keys=True,
    )
    name = f"orders/{order.labels['problem']}-{order.labels['inputs']}.json"
    with service_errors(f"writing {name}"):
        clients.storage().bucket(clients.place.bucket).blob(name).upload_from_string(text)
    return f"gs://{clients.place.bucket}/{name}"


def saved(clients: Clients, uri: str) -> Order:
    """The order that `save` wrote."""
    with service_errors(f"reading {uri}"):
        bucket, _, name = uri.removeprefix("gs://").partition("/")
        return Order(**json.loads(clients.storage().bucket(bucket).blob(name).download_as_bytes()))


def gather(clients: Clients, order: Order, *, now: dt.datetime) -> Facts:
    """The facts of a problem, now.

    Args:
        clients: Google's clients.
        order: Of the training, with the config's windows.
        now: The time.

    Raises:
        DataError: The query is refused, or reads too much.
    """
    name, data, sql = order.parameters["name"], from_json(Data, order.parameters["data"]), order.parameters["sql"]
    trainings = tuple(map(_training, pipeline_jobs.jobs(clients.pipelines(), clients.place, label(name))))
    version = registry.champion(clients.models(), clients.place, name)
    trained_to = registry.trained_to(clients.models(), version) if version else None
    split = moved(data.split, _day_after_the_last_row(clients, data, sql, now))
    first = max(split.train.start, trained_to + dt.timedelta(days=1)) if trained_to else split.train.start
    known = Facts(
        now=now,
        trainings=trainings,
        champion=version.rpartition("@")[2],
        trained_to=trained_to,
        split=split,
        new_rows=_rows(clients, data, sql, first, split.train.end),
        alerts=(),
    )
    answer = known.answer
    tried = _windows(clients, answer) if answer else None
    return replace(known, alerts=alerts_since(clients, name, answer.started if answer else None), tried=tried)


def look(clients: Clients, order: Order, retraining: Retraining | None, *, now: dt.datetime) -> Decision:
    """What would be decided now; nothing is started."""
    return NEVER if retraining is None else decide(gather(clients, order, now=now), retraining)


def launch(clients: Clients, order: Order, retraining: Retraining | None, *, now: dt.datetime) -> Started:
    """Decides, and starts the training where that is the decision. Of several callers at once one does.

    The decision is made while the lock is held: whoever comes next sees the run that was started.
    """
    name = order.parameters["name"]
    run_id = f"{name.replace('_', '-')}-{now:%Y%m%d%H%M%S}-{secrets.token_hex(2)}"
    with held(clients.storage(), clients.place.bucket, f"locks/{label(name)}", now=now, holder=run_id) as ours:
        if not ours:
            told = "another caller is starting a training at this moment"
            return Started(Decision(train=False, text=f"do not train: {told}", blocked=(told,)))
        decision = look(clients, order, retraining, now=now)
        if not decision.train or decision.evidence is None:
            return Started(decision)
        wanted = changed(order, decision.evidence, run_id)
        return Started(decision, pipeline_jobs.submit(clients.pipelines(), clients.place, wanted))


def changed(order: Order, evidence: Evidence, run_id: str) -> Order:
    """The order with the windows that were decided on, and with the evidence."""
    data = replace(from_json(Data, order.parameters["data"]), split=evidence.split)
    parameters = {**order.parameters, "data": to_json(data), "why": to_json(evidence)}
    return replace(order, job_id=run_id, parameters=parameters, labels={**order.labels, "inputs": label(run_id)})


def _training(job: vertex.PipelineJob) -> Training:
    started = dt.datetime.fromtimestamp(job.create_time.timestamp(), dt.UTC)
    return Training(run=job.name.rpartition("/")[2], state=pipeline_jobs.state_of(job), started=started)


def _windows(clients: Clients, training: Training) -> Split | None:
    """The windows that a training was started with."""
    name = f"{registry.parent(clients.place)}/pipelineJobs/{training.run}"
    text = pipeline_jobs.parameter(clients.pipelines(), name, "data")
    return from_json(Data, text).split if text else None


def _day_after_the_last_row(clients: Clients, data: Data, sql: str, now: dt.datetime) -> dt.date:
    """The first day after the data: windows that end later would be empty at their end.

    Rows of the future, such as a timetable has them, do not count.
    """
    latest = _fetch(clients, data, sql, f"MAX({data.time})", f"{data.time} < '{now:%Y-%m-%d %H:%M:%S}'")
    return first_day(latest if isinstance(latest, dt.datetime) else None, now, data.split)


def _rows(clients: Clients, data: Data, sql: str, start: dt.date, end: dt.date) -> int:
    """Rows whose time lies in [start, end)."""
    if start >= end:
        return 0
    within = f"{data.time} >= '{start} 00:00:00' AND {data.time} < '{end} 00:00:00'"
    return int(str(_fetch(clients, data, sql, "COUNT(*)", within)))


def _fetch(clients: Clients, data: Data, sql: str, what: str, where: str) -> object:
    """One value of the features' query."""
    filled = fill(sql, {table: bq.full_name(clients.place, table) for table in data.tables}).rstrip().removesuffix(";")
    selected = f"SELECT {what} AS found FROM (\n{filled}\n) WHERE {where}"  # noqa: S608 - the config's own query
    labels = clients.place.labels
    return bq.fetch(clients.bigquery(), selected, maximum_bytes=data.maximum_bytes, labels=labels)[0]["found"]
