"""Buckets: folders, with what is recorded of them."""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from os import stat_result

from emulator.storage.conditions import NONE, Conditions, Version
from emulator.storage.errors import bucket_not_found, conflict
from emulator.storage.folder import Folder, remove_empty_folders
from emulator.storage.records import BucketRecord


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket that is there."""

    name: str
    record: BucketRecord

    @property
    def version(self) -> Version:
        """What preconditions are about; a bucket has one generation."""
        return Version(1, self.record.metageneration)


class Buckets:
    """The buckets of a folder.

    Args:
        folder: Where they are.
        project: Whose the buckets are whose folders were made by hand.
    """

    def __init__(self, folder: Folder, *, project: str) -> None:
        self._folder = folder
        self._project = project
        self._lock = threading.RLock()

    def list(self, project: str) -> list[Bucket]:
        """The project's buckets, by name."""
        found = (self._bucket(name) for name in self._folder.buckets())
        return [bucket for bucket in found if bucket and bucket.record.project == project]

    def get(self, name: str) -> Bucket:
        """The bucket.

        Raises:
            StorageError: There is none.
        """
        bucket = self._bucket(name)
        if bucket is None:
            raise bucket_not_found(name)
        return bucket

    def make(self, name: str, *, project: str, fields: Mapping[str, object]) -> Bucket:
        """Makes a bucket.

        Raises:
            StorageError: There is one of that name, or no bucket can have it.
        """
        now = time.time_ns()
        bucket = Bucket(name, BucketRecord(project=project, created_ns=now, updated_ns=now, fields=fields))
        with self._lock:
            try:
                self._folder.bucket(name).mkdir()
            except FileExistsError as error:
                raise conflict(f"You already own this bucket; choose another name: {name}") from error
            self._folder.records.write_bucket(name, bucket.record)
        return bucket

    def change(self, name: str, fields: Mapping[str, object], *, conditions: Conditions = NONE) -> Bucket:
        """Merges fields into the bucket's: objects key by key, and null removes."""
        with self._lock:
            bucket = self.get(name)
            conditions.check(bucket.version)
            return self._replace(bucket, replace(bucket.record, fields=merged(bucket.record.fields, fields)))

    def set_policy(self, name: str, policy: Mapping[str, object]) -> Bucket:
        """Replaces the bucket's IAM policy."""
        with self._lock:
            bucket = self.get(name)
            return self._replace(bucket, replace(bucket.record, policy=policy))

    def delete(self, name: str, *, conditions: Conditions = NONE) -> None:
        """Removes a bucket.

        Raises:
            StorageError: There is none, or it holds objects.
        """
        with self._lock:
            conditions.check(self.get(name).version)
            if self._folder.names(name, ""):
                raise conflict(f"The bucket you tried to delete is not empty: {name}")
            aside = self._folder.put_aside(self._folder.bucket(name))
            with suppress(OSError):
                remove_empty_folders(aside)
            self._folder.records.remove_bucket(name)

    def _bucket(self, name: str) -> Bucket | None:
        try:
            found = self._folder.bucket(name).stat()
        except FileNotFoundError:
            return None
        record = self._folder.records.read_bucket(name)
        return Bucket(name, record or self._record_of_a_folder(found))

    def _record_of_a_folder(self, found: stat_result) -> BucketRecord:
        changed = found.st_mtime_ns
        return BucketRecord(project=self._project, created_ns=changed, updated_ns=changed, fields={})

    def _replace(self, bucket: Bucket, record: BucketRecord) -> Bucket:
        counted = replace(record, metageneration=record.metageneration + 1, updated_ns=time.time_ns())
        self._folder.records.write_bucket(bucket.name, counted)
        return replace(bucket, record=counted)


def merged(fields: Mapping[str, object], changes: Mapping[str, object]) -> Mapping[str, object]:
    """The fields after a JSON merge patch.

    Source: https://www.rfc-editor.org/rfc/rfc7396
    """
    result = dict(fields)
    for name, change in changes.items():
        old = result.get(name)
        if change is None:
            result.pop(name, None)
        elif isinstance(change, Mapping):
            result[name] = merged(old if isinstance(old, Mapping) else {}, change)
        else:
            result[name] = change
    return result
