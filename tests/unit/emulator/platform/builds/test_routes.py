"""Builds across a restart of the emulator, and one that meets a bug."""

import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud.devtools import cloudbuild_v1

from emulator.aiplatform.context import Context
from emulator.aiplatform.methods import Message
from emulator.clock import ManualClock
from emulator.platform.access import Access
from emulator.platform.builds.routes import Asked, BuildRoutes, asked
from emulator.platform.registry import Registry
from emulator.platform.rpc import Caller
from emulator.processes import Supervisor
from emulator.store import Store

CALLER = Caller("user:a@b", Access())
REQUEST = cloudbuild_v1.CreateBuildRequest(project_id="p", build={"steps": [{"name": "docker"}]})
GET = "GetOperation"


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    """An emulator's state, on a clock that stands."""
    supervisor = Supervisor({})
    store = Store(tmp_path / "store")
    clock = ManualClock(dt.datetime(2026, 11, 25, tzinfo=dt.UTC))
    yield Context("p", "l", state=tmp_path, store=store, clock=clock, supervisor=supervisor)
    store.close()
    supervisor.stop_all()


def routes(context: Context) -> BuildRoutes:
    """Builds over a state, as the emulator has them once it has started."""
    return BuildRoutes(context, Registry(context))


def create(builds: BuildRoutes) -> str:
    """Makes a build; gives its name."""
    operation = builds.create(cloudbuild_v1.CreateBuildRequest.pb(REQUEST), CALLER)
    metadata = cloudbuild_v1.BuildOperationMetadata.pb()()
    operation.metadata.Unpack(metadata)
    return str(metadata.build.name)


def ended(builds: BuildRoutes, name: str, context: Context) -> Message:
    """The operation of a build, once that has ended; the clock is set forward meanwhile."""
    clock = context.clock
    assert isinstance(clock, ManualClock)
    deadline = time.monotonic() + 10
    while not (operation := builds.about_operation(Asked(GET, name))).done:
        assert time.monotonic() < deadline
        clock.advance(dt.timedelta(seconds=1))
        time.sleep(0.01)
    return operation


def test_a_build_takes_its_time(context: Context) -> None:
    """It is queued until the clock goes on."""
    builds = routes(context)
    name = create(builds)
    assert not builds.about_operation(Asked(GET, name)).done
    assert ended(builds, name, context).HasField("response")


def test_a_build_that_the_emulators_end_cut_off_has_failed(context: Context) -> None:
    """It says so after the next start, rather than to go on for ever."""
    name = create(routes(context))
    operation = routes(context).about_operation(Asked(GET, name))
    assert (operation.done, operation.error.code) == (True, 13)


def test_a_build_that_meets_a_bug_ends(context: Context) -> None:
    """With the bug's message, as an internal error."""
    builds = routes(context)
    name = create(builds)
    (context.state / "access.json").write_text("[]", encoding="utf-8")
    operation = ended(builds, name, context)
    assert (operation.error.code, "AccessError" in str(builds._builds.get(name).status_detail)) == (13, True)


@pytest.mark.parametrize(
    ("verb", "path", "wanted"),
    [
        (
            "GET",
            "/v1/operations/build/p/MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAw",
            Asked(GET, "projects/p/locations/global/builds/00000000-0000-0000-0000-000000000000"),
        ),
        (
            "POST",
            "/v1/projects/p/locations/l/operations/MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAw:cancel",
            Asked("CancelOperation", "projects/p/locations/l/builds/00000000-0000-0000-0000-000000000000"),
        ),
        ("GET", "/v1/projects/p/locations/l/operations/1001", None),
        ("DELETE", "/v1/operations/build/p/MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAw", None),
    ],
)
def test_an_operation_of_a_build_is_told_from_one_of_vertex_ai(verb: str, path: str, wanted: Asked | None) -> None:
    """By its id, which is the build's in Base64: `echo -n 00000000-... | base64`."""
    assert asked(verb, path) == wanted
