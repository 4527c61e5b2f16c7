"""Continuous training: gathers what the decision needs, and starts the training, one caller at a time."""

import datetime as dt
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from plumbline.adapters import bigquery as bq
from plumbline.adapters import pipeline_jobs, registry
from plumbline.adapters.clients import Clients
from plumbline.adapters.locks import held
from plumbline.adapters.operations import service_errors
from plumbline.adapters.pipeline_jobs import Order
from plumbline.adapters.series import alerts_since
from plumbline.continuous import Retraining
from plumbline.labels import label
from plumbline.problem import Data
from plumbline.query import fill
from plumbline.retraining import Decision, Facts, Training, decide, moved
from plumbline.section import from_json, to_json

Now = Callable[[], dt.datetime]


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


def saved(text: str) -> Order:
    """The order that `save` wrote."""
    return Order(**json.loads(text))


def gather(clients: Clients, order: Order, *, now: dt.datetime) -> Facts:
    """The facts of a problem, now.

    Args:
        clients: Google's clients.
        order: Of the training, with the config's windows.
        now: The time.

    Raises:
        DataError: The query is refused, or reads too much.
    """
    name, data = order.parameters["name"], from_json(Data, order.parameters["data"])
    found = pipeline_jobs.jobs(clients.pipelines(), clients.place, label(name))
    trainings = tuple(
        Training(
            run=job.name.rpartition("/")[2],
            state=pipeline_jobs.state_of(job),
            started=dt.datetime.fromtimestamp(job.create_time.timestamp(), dt.UTC),
        )
        for job in found
    )
    last = max((training.started for training in trainings), default=None)
    version, trained_to = registry.champion(clients.models(), clients.place, name)
    sql = order.parameters["sql"]
    split = moved(data.split, _day_after_the_last_row(clients, data, sql, now))
    first = max(split.train.start, trained_to + dt.timedelta(days=1)) if trained_to else split.train.start
    return Facts(
        now=now,
        trainings=trainings,
        champion=version,
        trained_to=trained_to,
        split=split,
        new_rows=_rows(clients, data, sql, first, split.train.end),
        alerts=alerts_since(clients, name, last),
    )


def look(clients: Clients, order: Order, retraining: Retraining, *, now: Now) -> Decision:
    """What would be decided now; nothing is started."""
    return decide(gather(clients, order, now=now()), retraining)


def launch(clients: Clients, order: Order, retraining: Retraining, *, now: Now) -> Started:
    """Decides, and starts the training where that is the decision. Of several callers at once one does.

    The decision is made while the lock is held: whoever comes next sees the run that was started.
    """
    name = order.parameters["name"]
    lock = f"locks/{label(name)}-training"
    at, run_id = now(), f"{name.replace('_', '-')}-{now():%Y%m%d%H%M%S}-{secrets.token_hex(2)}"
    with held(clients.storage(), clients.place.bucket, lock, now=at, holder=run_id) as ours:
        decision = decide(gather(clients, order, now=at), retraining)
        if not ours:
            told = "another caller is starting a training at this moment"
            text = f"do not train: {told}"
            return Started(replace(decision, train=False, text=text, blocked=(*decision.blocked, told)))
        if not decision.train:
            return Started(decision)
        return Started(
            decision, pipeline_jobs.submit(clients.pipelines(), clients.place, changed(order, decision, run_id))
        )


def changed(order: Order, decision: Decision, run_id: str) -> Order:
    """The order with the windows that were decided on, and with the evidence."""
    data = from_json(Data, order.parameters["data"])
    parameters = {
        **order.parameters,
        "data": to_json(replace(data, split=decision.evidence.split)),
        "why": to_json(decision.evidence),
    }
    return replace(order, job_id=run_id, parameters=parameters, labels={**order.labels, "inputs": label(run_id)})


def _day_after_the_last_row(clients: Clients, data: Data, sql: str, now: dt.datetime) -> dt.date:
    """The first day after the data: windows that end later would be empty at their end.

    Rows of the future, such as a timetable has them, do not count.
    """
    latest = _fetch(clients, data, sql, f"MAX({data.time})", f"{data.time} < '{now:%Y-%m-%d %H:%M:%S}'")
    return latest.date() + dt.timedelta(days=1) if isinstance(latest, dt.datetime) else data.split.test.end


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
