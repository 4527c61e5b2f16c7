"""Faults and permissions, written for a running emulator as long as a test needs them."""

import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_ONE_AT_A_TIME = threading.Lock()


def fault(method: str, kind: str, code: str, message: str = "injected", times: int | None = 1) -> dict[str, object]:
    """A rule of its own id; without `times` it holds as long as it is there."""
    rule: dict[str, object] = {"id": uuid.uuid4().hex, "method": method, "kind": kind, "code": code, "message": message}
    return rule if times is None else {**rule, "times": times}


@contextmanager
def faults(state: Path, *rules: Mapping[str, object]) -> Iterator[None]:
    """The rules hold within the context."""
    with _written(state / "faults.json", list(rules)):
        yield


@contextmanager
def access(state: Path, **content: object) -> Iterator[None]:
    """The project allows only what `access.json` leaves, within the context."""
    with _written(state / "access.json", content):
        yield


def denied(member: str, *permissions: str) -> list[dict[str, str]]:
    """The entry of `access.json` that takes permissions from a member."""
    return [{"member": member, "permission": permission} for permission in permissions]


@contextmanager
def _written(file: Path, content: object) -> Iterator[None]:
    with _ONE_AT_A_TIME:
        part = file.with_suffix(".part")
        part.write_text(json.dumps(content), encoding="utf-8")
        part.replace(file)
        try:
            yield
        finally:
            file.unlink()
