"""Objects: files of a bucket, with what is recorded of them."""

import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from emulator.storage.conditions import ABSENT, NONE, Conditions, Version
from emulator.storage.digest import Checksums, Digest
from emulator.storage.errors import bucket_not_found, condition_not_met, invalid, object_not_found
from emulator.storage.folder import Folder, Staged, make_room_for, plain_file
from emulator.storage.records import ObjectRecord, record_of_a_stranger

BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Ref:
    """Names an object, at any generation or at one."""

    bucket: str
    name: str
    generation: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An object that is there."""

    bucket: str
    name: str
    record: ObjectRecord

    @property
    def version(self) -> Version:
        """What preconditions are about."""
        return Version(self.record.generation, self.record.metageneration)


@dataclass(frozen=True, slots=True)
class Labels:
    """What a client says of an object it writes: plain fields of the resource, and its own keys and values."""

    attributes: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


class Objects:
    """The objects of a folder of buckets. Safe to use from any thread."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        # Held from the check of a precondition to the rename, and while a record is replaced.
        self._lock = threading.RLock()

    @contextmanager
    def open(self, ref: Ref) -> Iterator[tuple[Entry, BinaryIO]]:
        """An object and its content, which stay what they are here even when the object is replaced meanwhile."""
        path = self._existing(ref)
        with _open(path, ref) as file:
            found = os.fstat(file.fileno())
            entry = Entry(ref.bucket, ref.name, self._record(ref, path, file, found))
            if ref.generation not in {None, entry.record.generation}:
                raise object_not_found(ref.bucket, f"{ref.name}#{ref.generation}")
            yield entry, file

    def get(self, ref: Ref) -> Entry:
        """The object.

        Raises:
            StorageError: There is none, or no such generation.
        """
        with self.open(ref) as (entry, _):
            return entry

    def get_all(self, bucket: str, names: Iterable[str]) -> list[Entry]:
        """Those of the named objects that are still there."""
        found = []
        for name in names:
            with suppress(FileNotFoundError):
                found.append(self._get_if_there(bucket, name))
        return [entry for entry in found if entry is not None]

    def check(self, ref: Ref, conditions: Conditions) -> None:
        """Raises if an object of that name could not be written now."""
        self._check_bucket(ref.bucket)
        conditions.check(self._version(ref))

    def names(self, bucket: str, prefix: str) -> list[str]:
        """The names of the objects that begin with `prefix`, in no order."""
        self._check_bucket(bucket)
        return self._folder.names(bucket, prefix)

    def commit(
        self, staged: Staged, ref: Ref, labels: Labels, *, conditions: Conditions = NONE, components: int = 0
    ) -> Entry:
        """Makes staged content an object, in the place of the one there was.

        Raises:
            StorageError: There is no such bucket, a precondition does not hold, or the name is another object's folder.
        """
        checksums = staged.close()
        path = self._folder.object(ref.bucket, ref.name)
        with self._lock:
            self._check_bucket(ref.bucket)
            current = self._version(ref)
            conditions.check(current)
            make_room_for(path, bucket=self._folder.bucket(ref.bucket))
            now = _stamp(staged.path, later_than=current.generation)
            _move(staged.path, path, must_be_new=conditions.must_be_new)
            record = ObjectRecord(
                generation=now,
                size=staged.size,
                checksums=checksums,
                created_ns=now,
                updated_ns=now,
                components=components,
                attributes=labels.attributes,
                metadata=labels.metadata,
            )
            self._folder.records.write_object(ref.bucket, ref.name, record)
        return Entry(ref.bucket, ref.name, record)

    def relabel(self, ref: Ref, labels: Labels, *, conditions: Conditions = NONE) -> Entry:
        """Replaces what clients say of an object."""
        with self._lock:
            entry = self.get(ref)
            conditions.check(entry.version)
            record = replace(
                entry.record,
                attributes=labels.attributes,
                metadata=labels.metadata,
                metageneration=entry.record.metageneration + 1,
                updated_ns=time.time_ns(),
            )
            self._folder.records.write_object(ref.bucket, ref.name, record)
        return replace(entry, record=record)

    def delete(self, ref: Ref, *, conditions: Conditions = NONE) -> None:
        """Removes an object; the folder it was in stays, since a task may be about to write there."""
        with self._lock:
            path = self._existing(ref)
            found = self._version(ref)
            conditions.check(found)
            if ref.generation not in {None, found.generation}:
                raise object_not_found(ref.bucket, f"{ref.name}#{ref.generation}")
            path.unlink(missing_ok=True)
            self._folder.records.remove_object(ref.bucket, ref.name)

    def compose(
        self, sources: Iterable[tuple[Ref, Conditions]], ref: Ref, labels: Labels, *, conditions: Conditions = NONE
    ) -> Entry:
        """Writes an object whose content is that of the sources, one after the other."""
        components = 0
        with self._folder.staged() as staged:
            for source, wanted in sources:
                with self.open(source) as (entry, file):
                    wanted.check(entry.version)
                    _append(staged, file)
                    components += max(1, entry.record.components)
            return self.commit(staged, ref, labels, conditions=conditions, components=components)

    def copy(
        self,
        source: tuple[Ref, Conditions],
        ref: Ref,
        labels: Labels | None,
        *,
        conditions: Conditions = NONE,
    ) -> Entry:
        """Writes an object with the content of another, and with its labels if none are given."""
        with self._folder.staged() as staged, self.open(source[0]) as (entry, file):
            source[1].check(entry.version)
            _append(staged, file)
            kept = Labels(entry.record.attributes, entry.record.metadata)
            components = entry.record.components
            return self.commit(staged, ref, labels or kept, conditions=conditions, components=components)

    def _existing(self, ref: Ref) -> Path:
        self._check_bucket(ref.bucket)
        path = self._folder.object(ref.bucket, ref.name)
        if plain_file(path) is None:
            raise object_not_found(ref.bucket, ref.name)
        return path

    def _check_bucket(self, bucket: str) -> None:
        if not self._folder.bucket(bucket).is_dir():
            raise bucket_not_found(bucket)

    def _get_if_there(self, bucket: str, name: str) -> Entry | None:
        if plain_file(self._folder.object(bucket, name)) is None:
            return None
        return self.get(Ref(bucket, name))

    def _version(self, ref: Ref) -> Version:
        """The version that is there, found without reading the content."""
        found = plain_file(self._folder.object(ref.bucket, ref.name))
        if found is None:
            return ABSENT
        record = self._folder.records.read_object(ref.bucket, ref.name)
        return Version(found.st_mtime_ns, record.metageneration if record and record.is_of(found) else 1)

    def _record(self, ref: Ref, path: Path, file: BinaryIO, found: os.stat_result) -> ObjectRecord:
        record = self._folder.records.read_object(ref.bucket, ref.name)
        if record and record.is_of(found):
            return record
        record = record_of_a_stranger(ref.name, found, _checksums(file))
        with self._lock, suppress(OSError):
            # A cache of the checksums, so it may fail; and it is not to replace the record of a newer file.
            now = plain_file(path)
            if now and record.is_of(now):
                self._folder.records.write_object(ref.bucket, ref.name, record)
        return record


def blocks(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The next `size` bytes of a file, in blocks of a megabyte; fewer if it ends before."""
    while size > 0 and (block := file.read(min(size, BLOCK))):
        size -= len(block)
        yield block


def _open(path: Path, ref: Ref) -> BinaryIO:
    try:
        return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")
    except FileNotFoundError as error:
        raise object_not_found(ref.bucket, ref.name) from error


def _checksums(file: BinaryIO) -> Checksums:
    digest = Digest()
    while block := file.read(BLOCK):
        digest.update(block)
    file.seek(0)
    return digest.checksums()


def _append(staged: Staged, file: BinaryIO) -> None:
    while block := file.read(BLOCK):
        staged.write(block)


def _stamp(path: Path, *, later_than: int) -> int:
    """Sets the file's time of change, which is the generation, so that no two contents of a name share one."""
    now = max(time.time_ns(), later_than + 1)
    os.utime(path, ns=(now, now))
    return now


def _move(source: Path, target: Path, *, must_be_new: bool) -> None:
    if not must_be_new:
        source.replace(target)
        return
    # A link fails where a rename would replace what another process has written since the check.
    try:
        target.hardlink_to(source)
    except FileExistsError as error:
        raise condition_not_met("no object", "one that was just written") from error
    source.unlink()


def check_sources(count: int) -> None:
    """Raises unless an object can be composed of so many others.

    Source: https://docs.cloud.google.com/storage/docs/composite-objects
    """
    if not 1 <= count <= 32:
        raise invalid(f"Cannot compose {count} objects: wanted 1 to 32")
