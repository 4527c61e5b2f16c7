"""What is known of an object or a bucket beyond its file or folder: a small JSON file beside the buckets.

A record may be missing (the file was written by somebody else) or be of an older file of the same name; so it names
the time and the size of the file that it is of, and counts for nothing if they are others.
"""

import hashlib
import json
import mimetypes
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from os import stat_result
from pathlib import Path
from typing import Any
from uuid import uuid4

from emulator.storage.digest import Checksums


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """What is known of an object.

    Args:
        generation: The file's time of change, in nanoseconds since 1970.
        size: The file's size in bytes.
        checksums: Of the content.
        created_ns: When the content came.
        updated_ns: When content or metadata were last changed.
        metageneration: Counts the changes of the metadata, from 1.
        components: Of how many objects it was composed; 0 if it was written as one.
        attributes: The settable fields of the resource that are plain text, such as `contentType`.
        metadata: The user's own keys and values.
    """

    generation: int
    size: int
    checksums: Checksums
    created_ns: int
    updated_ns: int
    metageneration: int = 1
    components: int = 0
    attributes: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)

    def is_of(self, found: stat_result) -> bool:
        """Whether this is about the file as it now lies there."""
        return (self.generation, self.size) == (found.st_mtime_ns, found.st_size)


@dataclass(frozen=True, slots=True)
class BucketRecord:
    """What is known of a bucket: the settable fields of its resource as they came, its project and its IAM policy."""

    project: str
    created_ns: int
    updated_ns: int
    fields: Mapping[str, object]
    metageneration: int = 1
    policy: Mapping[str, object] = field(default_factory=dict)


def record_of_a_stranger(name: str, found: stat_result, checksums: Checksums) -> ObjectRecord:
    """The record of a file that was not written through the API; its type is guessed by its name, as gcsfuse does."""
    kind = mimetypes.guess_type(name)[0]
    return ObjectRecord(
        generation=found.st_mtime_ns,
        size=found.st_size,
        checksums=checksums,
        created_ns=found.st_mtime_ns,
        updated_ns=found.st_mtime_ns,
        attributes={"contentType": kind} if kind else {},
    )


class Records:
    """The records of one folder of buckets."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read_object(self, bucket: str, name: str) -> ObjectRecord | None:
        """The record of an object, whether or not it is of the file that lies there."""
        content = _read(self._object(bucket, name))
        if content is None:
            return None
        checksums = Checksums(**content.pop("checksums"))
        return ObjectRecord(checksums=checksums, **content)

    def write_object(self, bucket: str, name: str, record: ObjectRecord) -> None:
        """Puts a record in the place of the one there was."""
        # The name is in it for the reader; the file is called by a digest, since it may be longer than a file's name.
        _write(self._object(bucket, name), {"name": name, **asdict(record)})

    def remove_object(self, bucket: str, name: str) -> None:
        """Forgets an object."""
        self._object(bucket, name).unlink(missing_ok=True)

    def read_bucket(self, bucket: str) -> BucketRecord | None:
        """The record of a bucket; None if its folder was made by somebody else."""
        content = _read(self._bucket(bucket))
        return None if content is None else BucketRecord(**content)

    def write_bucket(self, bucket: str, record: BucketRecord) -> None:
        """Puts a record in the place of the one there was."""
        _write(self._bucket(bucket), {"name": bucket, **asdict(record)})

    def remove_bucket(self, bucket: str) -> None:
        """Forgets a bucket and its objects."""
        self._bucket(bucket).unlink(missing_ok=True)
        for path in (self._folder / bucket).glob("*.json"):
            path.unlink(missing_ok=True)

    def _object(self, bucket: str, name: str) -> Path:
        return self._folder / bucket / f"{hashlib.sha256(name.encode()).hexdigest()}.json"

    def _bucket(self, bucket: str) -> Path:
        return self._folder / f"{bucket}.bucket.json"


def _read(path: Path) -> Any:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    content.pop("name")
    return content


def _write(path: Path, content: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{uuid4().hex}.part")
    try:
        part.write_text(json.dumps(content), encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
