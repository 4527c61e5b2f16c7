"""A Dockerfile, read as far as the tests need: its stages, and what each stage holds."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
FILE = ROOT / "containers" / "Dockerfile"
TARGETS = ("components", "trainer", "serving")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, its lines joined."""

    keyword: str
    value: str


@dataclass(frozen=True, slots=True)
class Stage:
    """What stands between one FROM and the next."""

    name: str
    base: str
    instructions: Sequence[Instruction]

    def all(self, keyword: str) -> Sequence[str]:
        """The values of the instructions with a keyword, in order."""
        return [found.value for found in self.instructions if found.keyword == keyword]


def read_stages(text: str) -> Sequence[Stage]:
    """The stages of a Dockerfile, in order."""
    stages: list[Stage] = []
    for instruction in _instructions(text):
        if instruction.keyword == "FROM":
            base, _, name = instruction.value.partition(" AS ")
            stages.append(Stage(name, base, []))
        else:
            last = stages.pop()
            stages.append(Stage(last.name, last.base, [*last.instructions, instruction]))
    return stages


def lineage(stages: Sequence[Stage], name: str) -> Sequence[Stage]:
    """A stage and the stages that it is made on, the stage itself first."""
    stage = next(found for found in stages if found.name == name)
    parents = {found.name for found in stages}
    return [stage, *(lineage(stages, stage.base) if stage.base in parents else ())]


def copied(stage: Stage) -> Sequence[tuple[str, Sequence[str]]]:
    """What a stage copies: from which stage (empty: from the checkout), and which paths (the last is where to)."""
    found = []
    for value in stage.all("COPY"):
        source = re.match(r"--from=(\S+) ", value)
        found.append((source[1] if source else "", value[source.end() if source else 0 :].split()))
    return found


def code(stages: Sequence[Stage], target: str) -> Sequence[str]:
    """The folders of the checkout that end in a target's /app."""
    holder = {paths[-1]: source for source, paths in copied(lineage(stages, target)[0])}["/app"]
    return [paths[0] for source, paths in copied(lineage(stages, holder)[0]) if not source]


def _instructions(text: str) -> Iterator[Instruction]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    for line in joined.splitlines():
        keyword, _, value = line.partition(" ")
        yield Instruction(keyword, re.sub(r"\s+", " ", value))
