"""The folder that holds the buckets: paths, what is under them, and files on their way in.

Beside the buckets lie `.metadata` and `.uploads`; no bucket's name can begin with a dot.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from emulator.storage.digest import Checksums, Digest
from emulator.storage.errors import invalid
from emulator.storage.names import can_be_a_folder, check_bucket, check_object, is_bucket
from emulator.storage.records import Records


class Staged:
    """Content on its way in: a file beside the buckets, on their file system, that becomes an object by a rename."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._digest = Digest()
        self._file = path.open("xb")

    def write(self, block: bytes) -> None:
        """Takes the next bytes."""
        self._file.write(block)
        self._digest.update(block)
        self.size += len(block)

    def close(self) -> Checksums:
        """Ends the writing, and gives the checksums of what was written."""
        self._file.close()
        return self._digest.checksums()

    def discard(self) -> None:
        """Removes the file, unless it has become an object."""
        with suppress(OSError):
            # Closing writes what is buffered, which fails once more on a full disk.
            self._file.close()
        self.path.unlink(missing_ok=True)


class Folder:
    """A folder of buckets.

    Args:
        root: Where it is; it is made if it is not there.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = root.resolve()
        self._uploads = self._root / ".uploads"
        self.records = Records(self._root / ".metadata")
        self._empty_uploads()

    def bucket(self, bucket: str) -> Path:
        """Where a bucket is, or would be."""
        check_bucket(bucket)
        return self._root / bucket

    def object(self, bucket: str, name: str) -> Path:
        """Where an object is, or would be.

        Raises:
            StorageError: The name cannot be a file's, or a symbolic link in the bucket leads out of it.
        """
        check_object(name)
        path = self.bucket(bucket) / name
        if not path.parent.resolve().is_relative_to(self.bucket(bucket)):
            raise invalid(f"Invalid object name: {name!r}: a symbolic link on its way leads out of the bucket {bucket}")
        return path

    def buckets(self) -> list[str]:
        """The names of all buckets, in order."""
        return sorted(entry.name for entry in os.scandir(self._root) if entry.is_dir() and is_bucket(entry.name))

    def names(self, bucket: str, prefix: str) -> list[str]:
        """The names of the objects that begin with `prefix`, in no order. Symbolic links are no objects."""
        if not can_be_a_folder(prefix):
            return []
        base = self.bucket(bucket)
        start = base / prefix.rpartition("/")[0]
        found = (str(path.relative_to(base)) for path in _files_under(start))
        return [name for name in found if name.startswith(prefix) and _is_utf8(name)]

    @contextmanager
    def staged(self) -> Iterator[Staged]:
        """A place for content; whatever is not an object at the end is removed."""
        content = self.stage()
        try:
            yield content
        finally:
            content.discard()

    def stage(self) -> Staged:
        """A place for content; the caller discards it."""
        self._uploads.mkdir(exist_ok=True)
        return Staged(self._uploads / uuid4().hex)

    def put_aside(self, path: Path) -> Path:
        """Moves a folder out of the buckets at once, so that it can be emptied at leisure; gives its new place."""
        self._uploads.mkdir(exist_ok=True)
        return path.rename(self._uploads / uuid4().hex)

    def _empty_uploads(self) -> None:
        # Of an emulator that was killed: nobody knows of these uploads any more.
        with suppress(FileNotFoundError):
            for path in self._uploads.iterdir():
                if path.is_file():
                    path.unlink()


def make_room_for(path: Path, *, bucket: Path) -> None:
    """Makes the folders above an object's file, and takes away an empty folder that lies in its place.

    Raises:
        StorageError: A file is where a folder must be, or the other way round. In Cloud Storage `a` and `a/b` can both
            be objects; as files they cannot.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise _collision(path, bucket, "an object has the name of one of its folders") from error
    if path.is_dir():
        if next(_files_under(path), None):
            raise _collision(path, bucket, "there are objects whose names begin with it and a slash")
        remove_empty_folders(path)


def remove_empty_folders(path: Path) -> None:
    """Removes a folder and the folders in it, none of which holds a file."""
    for folder, _, _ in os.walk(path, topdown=False):
        Path(folder).rmdir()


def plain_file(path: Path) -> os.stat_result | None:
    """The state of the file there; None if there is none, or something else."""
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def _files_under(start: Path) -> Iterator[Path]:
    for folder, _, files in os.walk(start):
        for file in files:
            path = Path(folder, file)
            if not path.is_symlink():
                yield path


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _collision(path: Path, bucket: Path, why: str) -> Exception:
    return invalid(f"Cannot write object {str(path.relative_to(bucket))!r}: objects are files here, and {why}")
