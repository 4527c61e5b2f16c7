"""`make monitor` against the emulator: its exit status, what it says and what it writes down."""

import dataclasses
import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from google.cloud import bigquery

from pipelines.monitor import monitor
from pipelines.session import Session
from plumbline.adapters import bigquery as bq
from plumbline.adapters.clients import Clients
from plumbline.adapters.endpoints import Kind, ensure
from plumbline.adapters.monitoring_jobs import watch
from plumbline.config import load_environment, load_problem
from plumbline.environment import Place
from plumbline.errors import PlumblineError
from plumbline.monitoring import Watch, thresholds
from plumbline.skew import kinds
from tests.contract import vertex as vx
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.request_log import Logged, write

CONFIGS = Path(__file__).parents[2] / "configs"
START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
ROWS = 2000
Rows = Mapping[str, Sequence[object]]


@dataclass(frozen=True, slots=True)
class Site:
    """An endpoint that is asked about flights."""

    session: Session
    model: str
    said: list[str]

    def log(self, at: dt.datetime, asked: Rows, score: float) -> None:
        """Requests and answers of a moment."""
        client = self.session.clients.bigquery()
        instances = [dict(zip(asked, row, strict=True)) for row in zip(*asked.values(), strict=True)]
        random = np.random.default_rng(1)
        answers = [{"score": s, "decision": s > 0.5, "version": "1"} for s in random.beta(2, 2 / score - 2, ROWS)]
        plain = [{**each, "decision": bool(each["decision"])} for each in answers]
        write(client, log_table(self.session), [Logged(at, instances, plain, model=self.model)])

    def monitor(self, **given: object) -> int:
        """The exit status of the command, a day after START."""
        now: Callable[[], dt.datetime] = lambda: START + DAY  # noqa: E731 - a clock
        return monitor(self.session, **{"hours": 0, "until": "", "now": now, **given})  # type: ignore[arg-type] # by name


def log_table(session: Session) -> str:
    """The log that a run gives the endpoint."""
    return bq.full_name(session.clients.place, f"{session.loaded.config.serving.endpoint.replace('-', '_')}_requests")


def rows(session: Session, seed: int, moved: float = 0.0) -> Rows:
    """Values of each raw column of the flights."""
    random = np.random.default_rng(seed)
    return {
        name: (random.normal(moved, 1, ROWS) if kind == "number" else random.choice(["a", "b"], ROWS)).tolist()
        for name, kind in kinds(session.loaded.config.data.features).items()
    }


def session_of(emulator: Emulator, state: Path) -> tuple[Session, list[str]]:
    """The flights, on an endpoint and a dataset of their own."""
    loaded, said = load_problem(CONFIGS / "flights.yaml"), list[str]()
    config = loaded.config
    serving = dataclasses.replace(config.serving, endpoint=vx.fresh("watched"))
    loaded = dataclasses.replace(loaded, config=dataclasses.replace(config, serving=serving))
    dataset = vx.fresh("watched").replace("-", "_")
    place = Place(project=PROJECT, location=LOCATION, bucket="watched", dataset=dataset, bigquery_location=LOCATION)
    clients = Clients(place, emulator.environment)
    bq.ensure_dataset(clients.bigquery(), place)
    env = load_environment(CONFIGS / "env" / "local.yaml")
    return Session(loaded, env, clients, state, said.append), said


@pytest.fixture
def site(emulator: Emulator, tmp_path: Path) -> Site:
    """A monitored endpoint, as a run leaves it, and its training table."""
    session, said = session_of(emulator, tmp_path)
    clients, config = session.clients, session.loaded.config
    vertex = vx.connect(emulator)
    kind = Kind(logging=1.0)
    endpoint = ensure(clients.endpoints(), clients.place, config.serving.endpoint, problem="flights", kind=kind)
    model = vx.deploy(vertex, endpoint.name, vx.upload(vertex)).id
    training = bq.full_name(clients.place, "training")
    table = pa.table({**rows(session, 0), config.data.label.column: [False] * ROWS})
    types = {"number": "FLOAT64", "category": "STRING"}
    known = kinds(config.data.features)
    schema = [bigquery.SchemaField(name, types[known.get(name, "category")]) for name in table.column_names[:-1]]
    bq.load_table(clients.bigquery(), training, table.drop_columns([config.data.label.column]), schema)
    what = Watch(
        training_table=training,
        label=config.data.label.column,
        schema_uri="",
        skew=thresholds({}, 0.3, config.data.features),
        drift=thresholds({}, 0.3, config.data.features),
        sampling_rate=1.0,
        interval_hours=24,
        emails=("one@example.com",),
    )
    watch(clients.jobs(), clients.endpoints(), clients.place, endpoint.name, what)
    return Site(session, model, said)


def test_a_day_like_training_passes(site: Site) -> None:
    """Exit status 0; each feature twice and each answer once, all judged."""
    site.log(START - DAY, rows(site.session, 1), 0.3)
    site.log(START, rows(site.session, 2), 0.3)
    assert site.monitor() == 0
    features = len(kinds(site.session.loaded.config.data.features))
    assert site.said[-1] == f"{2 * features + 2} distances: 0 above the threshold, 0 not judged"
    assert site.said[0] == f"2026-03-02 00:00 to 2026-03-03 00:00 UTC, {log_table(site.session)}"


def test_a_day_that_has_moved_is_an_anomaly(site: Site) -> None:
    """Exit status 3, and the file holds the distances: numbers far away, answers that lean the other way."""
    site.log(START - DAY, rows(site.session, 1), 0.2)
    site.log(START, rows(site.session, 2, moved=20.0), 0.8)
    assert site.monitor() == 3
    (told,) = [line for line in site.said if line.startswith("  skew") and " distance " in line]
    assert "1.0000, threshold 0.3  ANOMALY  Jensen-Shannon, 2,000 values before, 2,000 now" in told
    written = json.loads((site.session.state / "monitoring" / "20260303T000000Z.json").read_text(encoding="utf-8"))
    found = {(each["objective"], each["name"]): each["value"] for each in written["distances"]}
    assert found["drift", "distance"] == pytest.approx(1.0)
    assert found["skew", "carrier"] < 0.1
    assert found["prediction drift", "decision"] > 0.5


def test_a_day_without_requests_has_not_passed(site: Site) -> None:
    """Exit status 1: nothing could be judged."""
    site.log(START - DAY, rows(site.session, 1), 0.3)
    assert site.monitor() == 1
    assert "not judged: 2000 values before and 0 now, wanted at least 100 of each" in site.said[2]


def test_the_window_can_be_chosen(site: Site) -> None:
    """By its length and its end; a wrong one is refused."""
    site.log(START - DAY, rows(site.session, 1, moved=20.0), 0.3)
    assert site.monitor(hours=1, until="2026-03-01T01:00") == 3
    assert site.said[0].startswith("2026-03-01 00:00 to 2026-03-01 01:00 UTC")
    with pytest.raises(PlumblineError, match="wanted a time as 2026-03-02T06:00, got 'yesterday'"):
        site.monitor(until="yesterday")
    with pytest.raises(PlumblineError, match="a window of -1 hours is none"):
        site.monitor(hours=-1)


def test_without_monitoring_or_a_log_there_is_nothing_to_compare(emulator: Emulator, tmp_path: Path) -> None:
    """The error says what is missing."""
    session, _ = session_of(emulator, tmp_path)
    with pytest.raises(PlumblineError, match="not there or not monitored"):
        monitor(session, hours=0, until="")
    clients, vertex = session.clients, vx.connect(emulator)
    name = session.loaded.config.serving.endpoint
    endpoint = ensure(clients.endpoints(), clients.place, name, problem="flights", kind=Kind())
    vx.deploy(vertex, endpoint.name, vx.upload(vertex))
    what = Watch("p.d.t", "late", "", {"distance": 0.3}, {}, 1.0, 24, ("one@example.com",))
    watch(clients.jobs(), clients.endpoints(), clients.place, endpoint.name, what)
    with pytest.raises(PlumblineError, match="logs no requests"):
        monitor(session, hours=0, until="")
