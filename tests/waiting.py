"""Waiting for what other processes do."""

import time
from collections.abc import Callable
from pathlib import Path

_PAUSE_S = 0.01


def soon(holds: Callable[[], bool], *, within_s: float) -> bool:
    """Whether something comes to hold in time."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE_S)
    return True


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
