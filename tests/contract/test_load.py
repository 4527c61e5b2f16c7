"""The load generator against the real emulator: what was due is asked, what went wrong is told, Ctrl-C ends it."""

import dataclasses
import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from google.cloud import aiplatform_v1 as v1

from pipelines.load import Asked, load
from pipelines.session import Session
from plumbline.adapters import endpoints as on
from plumbline.adapters.clients import Clients
from plumbline.adapters.load_generator import Target, generate, target
from plumbline.config import load_environment, load_problem
from plumbline.environment import Place
from plumbline.errors import ServiceError
from plumbline.open_loop import Arrival, Order, Step, arrivals, result
from tests.contract import vertex as vx
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.vertex import Vertex

ROOT = Path(__file__).parents[2]
PLACE = Place(project=PROJECT, location=LOCATION, bucket="bucket", dataset="d", bigquery_location=LOCATION)


@pytest.fixture(scope="module")
def vertex(emulator: Emulator) -> Vertex:
    """Clients of the shared emulator."""
    return vx.connect(emulator)


def served(vertex: Vertex, **env: str) -> str:
    """An endpoint with one replica, whose container has these variables."""
    variables = [v1.EnvVar(name=name, value=value) for name, value in env.items()]
    spec = v1.ModelContainerSpec(image_uri=vx.IMAGE, command=vx.SERVING, env=variables)
    to = vx.named_endpoint(vertex)
    vx.deploy(vertex, to, vx.upload(vertex, container_spec=spec))
    return to


def aimed(vertex: Vertex, of: str, environ: Mapping[str, str] | None = None) -> Target:
    """Where an endpoint's predictions are asked for, with the environment's clients."""
    clients = Clients(PLACE, {"AIPLATFORM_EMULATOR_HOST": vertex.url} if environ is None else environ)
    return target(clients, vertex.endpoints.get_endpoint(name=of))


def test_each_request_that_is_due_is_answered(vertex: Vertex) -> None:
    """By the schedule, with the replicas counted meanwhile."""
    to = served(vertex)
    steps = [Step(name="step", rate=20, seconds=1.0), Step(name="spike", rate=60, seconds=1.0)]
    schedule = arrivals(steps, seed=1)
    begun: list[int] = []
    found = generate(
        aimed(vertex, to),
        [{"x": 1}, {"x": 2}],
        schedule,
        lambda: on.available_replicas(vertex.endpoints, to),
        begun=begun.append,
    )
    assert begun == [0, 1]
    assert not found.interrupted
    assert found.elapsed_s >= schedule[-1].due
    assert {answer.arrival for answer in found.answers} == set(schedule)
    measured = result(Order(to, "2026-01-01T00:00:00Z", steps, schedule, 60_000.0), found)
    assert [(each.due, each.failed) for each in measured.steps] == [(each.answered, 0) for each in measured.steps]
    assert (measured.held, measured.steps[0].most_replicas) == (60, 1)


def test_a_request_that_waits_for_others_has_waited_since_it_was_due(vertex: Vertex) -> None:
    """All ten are due at once and each takes a fifth of a second of one core: the last takes at least two."""
    to = served(vertex, WORK="0.2")
    found = generate(aimed(vertex, to), [{"x": 1}], [Arrival(0.0, 0)] * 10, lambda: 1)
    latencies = sorted(answer.latency_s for answer in found.answers)
    assert not any(answer.error for answer in found.answers)
    # The interpreter of the container does one thing at a time.
    assert latencies[-1] >= 10 * 0.2 * 0.9


@pytest.mark.parametrize(
    ("instance", "error"), [("bad", "400 "), ("broken", "500 the container answers 500"), ("odd", "500 ")]
)
def test_an_answer_that_is_none_is_told(vertex: Vertex, instance: str, error: str) -> None:
    """With its status and what the endpoint says."""
    to = served(vertex)
    bodies: list[Mapping[str, object]] = [instance]  # type: ignore[list-item] # what the container takes as a fault
    found = generate(aimed(vertex, to), bodies, [Arrival(0.0, 0)], lambda: 1)
    assert [answer.error.startswith(error) for answer in found.answers] == [True]


def test_an_answer_that_does_not_come_is_told(vertex: Vertex) -> None:
    """After the time that a request may take, and where nobody listens."""
    to = served(vertex, LONG="20")
    hasty = dataclasses.replace(aimed(vertex, to), timeout_s=0.3)
    found = generate(hasty, [{"x": 1}], [Arrival(0.0, 0)], lambda: 1)
    assert [answer.error for answer in found.answers] == ["no answer in time"]
    nobody = Target("http://127.0.0.1:9/v1/x:predict", {})
    found = generate(nobody, [{"x": 1}], [Arrival(0.0, 0)], lambda: 1)
    assert [answer.error for answer in found.answers] == ["ClientConnectorError"]


def test_an_interrupt_ends_it_and_keeps_what_was_measured(vertex: Vertex) -> None:
    """Of a load of a minute there is the first second; what was under way is given up."""
    to = served(vertex)
    schedule = arrivals([Step(name="step", rate=20, seconds=60.0)], seed=1)
    # A shell has what it runs in the background ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        found = generate(aimed(vertex, to), [{"x": 1}], schedule, lambda: 1)
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)
    assert found.interrupted
    assert found.elapsed_s < 60.0
    assert 0 < len(found.answers) < len(schedule)


def test_replicas_that_nobody_can_count_are_left_out(vertex: Vertex) -> None:
    """The load goes on without the count, as with a service that does not say."""
    to = served(vertex)

    def fails() -> int:
        raise ServiceError("no answer")

    for replicas in (fails, lambda: 0):
        found = generate(aimed(vertex, to), [{"x": 1}], [Arrival(0.0, 0), Arrival(0.1, 0)], replicas)
        assert (len(found.answers), list(found.counts)) == (2, [])


def test_google_cloud_is_asked_only_with_a_yes(vertex: Vertex, tmp_path: Path) -> None:
    """An environment without endpoints: it says how much it would send and where, sends nothing, and ends with 2."""
    to = served(vertex)
    problem = load_problem(ROOT / "configs" / "flights.yaml")
    serving = dataclasses.replace(problem.config.serving, endpoint=to.rpartition("/")[2])
    loaded = dataclasses.replace(problem, config=dataclasses.replace(problem.config, serving=serving))
    local = load_environment(ROOT / "configs" / "env" / "local.yaml", project=PROJECT, location=LOCATION)
    cloud = dataclasses.replace(local, endpoints=None)
    said: list[str] = []
    clients = Clients(PLACE, {"AIPLATFORM_EMULATOR_HOST": vertex.url})
    session = Session(loaded, cloud, clients, tmp_path, said.append)
    assert load(session, Asked(rates=(5.0,), spike=0.0, seconds=30.0)) == 2
    assert f"1 steps of up to 5 requests/s, 30 s in all, about 150 predictions, to {to}" in said[0]
    assert "nothing was sent: add YES=yes" in said[1]
    assert not list(tmp_path.iterdir())


def test_an_endpoint_that_serves_nothing_is_not_loaded(vertex: Vertex, tmp_path: Path) -> None:
    """What to do first is said."""
    problem = load_problem(ROOT / "configs" / "flights.yaml")
    serving = dataclasses.replace(problem.config.serving, endpoint=vx.named_endpoint(vertex).rpartition("/")[2])
    loaded = dataclasses.replace(problem, config=dataclasses.replace(problem.config, serving=serving))
    local = load_environment(ROOT / "configs" / "env" / "local.yaml", project=PROJECT, location=LOCATION)
    clients = Clients(PLACE, {"AIPLATFORM_EMULATOR_HOST": vertex.url})
    with pytest.raises(ServiceError, match="serves no model yet: run the pipeline first"):
        load(Session(loaded, local, clients, tmp_path, print), Asked())


def test_only_this_machine_s_emulator_is_loaded(vertex: Vertex) -> None:
    """An environment that names an emulator elsewhere is refused before anything is sent."""
    to = served(vertex)
    with pytest.raises(ServiceError, match=r"wanted an emulator on 127\.0\.0\.1"):
        aimed(vertex, to, {"AIPLATFORM_EMULATOR_HOST": "http://192.0.2.1:80"})
