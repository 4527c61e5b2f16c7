"""Objects and buckets as the JSON API writes them, and what a client may set of them.

Source: https://docs.cloud.google.com/storage/docs/json_api/v1/objects#resource and .../buckets#resource
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from emulator.project import project_number
from emulator.storage.buckets import Bucket
from emulator.storage.errors import invalid, unimplemented
from emulator.storage.objects import Entry, Labels

_OCTETS = "application/octet-stream"
_TEXTS = frozenset({"cacheControl", "contentDisposition", "contentLanguage", "contentType", "storageClass"})
_CHECKED_ELSEWHERE = frozenset({"bucket", "crc32c", "md5Hash", "metadata", "name"})
# Clients send back the resource that they were sent; these fields in it are the service's own.
_SERVICES_OWN = frozenset(
    {"componentCount", "etag", "generation", "id", "kind", "mediaLink", "metageneration", "owner", "selfLink", "size"}
    | {"timeCreated", "timeFinalized", "timeStorageClassUpdated", "updated"}
)
_OF_BUCKETS = frozenset({"iamConfiguration", "labels", "location", "name", "storageClass"})


@dataclass(frozen=True, slots=True)
class Site:
    """Where the service is: the base of its links, and the location of buckets that were made without one."""

    base: str
    location: str


def object_resource(entry: Entry, site: Site) -> Mapping[str, object]:
    """An object's resource. A composed object has no MD5, as in Cloud Storage."""
    record = entry.record
    path = f"b/{entry.bucket}/o/{quote(entry.name, safe='')}"
    composed = {"componentCount": record.components} if record.components else {"md5Hash": record.checksums.md5}
    metadata = {"metadata": dict(record.metadata)} if record.metadata else {}
    return {
        "kind": "storage#object",
        "id": f"{entry.bucket}/{entry.name}/{record.generation}",
        "selfLink": f"{site.base}/storage/v1/{path}",
        "mediaLink": f"{site.base}/download/storage/v1/{path}?generation={record.generation}&alt=media",
        "name": entry.name,
        "bucket": entry.bucket,
        "generation": str(record.generation),
        "metageneration": str(record.metageneration),
        "size": str(record.size),
        "crc32c": record.checksums.crc32c,
        "etag": etag(entry),
        "timeCreated": _time(record.created_ns),
        "timeFinalized": _time(record.created_ns),
        "timeStorageClassUpdated": _time(record.created_ns),
        "updated": _time(record.updated_ns),
        "contentType": _OCTETS,
        "storageClass": "STANDARD",
        **composed,
        **metadata,
        **record.attributes,
    }


def bucket_resource(bucket: Bucket, site: Site) -> Mapping[str, object]:
    """A bucket's resource."""
    record = bucket.record
    return {
        "kind": "storage#bucket",
        "id": bucket.name,
        "selfLink": f"{site.base}/storage/v1/b/{bucket.name}",
        "name": bucket.name,
        "projectNumber": project_number(record.project),
        "generation": "1",
        "metageneration": str(record.metageneration),
        "location": site.location.upper(),
        "locationType": "region",
        "storageClass": "STANDARD",
        "etag": _etag(str(record.metageneration)),
        "timeCreated": _time(record.created_ns),
        "updated": _time(record.updated_ns),
        **record.fields,
    }


def policy_resource(bucket: Bucket) -> Mapping[str, object]:
    """A bucket's IAM policy; a new bucket's is empty."""
    return {
        "kind": "storage#policy",
        "resourceId": f"projects/_/buckets/{bucket.name}",
        "version": 1,
        "bindings": [],
        **bucket.record.policy,
        "etag": _etag(str(bucket.record.metageneration)),
    }


def etag(entry: Entry) -> str:
    """Changes whenever the content or the metadata of an object do."""
    return _etag(f"{entry.record.generation}/{entry.record.metageneration}")


def labels_of(body: Mapping[str, object], *, default_type: str = "") -> Labels:
    """What a client says of an object that it writes.

    Args:
        body: The resource that it sent.
        default_type: The content's type if the resource names none.

    Raises:
        StorageError: The resource has a field that is unknown, not implemented, or of another type.
    """
    return changed_labels(Labels({"contentType": default_type} if default_type else {}), body)


def changed_labels(labels: Labels, body: Mapping[str, object]) -> Labels:
    """The labels after a patch: null removes a field, and a key of the metadata."""
    for name in body.keys() - _TEXTS - _CHECKED_ELSEWHERE - _SERVICES_OWN:
        # A client may say of a field that there is nothing in it.
        if body[name] is not None:
            raise unimplemented(f"field {name!r} of an object")
    attributes = _patched(labels.attributes, {name: body[name] for name in body.keys() & _TEXTS})
    changes = body.get("metadata", {})
    if changes is None:
        return Labels(attributes, {})
    if not isinstance(changes, Mapping):
        raise invalid(f"Invalid metadata: wanted an object of texts, got {changes!r}")
    return Labels(attributes, _patched(labels.metadata, changes))


def bucket_fields_of(body: Mapping[str, object]) -> Mapping[str, object]:
    """What a client says of a bucket.

    Raises:
        StorageError: It has a field that is unknown or not implemented.
    """
    for name in body.keys() - _OF_BUCKETS:
        raise unimplemented(f"field {name!r} of a bucket")
    fields = {name: value for name, value in body.items() if name != "name"}
    location = fields.get("location")
    return {**fields, "location": location.upper()} if isinstance(location, str) else fields


def expected_checksums(body: Mapping[str, object], header: str) -> Mapping[str, str]:
    """The checksums that the sent content must have: those of the resource, and of the `X-Goog-Hash` header."""
    named = {"md5": body.get("md5Hash"), "crc32c": body.get("crc32c")}
    sent = dict(part.strip().split("=", 1) for part in header.split(",") if "=" in part)
    return {name: str(value) for name, value in named.items() if value} | sent


def _patched(old: Mapping[str, str], changes: Mapping[str, object]) -> Mapping[str, str]:
    for name, value in changes.items():
        if not isinstance(value, str | None):
            raise invalid(f"Invalid value of {name!r}: wanted a text, got {value!r}")
    return {name: str(value) for name, value in {**old, **changes}.items() if value is not None}


def _etag(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _time(nanoseconds: int) -> str:
    moment = datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
