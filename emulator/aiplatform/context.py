"""What every resource of the emulator works with."""

import os
import threading
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator.aiplatform import wire
from emulator.aiplatform.errors import not_found
from emulator.aiplatform.methods import Message
from emulator.clock import WakingClock
from emulator.faults import Faults
from emulator.processes import Supervisor
from emulator.store import Store

TYPES = "google.cloud.aiplatform_v1.types"


@dataclass(frozen=True, slots=True)
class Context:
    """The state of one emulator, and the means to change it."""

    project: str
    location: str
    state: Path
    store: Store
    clock: WakingClock
    supervisor: Supervisor
    path: str = os.defpath
    """PATH of the processes that stand for containers."""
    bigquery: str = ""
    """URL of BigQuery's REST API."""
    lock: Any = field(default_factory=threading.RLock)
    """Held while a resource is read, changed and written."""
    deploying: MutableMapping[tuple[str, str], Message] = field(default_factory=dict)
    """Models that are being deployed, by endpoint and id: on no endpoint yet, but in the way of what takes it away."""
    faults: Faults = field(init=False)
    """What is to go wrong."""

    def __post_init__(self) -> None:
        # The class is frozen; this is how a dataclass of that kind fills in a field itself.
        object.__setattr__(self, "faults", Faults(self.state))

    @property
    def objects(self) -> Path:
        """The folder that holds the objects of Cloud Storage."""
        return self.state / "gcs"

    @property
    def logs(self) -> Path:
        """The folder for the output of processes."""
        return self.state / "logs"

    def object_path(self, uri: str) -> Path:
        """Where an object or a folder of Cloud Storage lies."""
        return self.objects / uri.removeprefix("gs://").rstrip("/")


@dataclass(frozen=True, slots=True)
class Collection:
    """The resources of one kind in the store, as messages."""

    context: Context
    kind: str
    """Message class, `module:name`."""

    def put(self, name: str, message: Message) -> None:
        """Keeps a resource."""
        self.context.store.put(self.kind, name, wire.to_json(message))

    def find(self, name: str) -> Message | None:
        """The resource of a name, None where there is none."""
        text = self.context.store.get(self.kind, name)
        return None if text is None else wire.from_json(self.kind, text)

    def get(self, name: str) -> Message:
        """The resource of a name.

        Raises:
            ApiError: There is none.
        """
        return wire.from_json(self.kind, self.text(name))

    def text(self, name: str) -> str:
        """The resource of a name as it is answered: a job is looked at often, and its graph takes long to read.

        Raises:
            ApiError: There is none.
        """
        found = self.context.store.get(self.kind, name)
        if found is None:
            raise not_found(name)
        return found

    def all(self, prefix: str = "") -> list[Message]:
        """All resources whose name starts with the prefix."""
        return [wire.from_json(self.kind, text) for text in self.context.store.list(self.kind, prefix)]

    def delete(self, name: str) -> None:
        """Takes a resource away.

        Raises:
            ApiError: There is none.
        """
        if not self.context.store.delete(self.kind, name):
            raise not_found(name)


def stamp(message: Message, context: Context, *fields: str) -> None:
    """Writes the time into fields of a message."""
    now = context.clock.now()
    for name in fields:
        getattr(message, name).FromDatetime(now)
