"""`make bench`: how long things take, how much memory, and how good the example's model is.

Figures of one machine at one time: docs/performance.md says which, and what they are for. Nothing here fails a build.
`make bench PART=ingest` measures one part alone.
"""

import importlib
import os
import subprocess
import sys
from collections.abc import Sequence

PARTS = ("commands", "evaluation", "growth", "ingest", "runtime", "serving", "trainer")
"""The modules of `tests.benchmarks`. Each has a function `measure`, which gives what, wanted and measured."""
BY_NAME = ("imbalance", "kills", "monitoring")
"""Those that take minutes, for figures in the docs."""


def main(arguments: Sequence[str]) -> None:
    """Prints the figures of one part, or of all, each measured in a process of its own."""
    match arguments:
        case []:
            # As in the trainer's and the serving image.
            environ = {**os.environ, "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
            for part in PARTS:
                subprocess.run([sys.executable, "-m", "tests.bench", part], env=environ, check=True)
        case [part] if part in (*PARTS, *BY_NAME):
            for what, wanted, measured in importlib.import_module(f"tests.benchmarks.{part}").measure():
                print(f"{what:<74} {wanted:<24} {measured}", flush=True)
        case _:
            raise SystemExit(f"wanted one of {', '.join((*PARTS, *BY_NAME))}, or nothing")


if __name__ == "__main__":
    main(sys.argv[1:])
