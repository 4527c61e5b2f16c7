"""What there is in a place that costs money, and which of it no run owns.

A resource tells its owner by labels: `run` (the id of the pipeline job that made it) and `problem`. One without them is
taken for owned as long as any run goes on. Judging deletes nothing: each entry has the command that would.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from plumbline.cost import Machines, hourly, monthly
from plumbline.environment import Place, Prices
from plumbline.labels import label

Labels = Mapping[str, str]
_FEATURES = re.compile(r"_features_[0-9a-f]{12}(_train|_[a-z_]+_scores)?$")
"""What the names of our tables end in. Source: `plumbline.ingestion.table_names`, `adapters.prototyping`."""
_TUNING = "/hyperparameterTuningJobs/"
"""In the names of tuning jobs."""
_STAMP = re.compile(r"-(\d{14})-[0-9a-f]+/?$")
"""What the id of a run ends in: when it was submitted, UTC."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """A model on an endpoint: it is paid for by its replicas, asked or not."""

    endpoint: str
    """Resource name."""
    deployed_id: str
    version: str
    """Resource name with version."""
    traffic: int
    """Per cent."""
    machines: Machines
    minimum: int
    maximum: int
    labels: Labels
    """Without `run`: the run that has made the version need not be the one that deploys it."""
    created: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint, whatever is on it."""

    name: str
    labels: Labels
    deployed: int
    """How many models are on it."""
    staging: bool
    """Whether it is there only for a smoke test."""
    created: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A custom job or a tuning job that has not ended; a tuning job has the machines of its trials side by side."""

    name: str
    title: str
    labels: Labels
    pools: Sequence[tuple[Machines, int]]
    """Machines and replicas of each worker pool."""
    created: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """A pipeline job, running or of the last days."""

    name: str
    labels: Labels
    running: bool
    uses: frozenset[str] = frozenset()
    """Tables (project.dataset.table) and URIs of what it has made or taken from the cache."""
    created: dt.datetime | None = None

    @property
    def run_id(self) -> str:
        """The last part of its name."""
        return self.name.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Monitor:
    """A monitoring job that goes on."""

    name: str
    endpoint: str
    """Resource name."""
    labels: Labels
    tables: frozenset[str] = frozenset()
    """That it compares with."""
    created: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A schedule that is not paused."""

    name: str
    title: str
    cron: str
    created: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """A version in the model registry."""

    name: str
    """Resource name with version."""
    aliases: Sequence[str]
    is_deployed: bool
    artifact_uri: str
    labels: Labels = field(default_factory=dict)
    created: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the dataset."""

    name: str
    """project.dataset.table."""
    changed: dt.datetime
    size: int
    """Bytes."""
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything that was found."""

    deployed: Sequence[Deployed] = ()
    endpoints: Sequence[Endpoint] = ()
    jobs: Sequence[Job] = ()
    runs: Sequence[PipelineRun] = ()
    monitors: Sequence[Monitor] = ()
    schedules: Sequence[Scheduled] = ()
    versions: Sequence[Version] = ()
    tables: Sequence[Table] = ()
    folders: Sequence[str] = ()
    """gs:// URIs, each with a slash at its end."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing, judged."""

    kind: str
    name: str
    detail: str
    command: str
    """That removes it, or ends it."""
    orphan: str = ""
    """Why no run owns it; empty where one does."""
    price: float | None = None
    """Of the unit; None where it is not known, or not charged by time."""
    unit: str = ""
    """month, hour, or empty where it is not charged by time."""
    since: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """By what entries are judged."""

    place: Place
    prices: Prices | None
    now: dt.datetime
    days: int
    """What no run has used for longer is an orphan."""

    @property
    def horizon(self) -> dt.datetime:
        """What is older than this is old."""
        return self.now - dt.timedelta(days=self.days)


def judge(found: Inventory, setting: Setting) -> Sequence[Entry]:
    """Every entry, the kinds in the order of what they cost."""
    return tuple(
        chain(
            (_deployed(one, found, setting) for one in found.deployed),
            (_job(one, found, setting) for one in found.jobs),
            (_run(one, setting) for one in found.runs if one.running),
            (_endpoint(one, found, setting) for one in found.endpoints if one.staging),
            (_monitor(one, found, setting) for one in found.monitors),
            (_schedule(one, setting) for one in found.schedules),
            _versions(found, setting),
            _tables(found, setting),
            _folders(found, setting),
        )
    )


def _deployed(one: Deployed, found: Inventory, setting: Setting) -> Entry:
    endpoint, orphan = _last(one.endpoint), ""
    if not one.traffic and not _is_owned(one.labels, found):
        orphan = "it has no traffic, and no run that would give it any goes on"
    replicas = f"{one.minimum} to {one.maximum} x {_text(one.machines)}"
    return Entry(
        kind="deployed model",
        name=f"{endpoint}/{one.deployed_id}",
        detail=f"{_last(one.version)}, {one.traffic} % of the traffic, {replicas}",
        command=f"gcloud ai endpoints undeploy-model {endpoint} --deployed-model-id={one.deployed_id} {_at(setting)}",
        orphan=orphan,
        price=monthly(one.machines, one.minimum, setting.prices),
        unit="month",
        since=one.created,
    )


def _job(one: Job, found: Inventory, setting: Setting) -> Entry:
    costs = [hourly(machines, replicas, setting.prices) for machines, replicas in one.pools]
    known = [cost for cost in costs if cost is not None]
    kind, command = ("custom job", "custom-jobs")
    if _TUNING in one.name:
        kind, command = ("tuning job", "hp-tuning-jobs")
    return Entry(
        kind=kind,
        name=_last(one.name),
        detail=f"{one.title}, " + " + ".join(f"{replicas} x {_text(machines)}" for machines, replicas in one.pools),
        command=f"gcloud ai {command} cancel {_last(one.name)} {_at(setting)}",
        orphan="" if _is_owned(one.labels, found) else "the pipeline job that waited for it has ended",
        price=sum(known) if len(known) == len(costs) else None,
        unit="hour",
        since=one.created,
    )


def _run(one: PipelineRun, setting: Setting) -> Entry:
    price = setting.prices.step_hour if setting.prices else None
    return Entry(
        kind="pipeline job",
        name=one.run_id,
        detail=f"{one.labels.get('problem', 'no problem label')}, running; a step's machine at least",
        command=_rest("POST", f"{one.name}:cancel", setting),
        price=price,
        unit="hour",
        since=one.created,
    )


def _endpoint(one: Endpoint, found: Inventory, setting: Setting) -> Entry:
    return Entry(
        kind="staging endpoint",
        name=_last(one.name),
        detail=f"{one.deployed} deployed" + (": undeploy it first" if one.deployed else ""),
        command=f"gcloud ai endpoints delete {_last(one.name)} {_at(setting)}",
        orphan="" if _is_owned(one.labels, found) else "no run that would ask it goes on",
        since=one.created,
    )


def _monitor(one: Monitor, found: Inventory, setting: Setting) -> Entry:
    serving = {endpoint.name for endpoint in found.endpoints if endpoint.deployed}
    return Entry(
        kind="monitoring job",
        name=_last(one.name),
        detail=f"of the endpoint {_last(one.endpoint)}; charged by the GB that it analyses",
        command=f"gcloud ai model-monitoring-jobs delete {_last(one.name)} {_at(setting)}",
        orphan="" if one.endpoint in serving else "nothing is deployed on its endpoint",
        since=one.created,
    )


def _schedule(one: Scheduled, setting: Setting) -> Entry:
    return Entry(
        kind="schedule",
        name=_last(one.name),
        detail=f"{one.title}, {one.cron}; each run costs what `make plan` says",
        command=_rest("POST", f"{one.name}:pause", setting),
        since=one.created,
    )


def _versions(found: Inventory, setting: Setting) -> Iterator[Entry]:
    """Versions that nothing points at, and that no run of the last days has made."""
    recent = {label(run.run_id) for run in found.runs}
    for one in found.versions:
        if one.aliases or one.is_deployed:
            continue
        owned = one.labels.get("run") in recent
        yield Entry(
            kind="model version",
            name=_last(one.name),
            detail="no alias, not deployed; charged by its files alone",
            command=f"gcloud ai models delete-version {_last(one.name)} {_at(setting)}",
            orphan="" if owned else f"no run of the last {setting.days} days has made it, and no alias keeps it",
            since=one.created,
        )


def _tables(found: Inventory, setting: Setting) -> Iterator[Entry]:
    """Features tables that are old and not used."""
    used = frozenset[str]().union(*(one.uses for one in found.runs), *(one.tables for one in found.monitors))
    for one in found.tables:
        if not _FEATURES.search(one.name) or one.changed >= setting.horizon:
            continue
        # The training rows are a table beside the features, which alone is named by a run.
        is_used = one.name in used or one.name.removesuffix("_train") in used
        yield Entry(
            kind="features table",
            name=one.name,
            detail=f"{one.size:,} bytes",
            command=f"bq rm -f -t {one.name.replace('.', ':', 1)}",
            orphan="" if is_used else f"no run of the last {setting.days} days has used it, and nothing watches by it",
            since=one.changed,
        )


def _folders(found: Inventory, setting: Setting) -> Iterator[Entry]:
    """Folders of runs that are old and hold nothing that is used."""
    models = frozenset(one.artifact_uri for one in found.versions)
    used = models.union(*(one.uses for one in found.runs))
    for uri in found.folders:
        since = submitted(uri)
        if since is None or since >= setting.horizon:
            continue
        is_used = any(one.startswith(uri) for one in used)
        yield Entry(
            kind="run folder",
            name=uri,
            detail="files of a run" + (", some of them in use" if is_used else ""),
            command=f"gcloud storage rm --recursive {uri}",
            orphan="" if is_used else f"no version and no run of the last {setting.days} days uses a file of it",
            since=since,
        )


def submitted(run_id: str) -> dt.datetime | None:
    """When a run was submitted, by its id or by the folder that is called so; None where it is not one of ours."""
    stamp = _STAMP.search(run_id)
    try:
        return dt.datetime.strptime(f"{stamp[1]}+0000", "%Y%m%d%H%M%S%z") if stamp else None
    except ValueError:
        return None


def _is_owned(labels: Labels, found: Inventory) -> bool:
    """Whether a run that goes on can be the owner of what has these labels."""
    running = [run for run in found.runs if run.running]
    if "run" in labels:
        return labels["run"] in {label(run.run_id) for run in running}
    if "problem" in labels:
        return labels["problem"] in {run.labels.get("problem") for run in running}
    return bool(running)


def _text(machines: Machines) -> str:
    accelerators = f" + {machines.accelerator_count} {machines.accelerator_type}" if machines.accelerator_type else ""
    return f"{machines.machine_type}{accelerators}"


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _at(setting: Setting) -> str:
    return f"--region={setting.place.location} --project={setting.place.project}"


def _rest(verb: str, path: str, setting: Setting) -> str:
    """A call of the API, for what gcloud has no command."""
    url = f"https://{setting.place.location}-aiplatform.googleapis.com/v1/{path}"
    return f'curl -X {verb} -H "Authorization: Bearer $(gcloud auth print-access-token)" {url}'
