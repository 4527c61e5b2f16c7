"""Starts a lightweight component as kfp does in a container, with `/gcs` where the emulator has its objects.

kfp turns `gs://bucket/object` into `/gcs/bucket/object` by one constant; no mount and no root is needed to change it.
With EMULATOR_TIMES in the environment, the last line of the log says how many seconds the task was at its work, without
its imports.
"""

import builtins
import json
import os
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from kfp.dsl import executor_main
from kfp.dsl.types import artifact_types


class ImportClock:
    """Counts the seconds of import statements; what a module imports in turn counts once."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._imported, self._is_inside = builtins.__import__, False

    def __call__(self, *arguments: Any, **named: Any) -> ModuleType:
        """Stands in for `builtins.__import__`."""
        if self._is_inside:
            return self._imported(*arguments, **named)
        start, self._is_inside = time.perf_counter(), True
        try:
            return self._imported(*arguments, **named)
        finally:
            self._is_inside = False
            self.seconds += time.perf_counter() - start


def timed(work: Callable[[], None]) -> None:
    """Does the work and prints how long it took."""
    clock, start = ImportClock(), time.perf_counter()
    builtins.__import__ = clock
    work()
    seconds = time.perf_counter() - start - clock.seconds
    print(json.dumps({"work_s": seconds, "imports_s": clock.seconds}))  # noqa: T201 - into the log, for who asked for it


if __name__ == "__main__":
    artifact_types._GCS_LOCAL_MOUNT_PREFIX = os.environ["GCS_MOUNT"].rstrip("/") + "/"  # noqa: SLF001 - see above
    if "EMULATOR_TIMES" in os.environ:
        timed(executor_main.executor_main)
    else:
        executor_main.executor_main()
