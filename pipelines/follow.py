"""Live progress of a run: a line for each task that starts or ends."""

import time
from collections.abc import Callable, Mapping

from plumbline.adapters import pipeline_jobs as jobs
from plumbline.adapters.pipeline_jobs import JobState, TaskState

Look = Callable[[], JobState]
Say = Callable[[str], None]

_WORDS: Mapping[str, str] = {
    "RUNNING": "running",
    "SUCCEEDED": "done",
    "SKIPPED": "cached",
    "FAILED": "FAILED",
    "CANCELLED": "cancelled",
    "NOT_TRIGGERED": "not run",
}
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 10.0


def follow(look: Look, say: Say, *, steps: frozenset[str], sleep: Callable[[float], None] = time.sleep) -> JobState:
    """The job as it ended, after saying how each of its steps went.

    Args:
        look: Gives the job as it stands.
        say: Takes a line for the user.
        steps: Names of the tasks to speak of; conditions and handlers are tasks too, and say nothing to a user.
        sleep: Waits for some seconds.
    """
    said: dict[str, str] = {}
    pause = _FIRST_PAUSE_S
    while True:
        job = look()
        for task in job.tasks:
            if task.name in steps and said.get(task.name) != task.state:
                said[task.name] = task.state
                _announce(task, say)
        if job.state in jobs.DONE:
            return job
        sleep(pause)
        # A step takes a fraction of a second on an emulator and minutes on Vertex AI.
        pause = min(_LONGEST_PAUSE_S, pause * 1.02)


def _announce(task: TaskState, say: Say) -> None:
    word = _WORDS.get(task.state)
    if word is None:
        return
    seconds = f"{(task.end - task.start).total_seconds():8.1f} s" if task.start and task.end else ""
    say(f"  {task.name:<10} {word:<10}{seconds}")
