"""Every cell of the fault matrix: a step with a fault in one of its calls, what it leaves, and the run after it."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from google.api_core.retry import Retry, if_exception_type

from plumbline.adapters import endpoints as on
from plumbline.adapters.clients import Clients
from plumbline.adapters.retries import RETRIABLE, Patience
from plumbline.environment import Place
from plumbline.errors import PlumblineError
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.reliability import LEAVES, RECOVERS, Cell, cells, page
from tests.contract.reliability_steps import ROOT, STEPS, World
from tests.contract.vertex import fresh

BRISK = Patience(
    Retry(predicate=if_exception_type(*RETRIABLE), initial=0.02, multiplier=1.5, maximum=0.2, timeout=20.0),
    quick_s=1.5,
    upload_s=1.5,
    margin_s=0.5,
)
WORDS = "the fault that a test has ordered"


@pytest.fixture
def world(emulator: Emulator) -> Iterator[World]:
    """A world, at whose end nothing is deployed, so that the emulator stays quick."""
    name = fresh("world").replace("-", "_")
    place = Place(project=PROJECT, location=LOCATION, bucket="models", dataset=name, bigquery_location=LOCATION)
    made = World(emulator, Clients(place, emulator.environment, BRISK), name)
    yield made
    endpoint = on.find(made.clients.endpoints(), made.endpoint)
    if endpoint is not None and not endpoint.model_deployment_monitoring_job:
        on.empty(made.clients.endpoints(), endpoint)


@contextmanager
def ordered(cell: Cell, state: Path) -> Iterator[None]:
    """The fault of a cell, as long as the context lasts."""
    rule: dict[str, object] = {
        "id": uuid.uuid4().hex,
        "method": cell.call.method,
        "kind": cell.fault.kind,
        "code": cell.fault.code,
        "message": WORDS,
    }
    if cell.fault.times is not None:
        rule["times"] = cell.fault.times
    file = state / "faults.json"
    part = state / "faults.part"
    part.write_text(json.dumps([rule]), encoding="utf-8")
    part.replace(file)
    try:
        yield
    finally:
        file.unlink()


@pytest.mark.parametrize("cell", cells(), ids=lambda cell: cell.name)
def test_a_fault_does_no_harm(cell: Cell, world: World) -> None:
    """The step recovers, or stops with Google's words and nothing left over; the next run succeeds."""
    step = STEPS[cell.call.step]
    step.before(world)
    with ordered(cell, world.emulator.state):
        if cell.outcome == RECOVERS:
            step.act(world)
        else:
            with pytest.raises(PlumblineError) as caught:
                step.act(world)
            hung = cell.fault.kind == "operation_hangs"
            waits = cell.call.step in {"tune", "train"}
            assert ("not done" if hung and not waits else WORDS if not hung else "still") in str(caught.value)
    if cell.outcome != LEAVES:
        (step.done if cell.outcome == RECOVERS else step.clean)(world)
    if cell.outcome != RECOVERS:
        step.act(world)
        step.done(world)


def test_the_page_is_what_was_tried() -> None:
    """docs/reliability.md is written from the matrix, and holds each of its cells."""
    written = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    assert written == page(), "run `make generate`"
