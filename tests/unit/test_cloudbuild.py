"""The files that Cloud Build reads, run here with stand-ins for docker, make, uv and the project's Python."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from google.cloud.devtools import cloudbuild_v1 as cloudbuild

from pipelines.images import read_images
from plumbline.adapters.images import BUILDER
from plumbline.config import load_environment
from tests.unit.cloud_build import BUILT_IN, TRIGGERED, Outcome, read_build, resolved, run_build, substituted, used

ROOT = Path(__file__).parents[2]
FILES = {
    "main": ROOT / "cloudbuild.yaml",
    "pull-request": ROOT / "cloudbuild" / "pull-request.yaml",
    "release": ROOT / "cloudbuild" / "release.yaml",
}
GIVEN = {
    "main": {"PROJECT_ID": "my-project", "BRANCH_NAME": "main", "COMMIT_SHA": "c0ffee"},
    "pull-request": {"PROJECT_ID": "my-project"},
    "release": {"PROJECT_ID": "my-project", "TAG_NAME": "v1.2.3"},
}
"""What each trigger gives."""
CODE = "c0de" * 10
RECORDING = """#!/usr/bin/env bash
# Writes down what it was called with, and fails in the step that is to fail.
set -euo pipefail
name=${0##*/}
printf '%s\\x1f' "$STEP" "$name" "$@" >>"$RECORD"
printf '\\n' >>"$RECORD"
if [[ $STEP == "${FAIL:-}" ]]; then exit "${STATUS:-1}"; fi
case "$name ${1:-}" in
  "docker pull") [[ -n ${THERE:-} ]] ;;
  "docker inspect")
    image=${*: -1}
    printf 'elsewhere@sha256:%s\\n%s@sha256:%s\\n' "$(printf 0%.0s {1..64})" "${image%:*}" \\
      "$(printf %s "$image" | sha256sum | cut -d' ' -f1)" ;;
  "python -c") echo "$CODE" ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a stand-in."""

    step: str
    program: str
    arguments: Sequence[str]


@dataclass(frozen=True, slots=True)
class Machine:
    """A checkout with stand-ins in place of what needs a network, a Docker daemon or minutes."""

    workspace: Path
    environ: Mapping[str, str]

    def build(self, name: str, **given: str) -> Outcome:
        """Runs a file as its trigger would."""
        return run_build(read_build(FILES[name]), {**GIVEN[name], **given}, self.workspace, self.environ)

    def calls(self, program: str) -> Sequence[Call]:
        """The calls of a stand-in, in order."""
        lines = Path(self.environ["RECORD"]).read_text(encoding="utf-8").splitlines()
        found = [line.split("\x1f")[:-1] for line in lines]
        return [Call(step, name, arguments) for step, name, *arguments in found if name == program]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A fresh one."""
    workspace, programs = tmp_path / "workspace", tmp_path / "bin"
    shutil.copytree(ROOT / "containers", workspace / "containers")
    for path in [
        *(programs / name for name in ("docker", "gcloud", "make", "uv")),
        *(workspace / ".venv" / "bin" / name for name in ("python", "pip-audit")),
    ]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(RECORDING, encoding="utf-8")
        path.chmod(0o755)
    record = tmp_path / "record"
    record.touch()
    environ = {"PATH": f"{programs}:{os.environ['PATH']}", "RECORD": str(record), "CODE": CODE}
    return Machine(workspace, environ)


def failing(machine: Machine, step: str, status: int = 1) -> Machine:
    """The machine, on which a step fails."""
    return Machine(machine.workspace, {**machine.environ, "FAIL": step, "STATUS": str(status)})


def digest(image: str) -> str:
    """What the stand-in for docker says is the digest of an image."""
    return sha256(image.encode()).hexdigest()


@pytest.mark.parametrize("name", FILES)
def test_every_step_is_a_script_in_a_pinned_image_with_an_end(name: str) -> None:
    """Google's type takes the file; no image of a step can change, and no step can hang for ever."""
    build = read_build(FILES[name])
    for step in build.steps:
        assert re.search(r"@sha256:[0-9a-f]{64}$", step.name)
        assert step.script.startswith("#!/usr/bin/env bash\n")
        assert "set -euo pipefail" in step.script
        assert 0 < step.timeout.total_seconds() <= build.timeout.total_seconds()
    assert len({step.id for step in build.steps}) == len(build.steps)


def test_one_digest_an_image_in_all_files() -> None:
    """An image is renewed everywhere or nowhere; `make images` builds with the same Docker."""
    names = {step.name for path in FILES.values() for step in read_build(path).steps}
    assert len(names) == len({name.partition("@")[0] for name in names})
    assert BUILDER in names


@pytest.mark.parametrize("name", FILES)
def test_a_build_has_an_account_and_its_log_a_place(name: str) -> None:
    """Cloud Build refuses an account without a choice of where the log goes."""
    build = read_build(FILES[name])
    values = resolved(build, GIVEN[name])
    kind = {"main": "build-dev", "pull-request": "check-dev", "release": "build-prod"}[name]
    account = f"projects/my-project/serviceAccounts/plumbline-{kind}@my-project.iam.gserviceaccount.com"
    assert substituted(build.service_account, values) == account
    assert build.options.logging == cloudbuild.BuildOptions.LoggingMode.CLOUD_LOGGING_ONLY
    assert build.queue_ttl.total_seconds() > 0


@pytest.mark.parametrize("name", FILES)
def test_every_substitution_is_declared_and_every_declared_one_is_used(name: str) -> None:
    """A trigger says nothing of a name that it does not know, so none may be misspelt."""
    build = read_build(FILES[name])
    assert build.options.automap_substitutions
    assert build.options.dynamic_substitutions
    own = {found for found in used(build) if found.startswith("_")}
    assert own == set(dict(build.substitutions))
    exported = set(re.findall(r"\b([A-Z_]+)=", "\n".join(step.script for step in build.steps)))
    assert used(build) - own - exported <= BUILT_IN | TRIGGERED


@pytest.mark.parametrize("name", ["main", "release"])
def test_nothing_is_built_while_a_substitution_is_empty(name: str, machine: Machine) -> None:
    """Each one that a script uses is looked at in the first step, which names it and stops the build."""
    build = read_build(FILES[name])
    scripts = "\n".join(step.script for step in build.steps[1:])
    needed = {found for found in used(build) if re.search(rf"\$\{{?{found}\b", scripts)} - BUILT_IN
    needed -= {"TARGET", "IMAGE", "TRAINER_EXTRA"}
    assert needed
    for missing in needed:
        found = machine.build(name, **{missing: ""})
        assert (found.succeeded, found.ran) == (False, ["given"])
        assert missing in found.log


@pytest.mark.parametrize("name", FILES)
def test_a_build_runs_all_its_steps(name: str, machine: Machine) -> None:
    """With everything in order all steps run, in the order of the file."""
    found = machine.build(name)
    assert found.succeeded, found.log
    assert found.ran == [step.id for step in read_build(FILES[name]).steps]
    assert machine.calls("gcloud") == []


@pytest.mark.parametrize(
    ("name", "step"),
    [(name, step.id) for name, path in FILES.items() for step in read_build(path).steps if step.id != "given"],
)
def test_a_step_that_fails_stops_the_build(name: str, step: str, machine: Machine) -> None:
    """Nothing comes after a step that fails, least of all a submission."""
    found = failing(machine, step).build(name)
    assert not found.succeeded
    assert found.ran[-1] == step
    submitted = [call for call in machine.calls("python") if "run-pipeline" in call.arguments]
    assert len(submitted) == (step == "run")


@pytest.mark.parametrize("status", [1, 2, 3])
def test_the_verdict_is_the_build_s(status: int, machine: Machine) -> None:
    """A run that failed, was not started or was refused by a gate is a failed build."""
    assert not failing(machine, "run", status).build("main").succeeded


def test_a_pull_request_is_checked_as_ci_checks(machine: Machine) -> None:
    """The one gate runs, and the lock is audited; nothing is built or submitted."""
    machine.build("pull-request")
    assert [call.arguments for call in machine.calls("make")] == [["check"]]
    assert len(machine.calls("pip-audit")) == 1
    assert machine.calls("docker") == []
    assert machine.calls("python") == []


@pytest.mark.parametrize("name", ["main", "release"])
def test_each_image_is_built_for_its_target_with_the_cache_of_the_last(name: str, machine: Machine) -> None:
    """Three targets, each tagged with the code, pushed by its own step, and fed from the cache of the last push."""
    machine.build(name)
    registry = "us-central1-docker.pkg.dev/my-project/plumbline"
    for target in ("components", "trainer", "serving"):
        calls = [call.arguments for call in machine.calls("docker") if call.step == target]
        image, cache = f"{registry}/{target}:{CODE}", f"{registry}/{target}:cache"
        assert [arguments[0] for arguments in calls] == ["pull", "build", "push", "push", "inspect"]
        build = calls[1]
        assert build[build.index("--target") + 1] == target
        assert build[build.index("--cache-from") + 1] == cache
        assert [build[at + 1] for at, word in enumerate(build) if word == "--tag"] == [image, cache]
        assert [arguments[-1] for arguments in calls[2:4]] == [image, cache]


def test_an_image_that_is_there_is_not_built_again(machine: Machine) -> None:
    """The tag names the code: code that was built is only looked up."""
    there = Machine(machine.workspace, {**machine.environ, "THERE": "yes"})
    assert there.build("main").succeeded
    assert {call.arguments[0] for call in machine.calls("docker")} == {"pull", "inspect"}


def test_a_trainer_for_accelerators_has_a_tag_of_its_own(machine: Machine) -> None:
    """One substitution gives the trainer NVIDIA's libraries; the other images stay what they are."""
    assert machine.build("main", _TRAINER_EXTRA="trainer-gpu").succeeded
    built = {call.step: call.arguments for call in machine.calls("docker") if call.arguments[0] == "build"}
    assert "TRAINER_EXTRA=trainer-gpu" in built["trainer"]
    assert [argument for argument in built["trainer"] if argument.endswith(f"/trainer:{CODE}-gpu")]
    assert [argument for argument in built["serving"] if argument.endswith(f"/serving:{CODE}")]


@pytest.mark.parametrize("name", ["main", "release"])
def test_what_is_submitted_is_the_digest_that_was_built(name: str, machine: Machine) -> None:
    """The submission is given the folder of the three digests that docker told after the push, and reads them."""
    machine.build(name)
    registry = "us-central1-docker.pkg.dev/my-project/plumbline"
    environment = load_environment(ROOT / "configs" / "env" / "dev.yaml", project="my-project", location="us-central1")
    (submitted,) = [call.arguments for call in machine.calls("python") if "run-pipeline" in call.arguments]
    folder = machine.workspace / submitted[submitted.index("--images") + 1]
    assert read_images(folder, environment) == {
        f"plumbline/{target}": f"{registry}/{target}@sha256:{digest(f'{registry}/{target}:{CODE}')}"
        for target in ("components", "trainer", "serving")
    }


def test_an_image_without_a_digest_is_not_submitted(machine: Machine) -> None:
    """Docker that tells no digest of the repository stops the build."""
    docker = Path(machine.environ["PATH"].partition(":")[0]) / "docker"
    docker.write_text(RECORDING.replace('"${image%:*}"', "elsewhere"), encoding="utf-8")
    found = machine.build("main")
    assert (found.succeeded, found.ran[-1]) == (False, "components")


def test_main_goes_to_dev_and_a_tag_to_prod(machine: Machine) -> None:
    """What was merged runs in dev; what was tagged is published under its tag before it runs in prod."""
    machine.build("main")
    machine.build("release")
    commands = [call.arguments[2:] for call in machine.calls("python") if call.arguments[0] == "-m"]
    assert [command[0] for command in commands] == ["run-pipeline", "publish", "run-pipeline"]
    assert [command[command.index("--env") + 1] for command in commands] == [
        "configs/env/dev.yaml",
        "configs/env/prod.yaml",
        "configs/env/prod.yaml",
    ]
    assert commands[1][-2:] == ["--tag", "v1.2.3"]
    assert all(command[command.index("--project") + 1] == "my-project" for command in commands)


def test_a_name_in_git_cannot_become_code(machine: Machine) -> None:
    """A tag is a value to the scripts, never a part of them."""
    nasty = "v1$(touch owned)`touch owned`;touch owned"
    assert machine.build("release", TAG_NAME=nasty).succeeded
    assert not list(machine.workspace.rglob("owned"))
    (published,) = [call.arguments for call in machine.calls("python") if "publish" in call.arguments]
    assert published[-1] == nasty


@pytest.mark.parametrize("command", ["run-pipeline", "publish"])
def test_the_command_line_takes_what_the_files_give(command: str, machine: Machine) -> None:
    """Each option in the files is one that the command has."""
    machine.build("main")
    machine.build("release")
    asked = [sys.executable, "-m", "pipelines", command, "--help"]
    told = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    given = {word for call in machine.calls("python") if command in call.arguments for word in call.arguments[3:]}
    assert {word for word in given if word.startswith("--")} <= set(re.findall(r"--[a-z-]+", told))


def test_the_code_s_tag_is_what_the_project_computes() -> None:
    """The line that the step `code` runs prints the forty digits that `make images` looks for."""
    (step,) = [step for step in read_build(FILES["main"]).steps if step.id == "code"]
    line = re.search(r"python -c '(.*?)'", step.script)
    assert line is not None
    asked = [sys.executable, "-c", line[1]]
    told = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"[0-9a-f]{40}\n", told)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("$A-${B}", "1-2"), ("$$A", "$A"), ("$MISSING.", "."), ("${A}B", "1B"), ("$5 $a", "$5 $a")],
)
def test_substitutions_follow_cloud_build_s_rules(text: str, wanted: str) -> None:
    """Braces or none, two dollars for one, nothing for what nobody knows, and only names in capitals."""
    assert substituted(text, {"A": "1", "B": "2"}) == wanted


def test_the_driver_keeps_the_order_that_steps_ask_for(tmp_path: Path) -> None:
    """A step waits for what it names, or for all before it; a failure that is allowed stops nothing."""
    script = "#!/usr/bin/env bash\nexit "
    steps = [
        {"id": "a", "script": f"{script}1", "allow_failure": True},
        {"id": "b", "script": f"{script}0", "wait_for": ["-"]},
        {"id": "c", "script": f"{script}0"},
        {"id": "d", "script": f"{script}7"},
        {"id": "e", "script": f"{script}0", "wait_for": ["d"]},
    ]
    (tmp_path / "workspace").mkdir()
    found = run_build(cloudbuild.Build(steps=steps), {}, tmp_path / "workspace", {"PATH": os.environ["PATH"]})
    assert (found.succeeded, found.ran) == (False, ["a", "b", "c", "d"])
