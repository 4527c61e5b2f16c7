"""`python -m emulator.runtime dry-run --pipeline FILE SCENARIO...`: a compiled pipeline through its scenarios."""

import argparse
import sys
import time
from pathlib import Path

import yaml

from emulator.runtime.scenarios import Scenario, ScenarioError, play, read
from emulator.runtime.tasks import Spec, UnsupportedError


def main() -> int:
    """0 when every scenario went as it says, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m emulator.runtime", description=__doc__)
    commands = parser.add_subparsers(required=True)
    dry_run = commands.add_parser("dry-run", help="run a compiled pipeline with fake components")
    dry_run.add_argument("--pipeline", type=Path, required=True, help="the compiled pipeline")
    dry_run.add_argument("scenarios", type=Path, nargs="+", help="scenario files")
    given = parser.parse_args()
    try:
        spec = yaml.load(given.pipeline.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        passed = [_play(spec, read(path)) for path in given.scenarios]
    except (OSError, ScenarioError, UnsupportedError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0 if all(passed) else 1


def _play(spec: Spec, scenario: Scenario) -> bool:
    start = time.perf_counter()
    outcome = play(spec, scenario)
    passed = (outcome.state, outcome.ran) == (scenario.state, scenario.ran)
    milliseconds = (time.perf_counter() - start) * 1000
    word = "PASS" if passed else "FAIL"
    print(f"{word}  {scenario.name:<20} {milliseconds:6.1f} ms  {outcome.state:<9}  {scenario.shows}")
    if not passed:
        print(f"      wanted {scenario.state}: {' '.join(sorted(scenario.ran))}")
        print(f"      got    {outcome.state}: {' '.join(sorted(outcome.ran))}  {outcome.error}")
    return passed


if __name__ == "__main__":
    sys.exit(main())
