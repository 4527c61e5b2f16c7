"""Objects' content going out, whole or in part.

Source: https://docs.cloud.google.com/storage/docs/json_api/v1/objects/get and https://www.rfc-editor.org/rfc/rfc9110
"""

import re
from collections.abc import Mapping
from contextlib import ExitStack
from email.utils import formatdate
from typing import BinaryIO

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from emulator.storage import conditions as preconditions
from emulator.storage import object_routes
from emulator.storage.conditions import conditions_of
from emulator.storage.errors import invalid
from emulator.storage.objects import BLOCK, Entry
from emulator.storage.resources import etag, object_resource
from emulator.storage.wire import Call, Route, in_thread

_PARAMETERS = preconditions.PARAMETERS | {"generation"}


class _Content(Response):
    """Part of an open file as a response; the file is closed at the end, and when the client goes away."""

    def __init__(self, file: BinaryIO, part: range, opened: ExitStack, *, headers: Mapping[str, str]) -> None:
        super().__init__(status_code=206 if "Content-Range" in headers else 200, headers=headers)
        self._file = file
        self._part = part
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the ASGI signature
        with self._opened:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            self._file.seek(self._part.start)
            left = len(self._part)
            while left > 0 and (block := await in_thread(self._file.read, min(left, BLOCK))):
                left -= len(block)
                await send({"type": "http.response.body", "body": block, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


async def get(call: Call) -> Response:
    """objects.get: the content with `alt=media`, the resource without."""
    if call.query.get("alt", "json") == "media":
        return await download(call)
    return await object_routes.get(call)


async def download(call: Call) -> Response:
    """objects.get with the content."""
    with ExitStack() as opened:
        entry, file = await in_thread(opened.enter_context, call.service.objects.open(call.ref()))
        conditions_of(call.query).check_for_reading(entry.version)
        asked = call.request.headers.get("range")
        part = part_of(asked, entry.record.size) if asked else range(entry.record.size)
        if part is None:
            return Response(status_code=416, headers={"Content-Range": f"bytes */{entry.record.size}"})
        headers = _headers(call, entry, part, partial=asked is not None)
        # From here on, the response has the file to close.
        return _Content(file, part, opened.pop_all(), headers=headers)


ROUTES = (
    Route("objects.get", "GET", "/storage/v1/b/{bucket}/o/{object}", get, _PARAMETERS),
    Route("objects.get", "GET", "/download/storage/v1/b/{bucket}/o/{object}", download, _PARAMETERS),
)


def part_of(asked: str, size: int) -> range | None:
    """The bytes that a `Range` header asks for of so many; None if there are no such bytes.

    Raises:
        StorageError: It asks for several ranges, or for none.
    """
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", asked.strip())
    if not found or found.groups() == ("", ""):
        raise invalid(f"Invalid Range: wanted bytes=first-last, got {asked!r}")
    first, last = found.groups()
    if not first:
        part = range(max(0, size - int(last)), size)
    else:
        part = range(int(first), min(int(last) + 1, size) if last else size)
    return part if len(part) > 0 else None


def _headers(call: Call, entry: Entry, part: range, *, partial: bool) -> Mapping[str, str]:
    record = entry.record
    resource = object_resource(entry, call.site)
    checksums = record.checksums
    named = {
        "Content-Type": str(resource["contentType"]),
        "Content-Length": str(len(part)),
        "ETag": etag(entry),
        "Last-Modified": formatdate(record.updated_ns // 10**9, usegmt=True),
        "Accept-Ranges": "bytes",
        "X-Goog-Generation": str(record.generation),
        "X-Goog-Metageneration": str(record.metageneration),
        "X-Goog-Hash": f"crc32c={checksums.crc32c}" if record.components else checksums.header(),
        "X-Goog-Storage-Class": str(resource["storageClass"]),
        "X-Goog-Stored-Content-Encoding": "identity",
        "X-Goog-Stored-Content-Length": str(record.size),
    }
    for field, header in (
        ("cacheControl", "Cache-Control"),
        ("contentDisposition", "Content-Disposition"),
        ("contentLanguage", "Content-Language"),
    ):
        if field in record.attributes:
            named[header] = record.attributes[field]
    if partial:
        named["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{record.size}"
    return named
