"""Digests, mounts and labels."""

from pathlib import Path

import pytest

from plumbline.digest import tree_digest
from plumbline.errors import DataError
from plumbline.labels import label
from plumbline.mount import local_path, uri_of


def test_a_digest_depends_on_names_and_bytes(tmp_path: Path) -> None:
    """Another name, other bytes, or bytes moved from one file to the next give another digest."""
    seen = set()
    for number, files in enumerate(
        ({"a": "xy", "b": ""}, {"a": "x", "b": "y"}, {"a": "xy", "c": ""}, {"a": "xz", "b": ""})
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        seen.add(tree_digest(folder))
        assert tree_digest(folder) == tree_digest(folder)
    assert len(seen) == 4


def test_a_uri_lies_under_the_mount() -> None:
    """gs://bucket/object and its path stand for each other."""
    mount = Path("/gcs")
    assert local_path("gs://bucket/a/b/", mount) == Path("/gcs/bucket/a/b")
    assert uri_of(Path("/gcs/bucket/a/b"), mount) == "gs://bucket/a/b"


def test_what_is_no_uri_is_refused() -> None:
    """A path is no URI, and a path elsewhere has none."""
    with pytest.raises(DataError, match="gs://"):
        local_path("/tmp/model", Path("/gcs"))  # noqa: S108 - a name, not a file
    with pytest.raises(DataError, match="under /gcs"):
        uri_of(Path("/home/model"), Path("/gcs"))


def test_a_label_is_what_google_cloud_takes() -> None:
    """Lower case, digits, - and _, at most 63 of them."""
    assert label("Run 7/A." + "x" * 80) == "run-7-a-" + "x" * 55
