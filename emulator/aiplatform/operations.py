"""Long-running operations: work that goes on after its request is answered, and can be asked about."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from google.longrunning import operations_pb2
from google.protobuf import json_format

from emulator.aiplatform import wire
from emulator.aiplatform.context import Context
from emulator.aiplatform.errors import NUMBERS, ApiError, not_found
from emulator.aiplatform.methods import Message, Method, message_class

log = logging.getLogger(__name__)
_KIND = "google.longrunning.operations_pb2:Operation"


@dataclass(frozen=True, slots=True)
class Work:
    """What is still to be done for a request: it ends in the operation's response, or in an error."""

    do: Callable[[], Message]


class Operations:
    """All operations of one emulator."""

    def __init__(self, context: Context) -> None:
        """Operations that ran when the emulator was killed will never end, so they are ended here."""
        self._context = context
        for text in context.store.list(_KIND):
            operation = json_format.Parse(text, operations_pb2.Operation())
            if not operation.done:
                self._fail(operation, ApiError("ABORTED", "the emulator was stopped while this ran"))

    def start(self, method: Method, parent: str, result: Message | Work) -> Message:
        """A new operation: done where there is a result, running in a thread of its own where there is work."""
        name = "/".join(parent.split("/")[:4]) + f"/operations/{self._context.store.next_number()}"
        operation = operations_pb2.Operation(name=name)
        operation.metadata.Pack(message_class(method.metadata)())
        if not isinstance(result, Work):
            return self._finish(operation, result)
        self._keep(operation)
        running = operations_pb2.Operation()
        running.CopyFrom(operation)
        threading.Thread(target=self._run, args=(running, result), name=name, daemon=True).start()
        return operation

    def get(self, name: str) -> Message:
        """How an operation stands.

        Raises:
            ApiError: There is none of this name.
        """
        text = self._context.store.get(_KIND, name)
        if text is None:
            raise not_found(name)
        return json_format.Parse(text, operations_pb2.Operation())

    def _run(self, operation: Message, work: Work) -> None:
        try:
            self._finish(operation, work.do())
        except ApiError as error:
            self._fail(operation, error)
        except Exception as error:
            # A bug of the emulator must not look like an operation that goes on for ever.
            log.exception("operation %s", operation.name)
            self._fail(operation, ApiError("INTERNAL", f"{type(error).__name__}: {error}"))

    def _finish(self, operation: Message, result: Message) -> Message:
        operation.done = True
        operation.response.Pack(result)
        return self._keep(operation)

    def _fail(self, operation: Message, error: ApiError) -> Message:
        operation.done = True
        operation.error.code = NUMBERS.get(error.code, NUMBERS["INTERNAL"])
        operation.error.message = error.message
        return self._keep(operation)

    def _keep(self, operation: Message) -> Message:
        self._context.store.put(_KIND, operation.name, wire.to_json(operation))
        return operation
