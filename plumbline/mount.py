"""Cloud Storage as files: `gs://bucket/object` lies at `/gcs/bucket/object` in every Vertex AI job."""

from pathlib import Path

from plumbline.errors import DataError


def local_path(uri: str, mount: Path) -> Path:
    """Where an object or folder of Cloud Storage lies under the mount.

    Raises:
        DataError: `uri` is not a gs:// URI.
    """
    if not uri.startswith("gs://"):
        raise DataError(f"wanted a gs:// URI, got {uri!r}")
    return mount / uri.removeprefix("gs://").rstrip("/")


def uri_of(path: Path, mount: Path) -> str:
    """The gs:// URI of a path under the mount.

    Raises:
        DataError: The path is not under the mount.
    """
    if not path.is_relative_to(mount):
        raise DataError(f"wanted a path under {mount}, got {path}")
    return f"gs://{path.relative_to(mount)}"
