"""Which steps of a run will find their results in the cache, as far as their inputs tell.

Vertex AI keys the cache by a step's parameters, the ids of its input artifacts, its image and its command, and keeps it
for ever. Source: Vertex AI, "Configure execution caching".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plumbline.runs import DONE, Run

IMAGE = "code"
"""The parameter that stands for all images: the digest of the code. An image that was built anew of the same code has
another digest, and no step would come from the cache."""


@dataclass(frozen=True, slots=True)
class Uses:
    """What a step's result depends on."""

    parameters: Sequence[str]
    """Of the pipeline, and those that the snapshot gives."""
    steps: Sequence[str] = ()
    """Whose artifacts it reads."""


USES: Mapping[str, Uses] = {
    "ingest": Uses(("place", "name", "data", "sql", "source_version")),
    "validate": Uses(("data", "validation"), ("ingest",)),
    "baseline": Uses(("data", "today"), ("ingest",)),
    "signal": Uses(("data", "signal"), ("ingest",)),
    "prototype": Uses(("place", "name", "data", "prototype"), ("ingest",)),
    "tune": Uses(("place", "name", "data", "training"), ("ingest",)),
    "train": Uses(("place", "name", "data"), ("ingest", "tune")),
    "evaluate": Uses(("place", "data", "evaluation", "champion"), ("ingest", "baseline", "prototype", "train")),
    "explain": Uses(("data", "explanation"), ("ingest", "train")),
    "card": Uses(("name", "statement", "data", "evaluation", "code"), ("ingest", "train", "evaluate", "explain")),
}
"""The steps that may be cached. A test holds this against the compiled pipeline."""


@dataclass(frozen=True, slots=True)
class Past:
    """A run that was, and what it was given."""

    run: Run
    inputs: Mapping[str, str]
    """Parameters of the pipeline, and what its snapshot gave."""


def reused(past: Sequence[Past], inputs: Mapping[str, str]) -> frozenset[str]:
    """The steps that one of the past runs has done with the same inputs.

    Args:
        past: Runs of the problem.
        inputs: What the next run is given, as `Past.inputs`.
    """
    return frozenset(step for step in USES if any(_same(step, one, inputs) for one in past))


def durations(past: Sequence[Past], inputs: Mapping[str, str]) -> Mapping[str, float]:
    """Seconds of each step when it was last done and not taken from the cache; of what fits, with the same settings.

    Args:
        past: Runs of the problem, the newest first.
        inputs: What the next run is given, as `Past.inputs`.
    """
    found: dict[str, float] = {}
    for one in past:
        for step in one.run.steps.values():
            fits = step.name in {"tune", "train"}
            comparable = not fits or one.inputs.get("training") == inputs.get("training")
            if step.state == "SUCCEEDED" and step.seconds is not None and comparable:
                found.setdefault(step.name, step.seconds)
    return found


def _same(step: str, one: Past, inputs: Mapping[str, str]) -> bool:
    """Whether a run has done a step, and all that it reads, with these inputs."""
    made = one.run.steps.get(step)
    names = (IMAGE, *USES[step].parameters)
    same = all(name in one.inputs and one.inputs[name] == inputs.get(name) for name in names)
    return made is not None and made.state in DONE and same and all(_same(s, one, inputs) for s in USES[step].steps)
