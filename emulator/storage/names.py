"""Which names of buckets and objects can be folders and files."""

import re

from emulator.storage.errors import invalid

_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9_-]|\.(?!\.)){1,220}[a-z0-9]")
_LONGEST_NAME = 1024
_LONGEST_PART = 255


def is_bucket(name: str) -> bool:
    """Whether Cloud Storage takes the name for a bucket.

    Source: https://docs.cloud.google.com/storage/docs/buckets#naming
    """
    return bool(_BUCKET.fullmatch(name)) and all(len(part) <= 63 for part in name.split("."))


def check_bucket(name: str) -> None:
    """Raises if Cloud Storage would not take the name for a bucket."""
    if not is_bucket(name):
        raise invalid(
            f"Invalid bucket name: {name!r}: wanted 3 to 63 lower-case letters, digits, '-', '_' or '.', with a letter "
            "or a digit at both ends"
        )


def check_object(name: str) -> None:
    """Raises if the name of an object is none, or is one that no file can have.

    Cloud Storage takes more: `a//b`, `a/`, `../a` are plain names there. Here they would be other files than they say.

    Source: https://docs.cloud.google.com/storage/docs/objects#naming
    """
    problem = _problem(name)
    if problem:
        raise invalid(f"Invalid object name: {name!r}: {problem}")


def can_be_a_folder(prefix: str) -> bool:
    """Whether objects can have a name that begins with this folder (`""`, or with a slash at its end)."""
    return all(part not in {"", ".", ".."} and "\0" not in part for part in prefix.split("/")[:-1])


def _problem(name: str) -> str:
    parts = [part.encode(errors="replace") for part in name.split("/")]
    if not 0 < sum(map(len, parts)) + len(parts) - 1 <= _LONGEST_NAME:
        return f"wanted 1 to {_LONGEST_NAME} bytes"
    if re.search(r"[\0\r\n\ud800-\udfff]", name):
        return "wanted UTF-8 with no line break and no NUL in it"
    if not all(parts):
        return "objects are files here, so no slash can stand at either end, nor beside another one"
    if {b".", b".."} & set(parts):
        return "objects are files here, so '.' and '..' would name another file"
    if max(map(len, parts)) > _LONGEST_PART:
        return f"objects are files here, so wanted at most {_LONGEST_PART} bytes between two slashes"
    return ""
