"""Long-running operations: work that goes on after its request is answered, can be asked about, and cancelled.

Source: google/longrunning/operations.proto; Vertex AI, "Long-running operations".
"""

import functools
import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass

from google.longrunning import operations_pb2
from google.protobuf import empty_pb2, json_format

from emulator.aiplatform import wire
from emulator.aiplatform.context import Context
from emulator.aiplatform.errors import NUMBERS, ApiError, invalid, not_found, precondition
from emulator.aiplatform.methods import Message, Method, message_class
from emulator.faults import FAILS, HANGS, OPERATION_KINDS, Fault

log = logging.getLogger(__name__)
_KIND = "google.longrunning.operations_pb2:Operation"
_PATH = re.compile(
    r"^/(?:v1|ui)/(?P<owner>projects/[^/]+/locations/[^/]+(?:/.+)?)/operations(?:/(?P<id>[^/:]+)(?P<verb>:\w+)?)?$"
)
_METHODS = {
    ("GET", False, None): "ListOperations",
    ("GET", True, None): "GetOperation",
    ("DELETE", True, None): "DeleteOperation",
    ("POST", True, ":cancel"): "CancelOperation",
    ("POST", True, ":wait"): "WaitOperation",
}
_OWNER_PARTS = 6
"""`projects/P/locations/L/endpoints/E`: an operation on a version is one of its model."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is still to be done for a request that was found to be right.

    Args:
        do: Does it; what it gives is the operation's response, an ApiError that it raises the operation's error. It
            gets an event that is set when the operation is cancelled, and raises CANCELLED if it can still do without.
        at_once: Whether it is done before the request is answered; its errors are the request's then.
        ended: Called when the operation has ended in whatever way, also where nothing was done.
    """

    do: Callable[[threading.Event], Message]
    at_once: bool = False
    ended: Callable[[], None] = lambda: None


def at_once(handler: Callable[[Message], Message]) -> Callable[[Message], Work]:
    """The handler as one of a method whose operation is done by the time its request is answered."""

    @functools.wraps(handler)
    def wrapped(request: Message) -> Work:
        return Work(lambda _: handler(request), at_once=True)

    return wrapped


def cancelled_error() -> ApiError:
    """What an operation ends in that was cancelled."""
    return ApiError("CANCELLED", "the operation was cancelled")


@dataclass(frozen=True, slots=True)
class Call:
    """A request that is about operations: the method, and the operation (ListOperations: the owner) it names."""

    method: str
    name: str


def called(verb: str, path: str) -> Call | None:
    """What a request asks of operations, None where it is about something else."""
    match = _PATH.match(path)
    method = _METHODS.get((verb, match["id"] is not None, match["verb"])) if match else None
    if match is None or method is None:
        return None
    return Call(method, f"{match['owner']}/operations/{match['id']}" if match["id"] else match["owner"])


@dataclass(frozen=True, slots=True)
class _UnderWay:
    work: Work
    cancelled: threading.Event
    hangs: bool


class Operations:
    """All operations of one emulator."""

    def __init__(self, context: Context) -> None:
        """Operations that ran when the emulator was killed will never end, so they are ended here."""
        self._context = context
        self._lock = threading.RLock()
        self._under_way: dict[str, _UnderWay] = {}
        for operation in self._all():
            if not operation.done:
                self._fail(operation, ApiError("ABORTED", "the emulator was stopped while this ran"))

    def start(self, method: Method, owner: str, work: Work) -> Message:
        """A new operation, done or running in a thread of its own.

        Args:
            method: Of the request.
            owner: The resource that the request names.
            work: What is to be done.

        Raises:
            ApiError: Work that is done at once fails; there is no operation then.
        """
        fault = self._context.faults.of_rpc(method.name, OPERATION_KINDS)
        response = work.do(threading.Event()) if work.at_once and fault is None else None
        operation = self._new(method, owner)
        if response is not None:
            return self._finish(operation, response)
        under_way = _UnderWay(work, threading.Event(), hangs=fault is not None and fault.kind == HANGS)
        self._under_way[operation.name] = under_way
        self._keep(operation)
        running = operations_pb2.Operation()
        running.CopyFrom(operation)
        if not under_way.hangs:
            arguments = (running, under_way, fault)
            threading.Thread(target=self._run, args=arguments, name=operation.name, daemon=True).start()
        return operation

    def answer(self, call: Call, page_size: int = 0, page_token: str = "") -> Message:
        """The answer to a request that is about operations.

        Raises:
            ApiError: There is no such operation, or it cannot be done.
        """
        if call.method == "ListOperations":
            return self._list(call.name, page_size, page_token)
        operation = self.get(call.name)
        if call.method == "CancelOperation":
            self._cancel(operation)
        elif call.method == "DeleteOperation":
            self._delete(operation)
        else:
            return operation
        return empty_pb2.Empty()

    def get(self, name: str) -> Message:
        """How an operation stands.

        Raises:
            ApiError: There is none of this name.
        """
        text = self._context.store.get(_KIND, name)
        if text is None:
            raise not_found(name)
        return json_format.Parse(text, operations_pb2.Operation())

    def _list(self, owner: str, size: int, token: str) -> Message:
        """The operations on a resource and on all that is in it, the oldest first."""
        if size < 0 or (token and not token.isdecimal()):
            raise invalid(f"page_size must not be negative and page_token be given by a list, got {size}, {token!r}")
        found = sorted(self._all(f"{owner}/"), key=lambda operation: int(operation.name.rpartition("/")[2]))
        start = int(token or 0)
        end = start + size if size else len(found)
        more = str(end) if end < len(found) else ""
        return operations_pb2.ListOperationsResponse(operations=found[start:end], next_page_token=more)

    def _cancel(self, operation: Message) -> None:
        """Asks an operation to end; one that has ended stays as it is."""
        with self._lock:
            under_way = self._under_way.get(operation.name)
            if under_way is None:
                return
            under_way.cancelled.set()
            if under_way.hangs:
                self._end(operation, under_way, lambda: self._fail(operation, cancelled_error()))

    def _delete(self, operation: Message) -> None:
        if not operation.done:
            raise precondition(f"{operation.name} still runs; cancel it first")
        self._context.store.delete(_KIND, operation.name)

    def _run(self, operation: Message, under_way: _UnderWay, fault: Fault | None) -> None:
        try:
            if fault is not None and fault.kind == FAILS:
                raise ApiError(fault.code, fault.message)
            response = under_way.work.do(under_way.cancelled)
        except ApiError as error:
            failure = error
            self._end(operation, under_way, lambda: self._fail(operation, failure))
        except Exception as error:
            # A bug of the emulator must not look like an operation that goes on for ever.
            log.exception("operation %s", operation.name)
            bug = ApiError("INTERNAL", f"{type(error).__name__}: {error}")
            self._end(operation, under_way, lambda: self._fail(operation, bug))
        else:
            self._end(operation, under_way, lambda: self._finish(operation, response))

    def _end(self, operation: Message, under_way: _UnderWay, write: Callable[[], Message]) -> None:
        # What the work held is let go before anybody can see that the operation is done.
        with self._lock:
            self._under_way.pop(operation.name, None)
        under_way.work.ended()
        write()

    def _new(self, method: Method, owner: str) -> Message:
        of = "/".join(owner.partition("@")[0].split("/")[:_OWNER_PARTS])
        operation = operations_pb2.Operation(name=f"{of}/operations/{self._context.store.next_number()}")
        metadata = message_class(method.metadata)()
        now = self._context.clock.now()
        metadata.generic_metadata.create_time.FromDatetime(now)
        metadata.generic_metadata.update_time.FromDatetime(now)
        operation.metadata.Pack(metadata)
        return operation

    def _finish(self, operation: Message, result: Message) -> Message:
        operation.done = True
        operation.response.Pack(result)
        return self._keep(operation)

    def _fail(self, operation: Message, error: ApiError) -> Message:
        operation.done = True
        operation.error.code = NUMBERS.get(error.code, NUMBERS["INTERNAL"])
        operation.error.message = error.message
        return self._keep(operation)

    def _all(self, prefix: str = "") -> list[Message]:
        texts = self._context.store.list(_KIND, prefix)
        return [json_format.Parse(text, operations_pb2.Operation()) for text in texts]

    def _keep(self, operation: Message) -> Message:
        self._context.store.put(_KIND, operation.name, wire.to_json(operation))
        return operation
