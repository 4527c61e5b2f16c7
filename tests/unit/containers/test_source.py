"""What a build is sent: what the images are made of, and nothing that differs from one day to another."""

import io
import os
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from pipelines.code import code_digest
from pipelines.images import GPU, SOURCE, Wanted, archive, read_images
from plumbline.config import load_environment
from plumbline.environment import Environment
from plumbline.errors import PlumblineError
from tests.unit.containers.dockerfile import FILE, ROOT, copied, read_stages

REPOSITORY = "us-central1-docker.pkg.dev/my-project/plumbline"
CODE = "0123456789" * 4 + "abcdefabcdefabcdefabcdef"


@pytest.fixture
def environment() -> Environment:
    """The environment `dev` in a project of its own."""
    return load_environment(ROOT / "configs" / "env" / "dev.yaml", project="my-project", location="us-central1")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what a build reads."""
    for name in SOURCE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def packed(content: bytes) -> Mapping[str, bytes]:
    """The files of an archive, by name."""
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar.getmembers()}  # type: ignore[union-attr] # all are files


def test_the_archive_holds_what_the_dockerfile_copies(checkout: Path) -> None:
    """Each path that the Dockerfile copies is sent, with the Dockerfile and what it must not see."""
    names = packed(archive(checkout))
    wanted = {
        path
        for stage in read_stages(FILE.read_text())
        for source, paths in copied(stage)
        if not source
        for path in paths[:-1]
    }
    assert [path for path in wanted if not any(name == path or name.startswith(f"{path}/") for name in names)] == []
    assert {"containers/Dockerfile", ".dockerignore"} <= names.keys()
    assert names["serving/app.py"] == (ROOT / "serving" / "app.py").read_bytes()


def test_the_archive_is_the_same_for_the_same_files(checkout: Path) -> None:
    """Times, rights and compiled files make no difference, so the same code is uploaded once."""
    before = archive(checkout)
    os.utime(checkout / "uv.lock", (1, 1))
    (checkout / "uv.lock").chmod(0o600)
    (checkout / "serving" / "__pycache__").mkdir()
    (checkout / "serving" / "__pycache__" / "app.pyc").write_bytes(b"x")
    assert archive(checkout) == before


@pytest.mark.parametrize(
    "file",
    [
        "components/new.py",
        "plumbline/new.css",
        "serving/new.py",
        "trainer/new.py",
        "uv.lock",
        "containers/Dockerfile",
        "containers/uv.txt",
    ],
)
def test_what_an_image_is_made_of_is_in_the_digest_of_the_code(file: str, checkout: Path) -> None:
    """A change of any file that an image depends on gives another tag, so that it is built anew."""
    before = code_digest(checkout)
    with (checkout / file).open("a", encoding="utf-8") as stream:
        stream.write("changed")
    assert code_digest(checkout) != before


def test_images_are_tagged_with_forty_digits_of_the_code(environment: Environment) -> None:
    """The tag is the beginning of the code's digest; a trainer for accelerators is another image."""
    assert {name: image.name for name, image in Wanted(environment, CODE).images().items()} == {
        "plumbline/components": f"{REPOSITORY}/components:{'0123456789' * 4}",
        "plumbline/trainer": f"{REPOSITORY}/trainer:{'0123456789' * 4}",
        "plumbline/serving": f"{REPOSITORY}/serving:{'0123456789' * 4}",
    }
    gpu = Wanted(environment, CODE, trainer=GPU).images()
    assert gpu["plumbline/trainer"].tag == f"{'0123456789' * 4}-gpu"
    assert gpu["plumbline/serving"].tag == "0123456789" * 4


def test_images_are_read_from_the_files_that_a_build_wrote(environment: Environment, tmp_path: Path) -> None:
    """Each file gives the image of its name, with the digest that was built."""
    for target in ("components", "trainer", "serving"):
        (tmp_path / target).write_text(f"{REPOSITORY}/{target}@sha256:{'ab' * 32}\n", encoding="utf-8")
    assert read_images(tmp_path, environment) == {
        "plumbline/components": f"{REPOSITORY}/components@sha256:{'ab' * 32}",
        "plumbline/trainer": f"{REPOSITORY}/trainer@sha256:{'ab' * 32}",
        "plumbline/serving": f"{REPOSITORY}/serving@sha256:{'ab' * 32}",
    }


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (None, "got nothing"),
        ("elsewhere/trainer@sha256:" + "ab" * 32, "got elsewhere/trainer@"),
        (f"{REPOSITORY}/trainer:tag", "got us-central1-docker"),
    ],
    ids=["no file", "another repository", "no digest"],
)
def test_an_image_that_was_not_built_for_the_environment_is_refused(
    written: str | None, said: str, environment: Environment, tmp_path: Path
) -> None:
    """A missing file, a repository of another environment and a tag in place of a digest are named."""
    for target in ("components", "serving"):
        (tmp_path / target).write_text(f"{REPOSITORY}/{target}@sha256:{'ab' * 32}\n", encoding="utf-8")
    if written is not None:
        (tmp_path / "trainer").write_text(written, encoding="utf-8")
    with pytest.raises(PlumblineError, match=f"wanted {REPOSITORY}/trainer@sha256:... in .*{said}"):
        read_images(tmp_path, environment)
