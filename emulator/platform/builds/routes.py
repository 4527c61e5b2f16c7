"""Cloud Build: a build's steps do not run, but it takes its time, ends, and what it pushes is in Artifact Registry.

A build's operation is the build as it stands, under the name that Cloud Build gives it: the id in Base64, for a build
in the location `global` below `operations/build/PROJECT`.
"""

import base64
import logging
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import uuid4

from google.longrunning import operations_pb2
from google.protobuf import empty_pb2
from google.rpc import code_pb2, status_pb2

from emulator.aiplatform import wire
from emulator.aiplatform.context import Collection, Context, stamp
from emulator.aiplatform.errors import NUMBERS, precondition
from emulator.aiplatform.listing import listed
from emulator.aiplatform.methods import Message, message_class
from emulator.faults import HANGS, OPERATION_KINDS, Fault
from emulator.platform.access import read
from emulator.platform.builds import resource
from emulator.platform.builds.resource import Failure
from emulator.platform.registry import Registry
from emulator.platform.rpc import Caller, Rpc

log = logging.getLogger(__name__)
_TYPES = "google.cloud.devtools.cloudbuild_v1.types.cloudbuild"
_GLOBAL = "global"
_PHASE_S = 0.1
"""How long a build is queued, and how long it then works."""
_OPERATION = re.compile(
    r"^/v1/(?:operations/build/(?P<project>[^/]+)|(?P<parent>projects/[^/]+/locations/[^/]+)/operations)"
    # Not the number that an operation of Vertex AI has, but a UUID in Base64.
    r"/(?P<id>[A-Za-z0-9]{48})(?P<cancel>:cancel)?$"
)
_CANCEL = "CancelOperation"
_CANCELLED = Failure("build was cancelled", code=code_pb2.CANCELLED, message="Build cancelled")
_STOPPED = Failure("the emulator was stopped while this ran", code=code_pb2.INTERNAL)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request about a build's operation: the method, and the build's name."""

    method: str
    build: str


def asked(verb: str, path: str) -> Asked | None:
    """What a request asks of a build's operation, None where it is about something else."""
    match = _OPERATION.match(path)
    if match is None or verb != ("POST" if match["cancel"] else "GET"):
        return None
    parent = match["parent"] or f"projects/{match['project']}/locations/{_GLOBAL}"
    build_id = base64.b64decode(match["id"]).decode("latin-1")
    return Asked(_CANCEL if match["cancel"] else "GetOperation", f"{parent}/builds/{build_id}")


class BuildRoutes:
    """The methods that the emulator has."""

    def __init__(self, context: Context, registry: Registry) -> None:
        """Builds that were under way when the emulator was killed will never end, so they are ended here."""
        self._context = context
        self._registry = registry
        self._builds = Collection(context, f"{_TYPES}:Build")
        self._errors = Collection(context, "google.rpc.status_pb2:Status")
        self._cancelled: dict[str, threading.Event] = {}
        for build in self._builds.all():
            if resource.status_of(build) not in resource.ENDED:
                self._end(build.name, "INTERNAL_ERROR", _STOPPED)

    def routes(self) -> Mapping[str, Rpc]:
        """By the method's name."""
        return {
            "CreateBuild": Rpc(self.create, "cloudbuild.builds.create"),
            "GetBuild": Rpc(self.get, "cloudbuild.builds.get"),
            "ListBuilds": Rpc(self.list, "cloudbuild.builds.list"),
            "CancelBuild": Rpc(self.cancel, "cloudbuild.builds.update"),
        }

    def create(self, request: Message, caller: Caller) -> Message:
        """A new build, which ends within a second; gives its operation."""
        wire.only(request, ("parent", "project_id", "build"), "CreateBuildRequest")
        resource.check(request.build, caller)
        build = type(request.build)()
        build.CopyFrom(request.build)
        build.id = str(uuid4())
        build.name = f"{_parent(request)}/builds/{build.id}"
        build.project_id = build.name.split("/")[1]
        build.log_url = f"https://console.cloud.google.com/cloud-build/builds/{build.id}?project={build.project_id}"
        resource.write_status(build, "QUEUED")
        stamp(build, self._context, "create_time")
        self._builds.put(build.name, build)
        fault = self._context.faults.of_rpc("CreateBuild", OPERATION_KINDS)
        cancelled = self._cancelled[build.name] = threading.Event()
        threading.Thread(target=self._run, args=(build.name, cancelled, fault), name=build.name, daemon=True).start()
        return self._operation(build)

    def get(self, request: Message, _: Caller) -> Message:
        """The build of a name, or of an id in the location `global`."""
        return self._builds.get(_name(request))

    def list(self, request: Message, _: Caller) -> Message:
        """The builds of a location, the newest first."""
        found = self._builds.all(f"{_parent(request)}/builds/")
        # The other way to write `parent`, as which the table of methods fills it in.
        request.ClearField("project_id")
        newest = sorted(found, key=lambda build: build.create_time.ToNanoseconds(), reverse=True)
        return listed(request, message_class(f"{_TYPES}:ListBuildsResponse")(), newest)

    def cancel(self, request: Message, _: Caller) -> Message:
        """Ends a build that has not ended; it pushes nothing then."""
        return self._cancel(_name(request))

    def about_operation(self, asked: Asked) -> Message:
        """The answer to a request about a build's operation.

        Raises:
            ApiError: There is no such build, or it cannot be cancelled.
        """
        if asked.method == _CANCEL:
            self._cancel(asked.build)
            return empty_pb2.Empty()
        return self._operation(self._builds.get(asked.build))

    def _cancel(self, name: str) -> Message:
        with self._context.lock:
            status = resource.status_of(self._builds.get(name))
            if status in resource.ENDED:
                raise precondition(f"{name} has ended already, in {status}")
            self._end(name, "CANCELLED", _CANCELLED)
            self._cancelled[name].set()
            return self._builds.get(name)

    def _run(self, name: str, cancelled: threading.Event, fault: Fault | None) -> None:
        try:
            self._context.clock.sleep(_PHASE_S)
            self._unless(cancelled, lambda: self._work(name))
            self._context.clock.sleep(_PHASE_S)
            if fault is None or fault.kind != HANGS:
                self._unless(cancelled, lambda: self._finish(self._builds.get(name), fault))
        except Exception as error:
            # A bug of the emulator must not look like a build that goes on for ever.
            log.exception("build %s", name)
            why = Failure(f"{type(error).__name__}: {error}", code=code_pb2.INTERNAL)
            self._unless(cancelled, lambda: self._end(name, "INTERNAL_ERROR", why))

    def _unless(self, cancelled: threading.Event, do: Callable[[], None]) -> None:
        with self._context.lock:
            if not cancelled.is_set():
                do()

    def _work(self, name: str) -> None:
        build = self._builds.get(name)
        resource.write_status(build, "WORKING")
        stamp(build, self._context, "start_time")
        self._builds.put(name, build)

    def _finish(self, build: Message, fault: Fault | None) -> None:
        if fault is not None:
            why: Failure | None = Failure(fault.message, code=NUMBERS[fault.code], message=fault.message)
        else:
            why = resource.failure(build, read(self._context.state), self._context.objects)
        if why is not None:
            self._end(build.name, "FAILURE", why)
            return
        for name, image in resource.images(build):
            self._registry.add(image.package, image.digest, [image.tag])
            build.results.images.add(name=name, digest=image.digest)
        self._builds.put(build.name, build)
        self._end(build.name, "SUCCESS")

    def _end(self, name: str, status: str, why: Failure | None = None) -> None:
        build = self._builds.get(name)
        if why is not None:
            self._errors.put(name, status_pb2.Status(code=why.code, message=why.message))
        resource.write_status(build, status, why)
        stamp(build, self._context, "finish_time")
        self._builds.put(name, build)

    def _operation(self, build: Message) -> Message:
        _, project, _, location, _, build_id = build.name.split("/")
        regional = f"projects/{project}/locations/{location}/operations"
        scope = f"operations/build/{project}" if location == _GLOBAL else regional
        operation = operations_pb2.Operation(name=f"{scope}/{base64.b64encode(build_id.encode()).decode('ascii')}")
        operation.metadata.Pack(message_class(f"{_TYPES}:BuildOperationMetadata")(build=build))
        if resource.status_of(build) in resource.ENDED:
            operation.done = True
            if (error := self._errors.find(build.name)) is not None:
                operation.error.CopyFrom(error)
            else:
                operation.response.Pack(build)
        return operation


def _parent(request: Message) -> str:
    return str(request.parent) or f"projects/{request.project_id}/locations/{_GLOBAL}"


def _name(request: Message) -> str:
    return str(request.name) or f"projects/{request.project_id}/locations/{_GLOBAL}/builds/{request.id}"
