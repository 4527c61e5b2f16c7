"""The checksums that Cloud Storage gives an object."""

import base64
import hashlib
from dataclasses import dataclass

import google_crc32c


@dataclass(frozen=True, slots=True)
class Checksums:
    """MD5 and CRC32C of the content, as the API writes them: base64 of the bytes, most significant first."""

    md5: str
    crc32c: str

    def header(self) -> str:
        """The value of the `X-Goog-Hash` header."""
        return f"crc32c={self.crc32c},md5={self.md5}"


class Digest:
    """Computes both checksums of content that comes in blocks."""

    def __init__(self) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._crc32c = 0

    def update(self, block: bytes) -> None:
        """Takes the next block."""
        self._md5.update(block)
        self._crc32c = google_crc32c.extend(self._crc32c, block)

    def checksums(self) -> Checksums:
        """The checksums of what came so far."""
        return Checksums(md5=_base64(self._md5.digest()), crc32c=_base64(self._crc32c.to_bytes(4, "big")))


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
