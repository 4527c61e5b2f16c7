"""Live progress of a run: a line for each task that starts or ends."""

import time
from collections.abc import Callable, Iterator, Mapping

from plumbline.runs import ENDED, Run, Step

Look = Callable[[], Run]
Say = Callable[[str], None]

_WORDS: Mapping[str, str] = {
    "RUNNING": "running",
    "SUCCEEDED": "done",
    "SKIPPED": "cached",
    "FAILED": "FAILED",
    "CANCELLED": "cancelled",
    "NOT_TRIGGERED": "not run",
}


def follow(look: Look, say: Say, pauses: Iterator[float], *, sleep: Callable[[float], None] = time.sleep) -> Run:
    """The job as it ended, after saying how each of its steps went.

    Args:
        look: Gives the job as it stands.
        say: Takes a line for the user.
        pauses: Seconds between two looks, without end.
        sleep: Waits for some seconds.
    """
    said: dict[str, str] = {}
    while True:
        run = look()
        for step in run.steps.values():
            if said.get(step.name) != step.state:
                said[step.name] = step.state
                _announce(step, say)
        if run.state in ENDED:
            return run
        sleep(next(pauses))


def _announce(step: Step, say: Say) -> None:
    word = _WORDS.get(step.state)
    if word is None:
        return
    seconds = "" if step.seconds is None or step.state == "NOT_TRIGGERED" else f"{step.seconds:8.1f} s"
    say(f"  {step.name:<10} {word:<10}{seconds}".rstrip())
