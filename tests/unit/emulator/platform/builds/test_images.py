"""The images that a build pushes."""

import hashlib

import pytest
from google.cloud.devtools import cloudbuild_v1

from emulator.platform.builds.images import Image, image_of, pushed, substituted

Step = cloudbuild_v1.BuildStep


@pytest.mark.parametrize(
    ("step", "wanted"),
    [
        (Step(args=["push", "a/b:1"]), ["a/b:1"]),
        (Step(args=["build", "-t", "a/b:1", "."]), []),
        (Step(args=["buildx", "build", "--push", "-t", "a/b:1", "--tag=a/c", "."]), ["a/b:1", "a/c"]),
        (Step(args=["--dockerfile=D", "--destination=a/b:1"]), ["a/b:1"]),
        (Step(args=["--destination", "a/b:1"]), ["a/b:1"]),
        (Step(entrypoint="bash", args=["-c", 'docker build . && docker push "a/b:$_TAG"']), ["a/b:7"]),
        (Step(script="#!/bin/bash\nset -e\ndocker push $IMAGE\n", env=["IMAGE=a/b:${_TAG}"]), ["a/b:7"]),
        (Step(args=["push", "a/b:1", "push", "a/b:1"]), ["a/b:1"]),
        (Step(args=["push"]), []),
        (Step(), []),
    ],
)
def test_a_step_pushes_what_its_command_says(step: cloudbuild_v1.BuildStep, wanted: list[str]) -> None:
    """A tag alone is not pushed; with `--push` it is."""
    build = cloudbuild_v1.Build(steps=[step])
    assert list(pushed(cloudbuild_v1.Build.pb(build), {"_TAG": "7"})) == wanted


def test_the_images_of_a_build_are_pushed_too() -> None:
    """Each once, with the substitutions' values."""
    build = cloudbuild_v1.Build(images=["a/$PROJECT_ID:1", "a/p:1"], steps=[Step(args=["push", "a/p:1"])])
    assert list(pushed(cloudbuild_v1.Build.pb(build), {"PROJECT_ID": "p"})) == ["a/p:1"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("$A-${A}", "1-1"), ("$$A", "$A"), ("$AB", "$AB"), ("${AB}x", "${AB}x"), ("a", "a"), ("5$", "5$")],
)
def test_only_known_names_are_substituted(text: str, wanted: str) -> None:
    """And two dollars are one."""
    assert substituted(text, {"A": "1"}) == wanted


def test_an_image_lies_in_the_repository_that_its_name_says() -> None:
    """Slashes in a package's name are escaped; without a tag it is `latest`."""
    name = "us-central1-docker.pkg.dev/p/r/deep/one"
    digest = f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"
    repository = "projects/p/locations/us-central1/repositories/r"
    assert image_of(name) == Image(f"{repository}/packages/deep%2Fone", "latest", digest)
    tagged = image_of(f"{name}:v1.2")
    assert tagged is not None
    assert (tagged.tag, tagged.repository) == ("v1.2", repository)
    assert tagged.digest != digest


@pytest.mark.parametrize("name", ["gcr.io/p/x:1", "x", "us-docker.pkg.dev/p/r", "us-docker.pkg.dev/p/r/x@sha256:ab"])
def test_images_of_other_registries_are_none_of_it(name: str) -> None:
    """Nor is a name by digest, which cannot be pushed."""
    assert image_of(name) is None
