"""The body of a multipart upload: a JSON resource, then the content, which is passed on as it comes.

Source: https://docs.cloud.google.com/storage/docs/uploading-objects and https://www.rfc-editor.org/rfc/rfc2387
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser

from emulator.storage.errors import StorageError, invalid

_HEAD_LIMIT = 4 << 20


@dataclass(frozen=True, slots=True)
class Related:
    """The two parts: the resource as JSON, and the content with its type (empty if the part names none)."""

    resource: bytes
    content_type: str
    content: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class _Head:
    """What comes before the content, what ends it, and how much of it came along."""

    resource: bytes
    content_type: str
    end: bytes
    rest: bytes


async def read_related(body: AsyncIterator[bytes], content_type: str) -> Related:
    """Reads as far as the content begins.

    Args:
        body: The blocks of the request's body.
        content_type: The request's content type, which names the boundary between the parts.

    Raises:
        StorageError: It is no such body.
    """
    mark = b"--" + _boundary(content_type)
    read = b""
    async for block in body:
        read += block
        head = _parse(read, mark)
        if head:
            return Related(head.resource, head.content_type, _content(body, head))
        if len(read) > _HEAD_LIMIT:
            break
    raise _broken("its first part, and the headers of its second, do not end")


def _parse(read: bytes, mark: bytes) -> _Head | None:
    """The head, once all of it is there."""
    first_line, line_end, _ = read.partition(b"\n")
    if not line_end:
        return None
    if first_line.rstrip(b"\r") != mark:
        raise _broken(f"it does not begin with its boundary, {mark!r}")
    # gcsfs ends its lines without the carriage return.
    newline = b"\r\n" if first_line.endswith(b"\r") else b"\n"
    _, _, after_headers = read.partition(newline * 2)
    resource, _, second = after_headers.partition(newline + mark + newline)
    headers, blank, rest = (newline + second).partition(newline * 2)
    if not blank:
        return None
    content_type = BytesHeaderParser().parsebytes(headers.lstrip()).get("content-type", "")
    return _Head(resource, content_type, newline + mark + b"--", rest)


async def _content(body: AsyncIterator[bytes], head: _Head) -> AsyncIterator[bytes]:
    # What ends the content, and perhaps a line break after it, is the last that comes: that much is held back.
    window = len(head.end) + 2
    held = head.rest
    async for block in body:
        held += block
        if len(held) > window:
            yield held[:-window]
            held = held[-window:]
    last = held.rstrip(b"\r\n")
    if not last.endswith(head.end):
        raise _broken("it does not end with its boundary, so part of it is missing")
    yield last.removesuffix(head.end)


def _boundary(content_type: str) -> bytes:
    message = Message()
    message["content-type"] = content_type
    boundary = message.get_boundary()
    if message.get_content_type() != "multipart/related" or not boundary:
        raise invalid(f"wanted a body of type multipart/related with a boundary, got {content_type!r}")
    return boundary.encode()


def _broken(why: str) -> StorageError:
    return invalid(f"Malformed multipart body: {why}")
