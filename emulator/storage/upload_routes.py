"""Objects' content coming in: at once, with its resource, or in chunks that can be resumed.

Source: https://docs.cloud.google.com/storage/docs/json_api/v1/objects/insert and
https://docs.cloud.google.com/storage/docs/performing-resumable-uploads
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from emulator.storage import conditions as preconditions
from emulator.storage.conditions import conditions_of, number_of
from emulator.storage.errors import StorageError, invalid, unimplemented
from emulator.storage.objects import BLOCK, Ref
from emulator.storage.related import read_related
from emulator.storage.resources import expected_checksums, labels_of, object_resource
from emulator.storage.sessions import QUANTUM, Session, Target, store
from emulator.storage.wire import Call, Route, answer, in_thread, parse_object

_PARAMETERS = preconditions.PARAMETERS | {"name", "uploadType"}
_PATH = "/upload/storage/v1/b/{bucket}/o"
_OCTETS = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What a `Content-Range` says: where the bytes begin (None: there are none) and how many there will be in all."""

    first: int | None
    last: int
    total: int | None


async def insert(call: Call) -> Response:
    """objects.insert."""
    match call.query.get("uploadType"):
        case "media":
            return await _insert_media(call)
        case "multipart":
            return await _insert_multipart(call)
        case "resumable":
            return await _begin(call)
        case other:
            raise invalid(f"Invalid uploadType: wanted media, multipart or resumable, got {other!r}")


async def resume(call: Call) -> Response:
    """objects.insert, a chunk of a resumable upload, or a question how far it has come."""
    session = call.service.sessions.get(call.query.get("upload_id", ""))
    if session.entry:
        # The client did not get the answer to its last chunk, and asks.
        return answer(object_resource(session.entry, call.site))
    headers = call.request.headers
    chunk = _chunk(headers.get("content-range"), number_of("Content-Length", headers.get("content-length", "0")))
    if chunk.first is not None:
        await _take(call, session, chunk)
    if chunk.total is None or session.staged.size < chunk.total:
        return _incomplete(session.staged.size)
    checksums = expected_checksums({}, headers.get("x-goog-hash", ""))
    entry = await in_thread(session.finish, call.service.objects, checksums)
    return answer(object_resource(entry, call.site))


async def cancel(call: Call) -> Response:
    """objects.insert, giving a resumable upload up."""
    call.service.sessions.remove(call.service.sessions.get(call.query.get("upload_id", "")))
    return Response(status_code=499)


ROUTES = (
    Route("objects.insert", "POST", _PATH, insert, _PARAMETERS),
    Route("objects.insert", "PUT", _PATH, resume, _PARAMETERS | {"upload_id"}),
    Route("objects.insert", "DELETE", _PATH, cancel, _PARAMETERS | {"upload_id"}),
)


async def _insert_media(call: Call) -> Response:
    headers = call.request.headers
    resource = {"contentType": headers.get("content-type", _OCTETS)}
    return await _insert(call, _target(call, resource), call.request.stream())


async def _insert_multipart(call: Call) -> Response:
    related = await read_related(call.request.stream(), call.request.headers.get("content-type", ""))
    target = _target(call, parse_object(related.resource), content_type=related.content_type)
    return await _insert(call, target, related.content)


async def _insert(call: Call, target: Target, content: AsyncIterator[bytes]) -> Response:
    objects = call.service.objects
    await in_thread(objects.check, target.ref, target.conditions)
    with call.service.folder.staged() as staged:
        await pour(content, staged.write)
        entry = await in_thread(store, objects, staged, target, target.checksums)
    return answer(object_resource(entry, call.site))


async def _begin(call: Call) -> Response:
    target = _target(call, await call.body(), content_type=call.request.headers.get("x-upload-content-type", ""))
    await in_thread(call.service.objects.check, target.ref, target.conditions)
    session = Session(target, call.service.folder.stage())
    call.service.sessions.add(session)
    place = call.request.url.replace(query=f"uploadType=resumable&upload_id={session.id}")
    return Response(headers={"Location": str(place), "X-GUploader-UploadID": session.id})


async def _take(call: Call, session: Session, chunk: _Chunk) -> None:
    have = session.staged.size
    first = chunk.first or 0
    if first > have:
        raise invalid(f"Invalid chunk: it begins at byte {first}, and the first {have} came so far")
    final = chunk.total is not None and chunk.last + 1 == chunk.total
    if not final and (chunk.last + 1 - first) % QUANTUM:
        raise invalid(f"Invalid chunk: wanted a multiple of {QUANTUM} bytes, since it is not the last one")
    # A client that got no answer sends bytes again.
    await pour(_without_first(call.request.stream(), have - first), session.staged.write)


async def pour(content: AsyncIterator[bytes], write: Callable[[bytes], None]) -> None:
    """Passes bytes on as they come, a megabyte at a time, in a thread; also those before the client went away."""
    pending: list[bytes] = []
    size = 0
    try:
        async for block in content:
            pending.append(block)
            size += len(block)
            if size >= BLOCK:
                await in_thread(write, b"".join(pending))
                pending, size = [], 0
    except ClientDisconnect:
        write(b"".join(pending))
        raise
    await in_thread(write, b"".join(pending))


async def _without_first(content: AsyncIterator[bytes], count: int) -> AsyncIterator[bytes]:
    async for block in content:
        yield block[count:]
        count = max(0, count - len(block))


def _target(call: Call, resource: Mapping[str, object], *, content_type: str = "") -> Target:
    if resource.get("contentEncoding") or call.query.get("contentEncoding"):
        raise unimplemented("contentEncoding: content is stored and sent as it came")
    named = call.query.get("name", resource.get("name"))
    if not isinstance(named, str):
        raise StorageError(400, "required", "Required parameter: name")
    return Target(
        ref=Ref(call.path["bucket"], named),
        labels=labels_of(resource, default_type=content_type or _OCTETS),
        conditions=conditions_of(call.query),
        checksums=expected_checksums(resource, call.request.headers.get("x-goog-hash", "")),
    )


def _chunk(header: str | None, length: int) -> _Chunk:
    if header is None:
        # The request's body is all there is.
        return _Chunk(first=0 if length else None, last=length - 1, total=length)
    found = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", header)
    if not found:
        raise invalid(f"Invalid Content-Range: wanted bytes first-last/total, got {header!r}")
    first, last, total = found.groups()
    return _Chunk(
        first=None if first is None else int(first),
        last=int(last or 0),
        total=None if total == "*" else int(total),
    )


def _incomplete(size: int) -> Response:
    # Google's status for "go on", which the code 308 was not yet taken for.
    headers = {"Range": f"bytes=0-{size - 1}"} if size else {}
    return Response(status_code=308, headers=headers)
