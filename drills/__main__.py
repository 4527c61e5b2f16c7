"""`python -m drills [NAME...]`: each puts a fault into a real run and passes only if the product catches it.

Exit status: 0 all passed, 1 one did not, 2 there is no such drill.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from drills.base import base
from drills.catalogue import DRILLS
from drills.drill import Drill
from drills.ground import Ground, ground, misses, needs_copy, sample, spoilt_copy
from drills.page import write

_STATE = Path(".plumbline") / "drills"
_AT_ONCE = 2


def main() -> int:
    """Runs drills."""
    options = _options()
    if options.page:
        write(options.page)
        return 0
    known = {drill.name: drill for drill in DRILLS}
    if unknown := [name for name in options.names if name not in known]:
        print(f"there is no drill {unknown[0]}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    chosen = [known[name] for name in options.names] or list(DRILLS)
    started = time.monotonic()
    with ground(options.state.absolute() / "sound") as at:
        found = list(_results(at, [_spoilt(drill) if options.without_guard else drill for drill in chosen]))
    wanted = [bool(missed) == options.without_guard for _, missed in found]
    what = "fail without their guards" if options.without_guard else "passed"
    print(f"{sum(wanted)} of {len(wanted)} drills {what}, {time.monotonic() - started:.0f} s")
    return 0 if all(wanted) else 1


def _results(at: Ground, chosen: Sequence[Drill]) -> Iterator[tuple[Drill, Sequence[str]]]:
    """Each drill with what it missed."""
    rows = sample(at)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for drill, (missed, seconds) in zip(chosen, pool.map(lambda one: _timed(at, one, rows), chosen), strict=True):
            print(f"{'missed' if missed else 'caught'}  {drill.name:<22} {seconds:5.1f} s  {drill.wrong}", flush=True)
            for line in missed:
                print(f"        {line}")
            yield drill, missed


def _timed(at: Ground, drill: Drill, rows: pa.Table) -> tuple[Sequence[str], float]:
    started = time.monotonic()
    if not needs_copy(drill):
        missed = _missed(at, drill, rows)
    else:
        folder = at.folder.parent / drill.name
        with ground(folder / "ground", code=spoilt_copy(folder / "code", drill.fault.code)) as own:
            missed = _missed(own, drill, rows)
    return missed, time.monotonic() - started


def _missed(at: Ground, drill: Drill, rows: pa.Table) -> Sequence[str]:
    ended = at.run(drill.name, drill.fault, rows, base())
    missed = misses(drill.caught, ended)
    (at.folder / drill.name / "said.txt").write_text(ended.said, encoding="utf-8")
    last = [line for line in ended.said.splitlines() if line.strip()][-6:]
    return [*missed, *(f"| {line}" for line in last)] if missed else ()


def _spoilt(drill: Drill) -> Drill:
    """The drill without its guard."""
    fault, without = drill.fault, drill.without

    def config(content: dict[str, object]) -> None:
        fault.config(content)
        without.config(content)

    return replace(drill, fault=replace(fault, config=config, code=(*fault.code, *without.code)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m drills", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="which; all if not given")
    parser.add_argument("--without-guard", action="store_true", help="take the guard of each away: it must fail then")
    parser.add_argument("--state", type=Path, default=_STATE, help="the folder for all that the drills need")
    parser.add_argument("--page", type=Path, help="write the table of drills into this page, and run none")
    return parser.parse_args()


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)
