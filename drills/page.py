"""The table of the drills in docs/guards.md."""

import re
from itertools import groupby
from pathlib import Path

from drills.catalogue import DRILLS

_MARKED = re.compile(r"(<!-- drills -->\n).*(<!-- /drills -->)", re.DOTALL)
_HEAD = "| problem | what goes wrong | what catches it | drill | setting |\n|---|---|---|---|---|\n"


def write(page: Path) -> None:
    """Puts the table between the marks of a page."""
    text = page.read_text(encoding="utf-8")
    page.write_text(_MARKED.sub(lambda found: f"{found[1]}\n{table()}\n{found[2]}", text), encoding="utf-8")


def table() -> str:
    """One row a drill, in the order of the problems."""
    rows = []
    for problem, drills in groupby(DRILLS, key=lambda drill: drill.problem):
        for position, drill in enumerate(drills):
            number = str(problem) if position == 0 else ""
            cells = (number, drill.wrong, drill.guard, f"`{drill.name}`", drill.setting)
            rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return _HEAD + "".join(rows)
