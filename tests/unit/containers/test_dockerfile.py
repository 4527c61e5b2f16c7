"""The Dockerfile: what it is made of, and what it leaves out. Docker itself is not on this machine."""

import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.unit.containers.dockerfile import FILE, ROOT, TARGETS, code, copied, lineage, read_stages

TEXT = FILE.read_text(encoding="utf-8")
STAGES = read_stages(TEXT)
INSTALLERS = re.compile(r"\b(apt-get|apt|apk|curl|wget|git|gcc|make|uv|pip install)\b")


def test_hadolint_has_no_finding() -> None:
    """The linter of Dockerfiles finds nothing."""
    hadolint = Path(sys.executable).parent / "hadolint"
    found = subprocess.run([hadolint, FILE], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_every_stage_is_made_on_a_digest_or_an_earlier_stage() -> None:
    """No base can change under us: each is named by digest or stands further up in the file."""
    earlier: set[str] = set()
    for stage in STAGES:
        assert stage.base in earlier or re.search(r"@sha256:[0-9a-f]{64}$", stage.base), stage.base
        earlier.add(stage.name)


def test_there_is_one_base() -> None:
    """Only one image comes from outside, so that the environment made in one stage runs in another."""
    names = {stage.name for stage in STAGES}
    assert len({stage.base for stage in STAGES} - names) == 1


def test_nothing_is_named_latest() -> None:
    """No tag that moves is used."""
    assert "latest" not in TEXT


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_runs_as_a_fixed_user_that_is_not_root(target: str) -> None:
    """The last word on the user is a number, and not 0: Kubernetes and Vertex AI can check that."""
    uid, gid = lineage(STAGES, target)[0].all("USER")[-1].split(":")
    assert (int(uid), int(gid)) == (10001, 10001)
    keywords = [found.keyword for found in lineage(STAGES, target)[0].instructions]
    assert set(keywords[keywords.index("USER") + 1 :]) <= {"CMD", "EXPOSE"}


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_holds_no_installer_and_no_build_tools(target: str) -> None:
    """Nothing is installed in what becomes the image, and pip is taken out of it."""
    runs = [value for stage in lineage(STAGES, target) for value in stage.all("RUN")]
    assert [value for value in runs if INSTALLERS.search(value)] == []
    assert any("pip uninstall --yes pip setuptools wheel" in value for value in runs)


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_takes_only_its_environment_and_its_code(target: str) -> None:
    """From the build stages come the virtual environment and the code, from the checkout nothing directly."""
    found = copied(lineage(STAGES, target)[0])
    assert found == [
        (f"{target}-packages", ["/opt/venv", "/opt/venv"]),
        (f"{target}-code", ["/app", "/app"]),
    ]
    assert code(STAGES, target) == ["plumbline", target]


@pytest.mark.parametrize("target", TARGETS)
def test_packages_come_from_the_lock_and_from_the_target_s_own_extra(target: str) -> None:
    """The lock is taken as it is, without development packages, and with one extra only."""
    stage = lineage(STAGES, f"{target}-packages")[0]
    (command,) = stage.all("RUN")
    extra = re.findall(r"--extra (\S+)", command)
    assert "uv sync --frozen --no-default-groups --no-install-project" in command
    if target == "trainer":
        assert (extra, stage.all("ARG")) == (['"$TRAINER_EXTRA"'], ["TRAINER_EXTRA=trainer"])
    else:
        assert (extra, stage.all("ARG")) == ([target], [])


def test_bytecode_is_compiled() -> None:
    """A container starts without compiling: neither the packages nor the code are left to be compiled by their user."""
    assert "UV_COMPILE_BYTECODE=1" in " ".join(lineage(STAGES, "build")[0].all("ENV"))
    for target in TARGETS:
        assert any("compileall" in value for value in lineage(STAGES, f"{target}-code")[0].all("RUN"))


def test_uv_is_installed_by_hash_in_the_version_of_the_makefile() -> None:
    """One version of uv, named with its hashes, makes the lock's environment here and in the images."""
    pinned = (FILE.parent / "uv.txt").read_text(encoding="utf-8")
    (version,) = re.findall(r"^uv==(\S+)", pinned, re.MULTILINE)
    assert f"uv=={version}" in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", pinned)) == 2
    assert "--require-hashes" in " ".join(lineage(STAGES, "build")[0].all("RUN"))


def test_a_build_sees_what_it_copies_and_nothing_else() -> None:
    """.dockerignore lets through exactly the paths that the Dockerfile copies from the checkout."""
    wanted = {path for stage in STAGES for source, paths in copied(stage) if not source for path in paths[:-1]}
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == wanted
    assert any(fnmatch("plumbline/__pycache__", rule) for rule in rules[1:])


def test_the_reader_of_dockerfiles_fires() -> None:
    """What the tests above look for is found where it is: an apt call, a user, a base without digest."""
    stages = read_stages("FROM debian:12 AS a\nRUN apt-get update \\\n    && make\n# no\nFROM a AS b\nUSER 0:0\n")
    assert [(stage.name, stage.base) for stage in stages] == [("a", "debian:12"), ("b", "a")]
    assert [stage.name for stage in lineage(stages, "b")] == ["b", "a"]
    assert INSTALLERS.findall(stages[0].all("RUN")[0]) == ["apt-get", "make"]
    assert stages[1].all("USER") == ["0:0"]
