"""What a candidate's version is: the same for the same, and another for everything that the registry tells apart."""

import pytest

from plumbline.candidate import Container, version_of

CONTAINER = Container("serving@sha256:1", {"THRESHOLD": "0.2", "TF_USE_LEGACY_KERAS": "1"})


def test_a_version_does_not_depend_on_the_order_of_the_environment() -> None:
    """The same files in the same container have the same version, twelve hexadecimal digits."""
    turned = Container("serving@sha256:1", {"TF_USE_LEGACY_KERAS": "1", "THRESHOLD": "0.2"})
    assert version_of("a" * 64, CONTAINER) == version_of("a" * 64, turned)
    assert len(bytes.fromhex(version_of("a" * 64, CONTAINER))) == 6


@pytest.mark.parametrize(
    ("content", "container"),
    [
        ("b" * 64, CONTAINER),
        ("a" * 64, Container("serving@sha256:2", CONTAINER.environment)),
        ("a" * 64, Container(CONTAINER.image, {**CONTAINER.environment, "THRESHOLD": "0.3"})),
    ],
    ids=["files", "image", "threshold"],
)
def test_what_is_served_otherwise_is_another_version(content: str, container: Container) -> None:
    """Other files, another image or another threshold."""
    assert version_of(content, container) != version_of("a" * 64, CONTAINER)
