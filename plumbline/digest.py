"""Digests of content: what was built from the same bytes has the same one."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

_CHUNK = 1 << 20


def tree_digest(root: Path, files: Iterable[Path] | None = None) -> str:
    """SHA-256, hexadecimal, of the names and bytes of a folder's files (all, or the given ones) or of a single file."""
    if root.is_file():
        return hashlib.sha256(root.read_bytes()).hexdigest()
    digest = hashlib.sha256()
    for path in sorted(files if files is not None else (p for p in root.rglob("*") if p.is_file())):
        digest.update(f"{path.relative_to(root).as_posix()}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()
