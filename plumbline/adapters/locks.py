"""A lock that holds between machines: an object in Cloud Storage that only one caller can make.

Source: Cloud Storage, "Request preconditions": with ifGenerationMatch=0 a request succeeds only where there is no
object, so of two callers at the same moment one gets a 412.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from google.api_core import exceptions
from google.cloud import storage

from plumbline.adapters.operations import service_errors
from plumbline.labels import label

STALE_S = 1800.0
"""A holder that old has died: what it does takes seconds, and minutes where each call is tried again and again."""


def lock_of(problem: str) -> str:
    """The name of the lock on starting a training of a problem."""
    return f"locks/{label(problem)}"


@contextmanager
def held(client: storage.Client, bucket: str, name: str, *, now: dt.datetime, holder: str) -> Iterator[bool]:
    """Whether the lock is ours while the block runs; it is free again afterwards.

    Args:
        client: Cloud Storage.
        bucket: The bucket.
        name: Of the object.
        now: The time, against which an older lock counts as left behind.
        holder: Whoever reads the object learns this.
    """
    blob = client.bucket(bucket).blob(name)
    generation = _take(blob, f"{now.isoformat()} {holder}", now)
    try:
        yield generation is not None
    finally:
        if generation is not None:
            # Only our own: another may have taken it over, for which we must have been very slow.
            with service_errors(f"freeing {name}"), suppress(exceptions.NotFound, exceptions.PreconditionFailed):
                blob.delete(if_generation_match=generation)


def _take(blob: storage.Blob, text: str, now: dt.datetime) -> int | None:
    """The generation of the object that we have made, None where somebody else holds the lock."""
    with service_errors(f"locking {blob.name}"):
        try:
            blob.upload_from_string(text, if_generation_match=0)
        except exceptions.PreconditionFailed:
            return _take_over(blob, text, now)
        return int(blob.generation)


def _take_over(blob: storage.Blob, text: str, now: dt.datetime) -> int | None:
    try:
        blob.reload()
        found = blob.generation
        # By the holder's clock, which is ours, and not by that of the service: a simulation has a time of its own.
        since = dt.datetime.fromisoformat(blob.download_as_bytes(if_generation_match=found).decode().split()[0])
        if (now - since).total_seconds() < STALE_S:
            return None
        # The generation that was looked at: of two who find the same dead holder, one takes over.
        blob.upload_from_string(text, if_generation_match=found)
    except (exceptions.NotFound, exceptions.PreconditionFailed):
        return None
    return int(blob.generation)
