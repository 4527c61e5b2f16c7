"""`python -m tests.fuzz.serving [REQUESTS]`: malformed requests to the real server, by two generators.

By hypothesis over HTTP, against a process of `python -m serving`; and by atheris, which looks for new paths through the
code that reads a request. Atheris is in the dependency group `fuzz`; where it is not installed, that is said. Any
answer but a defined one ends this with an error.
"""

import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings

from tests.benchmarks.serving_process import PREDICT, example, process
from tests.fuzz.callers import Caller
from tests.fuzz.requests import bodies, headers

_REQUESTS = 10_000
_WARM = 1_000
"""Requests before memory is read for the first time."""


def by_hypothesis(requests: int) -> str:
    """What came of so many requests over HTTP."""
    with tempfile.TemporaryDirectory() as scratch, process(example(Path(scratch))) as container:
        caller, statuses = Caller(container.port, PREDICT), Counter[int]()

        def fuzz(count: int, seed: int) -> None:
            @settings(
                max_examples=count,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(body=bodies(container.features), sent=headers())
            def one(body: bytes, sent: Mapping[str, str]) -> None:
                statuses[caller.ask(body, sent)] += 1

            one.hypothesis.inner_test.__name__ = f"seed_{seed}"
            one()

        fuzz(_WARM, 1)
        before = container.resident_mb()
        fuzz(requests, 2)
        grown = container.resident_mb() - before
        caller.close()
        return f"hypothesis: {sum(statuses.values()):,} requests, {dict(statuses)}, memory {grown:+.1f} MB"


def by_atheris(requests: int) -> str:
    """What came of so many requests to the code that reads them."""
    if find_spec("atheris") is None:
        return "atheris is not installed: it is in the dependency group fuzz"
    argv = [sys.executable, "-m", "tests.fuzz.reading", f"-runs={requests}", "-max_len=4096", "-seed=7", "-verbosity=0"]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"atheris found an error: {ended.stdout[-3000:]}{ended.stderr[-3000:]}")
    return f"atheris: {requests:,} requests, no error"


def main(arguments: Sequence[str]) -> None:
    """Prints what came of it."""
    requests = int(arguments[0]) if arguments else _REQUESTS
    for told in (by_hypothesis(requests), by_atheris(requests)):
        sys.stdout.write(told + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
