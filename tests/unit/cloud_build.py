"""Cloud Build as far as the tests need it: substitutions, the order of steps, and scripts that run on this machine.

Source: Cloud Build, "Substituting variable values", "Configuring the order of build steps", "Running bash scripts", and
google/devtools/cloudbuild/v1/cloudbuild.proto.
"""

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from google.cloud.devtools import cloudbuild_v1 as cloudbuild
from google.protobuf import json_format

BUILT_IN = frozenset({"PROJECT_ID", "BUILD_ID", "PROJECT_NUMBER", "LOCATION"})
"""There in every build."""
TRIGGERED = frozenset(
    {"TRIGGER_NAME", "COMMIT_SHA", "REVISION_ID", "SHORT_SHA", "REPO_NAME", "REPO_FULL_NAME", "BRANCH_NAME"}
    | {"TAG_NAME", "REF_NAME"}
)
"""There in builds that a trigger starts, and empty where it does not know."""
_VARIABLE = re.compile(r"\$\$|\$\{(?P<braced>[A-Z_][A-Z0-9_]*)\}|\$(?P<plain>[A-Z_][A-Z0-9_]*)")
_OWN = re.compile(r"\$\{?(_[A-Z0-9_]+|[A-Z]+(?:_[A-Z]+)+)")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a build ended."""

    succeeded: bool
    ran: Sequence[str]
    """The steps that were started, in order."""
    log: str


def read_build(path: Path) -> cloudbuild.Build:
    """A build config as Google's own type; a key that the type does not have is an error."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return cloudbuild.Build(json_format.ParseDict(content, cloudbuild.Build.pb(cloudbuild.Build())))


def substituted(text: str, values: Mapping[str, str]) -> str:
    """A text with its substitutions in it. `$$` is a dollar sign, and what nobody knows is empty (ALLOW_LOOSE)."""

    def value(match: re.Match[str]) -> str:
        name = match["braced"] or match["plain"]
        return "$" if name is None else values.get(name, "")

    return _VARIABLE.sub(value, text)


def resolved(build: cloudbuild.Build, given: Mapping[str, str]) -> Mapping[str, str]:
    """All substitutions of a triggered build: what the trigger gives goes before the file's own (dynamic) values."""
    values = {**dict(build.substitutions), **given}
    for _ in values:
        values = {name: substituted(value, values) for name, value in values.items()}
    return values


def used(build: cloudbuild.Build) -> frozenset[str]:
    """The names of the substitutions that a build uses: in its scripts, its account and its other substitutions."""
    texts = [*(step.script for step in build.steps), build.service_account, *dict(build.substitutions).values()]
    return frozenset(name for text in texts for name in _OWN.findall(text))


def run_build(
    build: cloudbuild.Build, given: Mapping[str, str], workspace: Path, environ: Mapping[str, str]
) -> Outcome:
    """Runs the scripts of a build one after the other, as soon as the steps are done that each waits for.

    Args:
        build: Its steps are scripts.
        given: What the trigger puts in.
        workspace: The folder that all steps share.
        environ: The environment of each script, beside the substitutions and `STEP`, its id.
    """
    values = resolved(build, given)
    done: list[str] = []
    ran: list[str] = []
    log = ""
    for step in build.steps:
        waits = [name for name in step.wait_for if name != "-"] if step.wait_for else [*ran]
        if not set(waits) <= set(done):
            continue
        path = workspace.parent / f"{step.id}.script"
        path.write_text(step.script, encoding="utf-8")
        path.chmod(0o755)
        ran.append(step.id)
        mapped = values if build.options.automap_substitutions else {}
        ended = subprocess.run(
            [str(path)],
            cwd=workspace,
            env={**environ, **mapped, "STEP": step.id},
            capture_output=True,
            text=True,
            check=False,
        )
        log += ended.stdout + ended.stderr
        if ended.returncode and not step.allow_failure:
            return Outcome(succeeded=False, ran=ran, log=log)
        done.append(step.id)
    return Outcome(succeeded=len(done) == len(build.steps), ran=ran, log=log)
