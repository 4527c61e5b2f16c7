"""What a run would find, make, change and reuse, told before anything is made."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from plumbline.champion import CHAMPION
from plumbline.cost import Facts, Machines
from plumbline.environment import Schedule
from plumbline.inventory import Deployed, Table, Version
from plumbline.lineage import Snapshot
from plumbline.problem import ProblemConfig, Serving
from plumbline.reuse import USES, Past, durations, reused
from plumbline.runs import STEPS
from plumbline.section import to_json


@dataclass(frozen=True, slots=True)
class Outlook:
    """What there is now, as far as a run of a problem is concerned."""

    sources: Sequence[Table]
    features_bytes: int
    """That the query would read."""
    table_bytes: int
    """Of the features table that the last run has made; what the query reads where there was no run."""
    snapshot: Snapshot
    past: Sequence[Past]
    """The last runs, the newest first."""
    running: Sequence[str]
    """Ids of the runs of the problem that go on."""
    versions: Sequence[Version]
    has_endpoint: bool
    serving: Deployed | None
    """The deployed model with the most traffic; None where none has any."""
    monitor: str
    """The monitoring job of the endpoint, empty where there is none."""
    cron: str
    """Of the schedule that is there, empty where there is none."""


def facts(found: Outlook, config: ProblemConfig, inputs: Mapping[str, str]) -> Facts:
    """What an estimate needs to know.

    Args:
        found: What there is.
        config: The problem's.
        inputs: The parameters of the run, without what its snapshot gives.
    """
    taken = {"source_version": found.snapshot.source_version, "champion": to_json(found.snapshot.champion)}
    given = {**inputs, **taken}
    return Facts(
        features_bytes=found.features_bytes,
        table_bytes=found.table_bytes,
        reused=reused(found.past, given),
        rolls_out=not serves(found, config.serving),
        seconds=durations(found.past, given),
    )


def serves(found: Outlook, serving: Serving) -> bool:
    """Whether the model that this run would make serves already, on the machines that are asked for."""
    now = found.serving
    lineages = {one.name: one.labels.get("lineage") for one in found.versions}
    same = now is not None and lineages.get(now.version) == found.snapshot.lineage
    return same and now is not None and now.machines == machines(serving)


def machines(serving: Serving) -> Machines:
    """The machines of a serving replica."""
    return Machines(serving.machine_type, serving.accelerator_type, serving.accelerator_count)


def lines(
    found: Outlook, config: ProblemConfig, known: Facts, *, schedule: Schedule | None, emulated: bool
) -> Sequence[str]:
    """The outlook as lines of text for a terminal.

    Args:
        found: What there is.
        config: The problem's.
        known: What `facts` has made of it.
        schedule: What the environment asks for.
        emulated: Whether an emulator has told how many bytes a query reads; it always says 0.
    """
    told = {
        "data": _data(found, config, emulated=emulated),
        "steps": _steps(found, known),
        "model": _model(found),
        "endpoint": _endpoint(found, config.serving),
        "monitoring": [f"{_last(found.monitor)}: brought up to date" if found.monitor else "new job on the endpoint"],
        "schedule": [_schedule(found.cron, schedule)],
    }
    return [f"{title if i == 0 else '':<12}{text}" for title, texts in told.items() for i, text in enumerate(texts)]


def _data(found: Outlook, config: ProblemConfig, *, emulated: bool) -> Iterator[str]:
    by = " (an emulator's answer)" if emulated else ""
    for table in found.sources:
        yield f"{table.name}: {table.rows:,} rows, {table.size:,} bytes{by}"
    yield f"the query reads {found.features_bytes:,} bytes{by}, at most {config.data.maximum_bytes:,} are allowed"


def _steps(found: Outlook, known: Facts) -> Iterator[str]:
    for run_id in found.running:
        yield f"{run_id} is under way"
    if not found.past:
        yield "no run before this one: every step runs, and times are assumed"
        return
    cached = [step for step in STEPS if step in known.reused]
    yield f"last run {found.past[0].run.run_id}"
    yield f"from the cache: {', '.join(cached) or 'none'}"
    yield f"to be run: {', '.join(step for step in STEPS if step not in known.reused)}"
    if not set(USES) - known.reused:
        yield "nothing has changed since: the model will be the same"


def _model(found: Outlook) -> Iterator[str]:
    champion = next((one for one in found.versions if CHAMPION in one.aliases), None)
    yield "no champion yet" if champion is None else f"champion: version {champion.name.rpartition('@')[2]}"
    numbers = [int(one.name.rpartition("@")[2]) for one in found.versions]
    if any(one.labels.get("lineage") == found.snapshot.lineage for one in found.versions):
        yield "a version of the same data, code and config is there: used again where its files are the same"
    else:
        yield f"a model that passes its gates becomes version {max(numbers, default=0) + 1}"


def _endpoint(found: Outlook, serving: Serving) -> Iterator[str]:
    after = _replicas(machines(serving), serving.minimum_replicas, serving.maximum_replicas)
    if not found.has_endpoint:
        yield f"{serving.endpoint}: new, {after}"
        return
    now = found.serving
    if now is None:
        yield f"{serving.endpoint}: there, nothing serves; then {after}"
        return
    yield f"{serving.endpoint}: there, version {now.version.rpartition('@')[2]} has {now.traffic} % of the traffic"
    before = _replicas(now.machines, now.minimum, now.maximum)
    if before == after:
        yield f"unchanged: {after}"
    elif now.machines == machines(serving):
        yield f"rescaled: {before} becomes {after}"
    else:
        yield f"deployed anew on other machines: {before} becomes {after}"


def _schedule(cron: str, wanted: Schedule | None) -> str:
    if wanted is None:
        return f"{cron}, though the config has none" if cron else "none"
    if not cron:
        return f"{wanted.cron} in {wanted.time_zone}: not made yet, `make schedule` makes it"
    return f"{cron}: submits the code and config of its last `make schedule`"


def _replicas(of: Machines, minimum: int, maximum: int) -> str:
    accelerators = f" with {of.accelerator_count} {of.accelerator_type}" if of.accelerator_type else ""
    return f"{minimum} to {maximum} x {of.machine_type}{accelerators}"


def _last(name: str) -> str:
    return name.rpartition("/")[2]
