"""Continuous training: gathers what the decision needs, and starts the training, one caller at a time."""

import datetime as dt
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace

from google.cloud import aiplatform_v1 as vertex

from plumbline.adapters import bigquery as bq
from plumbline.adapters import pipeline_jobs, registry
from plumbline.adapters.clients import Clients
from plumbline.adapters.locks import held, lock_of
from plumbline.adapters.operations import service_errors
from plumbline.adapters.pipeline_jobs import Order
from plumbline.adapters.series import alerts_since
from plumbline.continuous import Retraining
from plumbline.evidence import Evidence
from plumbline.labels import label
from plumbline.problem import Data, Split
from plumbline.query import fill
from plumbline.retraining import NEVER, Decision, Facts, Training, decide, first_day, moved, new_rows, standing
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


def gather(clients: Clients, order: Order, retraining: Retraining, *, now: dt.datetime) -> Facts:
    """The facts of a problem, now. Rows are counted unless something stands against a training anyway.

    Args:
        clients: Google's clients.
        order: Of the training, with the config's windows.
        retraining: When to train.
        now: The time.

    Raises:
        DataError: The query is refused, or reads too much.
    """
    name, data, sql = order.parameters["name"], from_json(Data, order.parameters["data"]), order.parameters["sql"]
    version = registry.champion(clients.models(), clients.place, name)
    trained_to = registry.trained_to(clients.models(), version) if version else None
    bare = Facts(
        now=now,
        trainings=(),
        champion=version.rpartition("@")[2],
        trained_to=trained_to,
        split=data.split,
        new_rows=None,
        alerts=(),
    )
    facts = _with_trainings(clients, name, bare)
    if any(standing(facts, retraining)):
        return facts
    by_day = _rows_by_day(clients, data, sql, now)
    split = moved(data.split, first_day(by_day, now, data.split))
    return replace(facts, split=split, new_rows=new_rows(by_day, split.train, trained_to))


def look(clients: Clients, order: Order, retraining: Retraining | None, *, now: dt.datetime) -> Decision:
    """What would be decided now; nothing is started."""
    return NEVER if retraining is None else decide(gather(clients, order, retraining, now=now), retraining)


def launch(
    clients: Clients, order: Order, retraining: Retraining | None, *, now: dt.datetime, known: Facts | None = None
) -> Started:
    """Decides, and starts the training where that is the decision. Of several callers at once one does.

    Rows are counted before the lock is taken, which may take minutes; trainings are looked at again while it is held,
    which takes none: whoever comes next sees the run that was started.

    Args:
        clients: Google's clients.
        order: Of the training, with the config's windows.
        retraining: When to train; None: never.
        now: The time.
        known: The facts as they were gathered a moment ago; None to gather them now.
    """
    if retraining is None:
        return Started(NEVER)
    facts, name = known or gather(clients, order, retraining, now=now), order.parameters["name"]
    decision = decide(facts, retraining)
    if not decision.train:
        return Started(decision)
    run_id = f"{name.replace('_', '-')}-{now:%Y%m%d%H%M%S}-{secrets.token_hex(2)}"
    with held(clients.storage(), clients.place.bucket, lock_of(name), now=now, holder=run_id) as ours:
        if not ours:
            told = "another caller is starting a training at this moment"
            return Started(replace(decision, train=False, text=f"do not train: {told}", blocked=(told,)))
        decision = decide(_with_trainings(clients, name, facts), retraining)
        if not decision.train or decision.evidence is None:
            return Started(decision)
        wanted = changed(order, decision.evidence, run_id)
        return Started(decision, pipeline_jobs.submit(clients.pipelines(), clients.place, wanted))


def changed(order: Order, evidence: Evidence, run_id: str) -> Order:
    """The order with the windows that were decided on, and with the evidence."""
    data = replace(from_json(Data, order.parameters["data"]), split=evidence.split)
    parameters = {**order.parameters, "data": to_json(data), "why": to_json(evidence)}
    return replace(order, job_id=run_id, parameters=parameters, labels={**order.labels, "inputs": label(run_id)})


def _with_trainings(clients: Clients, name: str, facts: Facts) -> Facts:
    """The facts with the trainings as they are, and the alerts that none of them has answered."""
    found = tuple(map(_training, pipeline_jobs.jobs(clients.pipelines(), clients.place, label(name))))
    known = replace(facts, trainings=found)
    answer = known.answer
    alerts = alerts_since(clients, name, answer.started if answer else None)
    return replace(known, alerts=alerts, tried=_windows(clients, answer) if answer else None)


def _training(job: vertex.PipelineJob) -> Training:
    started = dt.datetime.fromtimestamp(job.create_time.timestamp(), dt.UTC)
    return Training(run=job.name.rpartition("/")[2], state=pipeline_jobs.state_of(job), started=started)


def _windows(clients: Clients, training: Training) -> Split | None:
    """The windows that a training was started with."""
    name = f"{registry.parent(clients.place)}/pipelineJobs/{training.run}"
    text = pipeline_jobs.parameter(clients.pipelines(), name, "data")
    return from_json(Data, text).split if text else None


def _rows_by_day(clients: Clients, data: Data, sql: str, now: dt.datetime) -> Mapping[dt.date, int]:
    """How many rows the features' query has on each day up to now.

    Rows of the future, such as a timetable has them, do not count.
    """
    filled = fill(sql, {table: bq.full_name(clients.place, table) for table in data.tables})
    counted = f"""SELECT DATE(`{data.time}`) AS day, COUNT(*) AS found
FROM (
{filled.rstrip().removesuffix(";")}
)
WHERE `{data.time}` < '{now:%Y-%m-%d %H:%M:%S}'
GROUP BY day"""  # noqa: S608 - the config's own query
    labels = clients.place.labels
    rows = bq.fetch(clients.bigquery(), counted, maximum_bytes=data.maximum_bytes, labels=labels)
    return {day: int(str(row["found"])) for row in rows if isinstance(day := row["day"], dt.date)}
