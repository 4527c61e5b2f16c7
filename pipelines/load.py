"""`make load`: asks the endpoint of the last run by a schedule, and says what it held."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from google.cloud import aiplatform_v1 as vertex

from pipelines.commands import now
from pipelines.finish import fetch
from pipelines.session import Session
from plumbline.adapters import endpoints as on
from plumbline.adapters import pipeline_jobs
from plumbline.adapters.load_generator import generate, target
from plumbline.adapters.registry import parent
from plumbline.dataset import split_path
from plumbline.errors import ServiceError
from plumbline.features import to_instances
from plumbline.labels import label
from plumbline.load import LoadProfile
from plumbline.load_page import render
from plumbline.open_loop import LoadResult, Order, Step, arrivals, expected, length, profile, result, table
from plumbline.section import section, to_json

NOT_STARTED = 2
"""Exit status: nothing was asked, since nobody has said yes."""
_ROWS = 256
_USUAL_RATES = (5.0, 10.0, 20.0, 40.0)


@section
class Asked:
    """What the user wants of a load."""

    rates: tuple[float, ...] = ()
    """Requests a second of the steps; without any they follow from the load profile of the config."""
    spike: float | None = None
    """Requests a second; 0 is no spike, None twice the largest rate."""
    seconds: float = 10.0
    """Of a step."""
    limit_ms: float = 250.0
    """Of the 99th percentile: up to there a rate is held."""
    seed: int = 7
    yes: bool = False
    """Whether Google Cloud may be asked."""


def load(session: Session, asked: Asked) -> int:
    """Loads the endpoint and writes what was measured; the exit status.

    Raises:
        PlumblineError: There is no endpoint or no run whose rows could be asked, or the load is too large.
    """
    steps = steps_of(asked, session.loaded.config.serving.load)
    endpoint = _endpoint(session)
    told = (
        f"{len(steps)} steps of up to {max(step.rate for step in steps):g} requests/s, {length(steps):g} s in all, "
        f"about {expected(steps):,.0f} predictions, to {endpoint.name}"
    )
    if session.environment.endpoints is None and not asked.yes:
        session.say(f"this would send {told}. It costs what the replicas cost, and competes with whoever else asks it.")
        session.say("nothing was sent: add YES=yes (--yes)")
        return NOT_STARTED
    session.say(told)
    instances = _instances(session)
    # The first answer takes a connection, and replicas that came with the emulator a moment.
    on.predict(session.clients.predictions(), endpoint.name, instances[:1])
    started = now()
    schedule = arrivals(steps, seed=asked.seed)
    order = Order(endpoint.name, f"{started:%Y-%m-%dT%H:%M:%SZ}", steps, schedule, asked.limit_ms)
    endpoints = session.clients.endpoints()
    found = generate(
        target(session.clients, endpoint),
        instances,
        schedule,
        lambda: on.available_replicas(endpoints, endpoint.name),
        begun=lambda number: session.say(f"  {steps[number].name} of {steps[number].rate:g} requests/s"),
    )
    _tell(result(order, found), session, session.state / "load" / f"{started:%Y%m%d%H%M%S}")
    return int(found.interrupted)


def steps_of(asked: Asked, usual: LoadProfile | None) -> Sequence[Step]:
    """The steps of a load: as they are asked for, or around the rates of the config's load profile.

    Raises:
        PlumblineError: They are not such as can be asked for.
    """
    rates: Sequence[float] = asked.rates
    if not rates and usual is None:
        rates = _USUAL_RATES
    elif not rates and usual is not None:
        rates = sorted({usual.usual_rate, usual.peak_rate, 2 * usual.peak_rate, 4 * usual.peak_rate})
    spike = 2 * max(rates, default=0.0) if asked.spike is None else asked.spike
    return profile(rates, seconds=asked.seconds, spike=spike)


def _endpoint(session: Session) -> vertex.Endpoint:
    endpoint_id = session.loaded.config.serving.endpoint
    found = on.find(session.clients.endpoints(), f"{parent(session.clients.place)}/endpoints/{endpoint_id}")
    if found is None or not found.traffic_split:
        raise ServiceError(f"the endpoint {endpoint_id} serves no model yet: run the pipeline first")
    return found


def _instances(session: Session) -> Sequence[Mapping[str, object]]:
    """Rows of the test split of the last run that has made one, evenly spread over it."""
    config, clients = session.loaded.config, session.clients
    pipelines = clients.pipelines()
    names = pipeline_jobs.named(pipelines, clients.place, label(config.name))
    uri = next((uri for name in names if (uri := pipeline_jobs.look(pipelines, name).uri("ingest", "dataset"))), "")
    if not uri:
        raise ServiceError(
            f"no run of {config.name} has made a dataset whose rows could be asked: run the pipeline first"
        )
    with tempfile.TemporaryDirectory(prefix="plumbline-load-") as scratch:
        split = split_path(Path(scratch), "test")
        rows = pq.read_table(fetch(f"{uri}/{split.name}", clients, split))
    chosen = np.unique(np.linspace(0, rows.num_rows - 1, num=_ROWS).astype(np.int64))
    return to_instances(rows.take(chosen), config.data.features)


def _tell(found: LoadResult, session: Session, folder: Path) -> None:
    for line in table(found):
        session.say(line)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "load.json").write_text(to_json(found) + "\n", encoding="utf-8")
    (folder / "load.html").write_text(render(found, title=session.loaded.config.name), encoding="utf-8")
    session.say(f"  {'load':<12} {folder / 'load.html'}")
