"""The documents: what they name is there, and what they promise can be typed."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """A link to a file of this repository finds it."""
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page: Path) -> None:
    """Each `make` command in a code block is a target that make can plan."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    for line in "\n".join(blocks).splitlines():
        if line.strip().startswith("make "):
            command = ["make", "--dry-run", *re.sub(r"<\w+>", "flights", line).split()[1:]]
            planned = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            assert planned.returncode == 0, f"{line}: {planned.stderr}"


def test_help_lists_every_command_that_the_readme_names() -> None:
    """`make help` is the way on from the README."""
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S607 - make is the user's own
    for name in re.findall(r"`make ([a-z-]+)`", (ROOT / "README.md").read_text(encoding="utf-8")):
        assert f"make {name} " in listed or name in {"help", "run-pipeline"}


def test_the_readme_s_two_commands_are_the_ones_that_ci_runs() -> None:
    """CI runs `make check`, which runs the tests as the README does."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^check: .*\btest\b", makefile, re.MULTILINE)
    assert "make check" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
