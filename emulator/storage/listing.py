"""One page of a listing.

Source: https://docs.cloud.google.com/storage/docs/json_api/v1/objects/list
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from emulator.storage.errors import invalid


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for.

    Args:
        prefix: Names begin with it.
        delimiter: Names that hold it after the prefix are rolled up to what comes before its end; empty: none are.
        start: The first name that is wanted.
        end: The first name that is not wanted any more; empty: there is none.
        after: The item or prefix that the page before ended with.
        limit: The most items and prefixes on the page.
        matches: Which names are wanted.
    """

    prefix: str = ""
    delimiter: str = ""
    start: str = ""
    end: str = ""
    after: str = ""
    limit: int = 1000
    matches: Callable[[str], bool] = bool


@dataclass(frozen=True, slots=True)
class Page:
    """The names on a page, the prefixes that stand for more of them, and where the next page goes on (or nothing)."""

    names: tuple[str, ...]
    prefixes: tuple[str, ...]
    next_after: str


def page(names: Iterable[str], query: Query) -> Page:
    """The page of a listing of objects, in the order of the names' UTF-8 bytes."""
    items: list[str] = []
    prefixes: list[str] = []
    last = ""
    # The order of Python's strings, by code point, is the order of their UTF-8 bytes.
    for name in _wanted(sorted(names), query):
        group = _group(name, query)
        mark = group or name
        if mark == last or (query.after and mark <= query.after):
            continue
        if len(items) + len(prefixes) == query.limit:
            return Page(tuple(items), tuple(prefixes), next_after=last)
        (prefixes if group else items).append(mark)
        last = mark
    return Page(tuple(items), tuple(prefixes), next_after="")


def token_of(after: str) -> str:
    """The page token that stands for the last item of a page."""
    return base64.urlsafe_b64encode(after.encode()).decode()


def after_of(token: str) -> str:
    """The last item of the page before.

    Raises:
        StorageError: The token is none of ours.
    """
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, UnicodeError) as error:
        raise invalid(f"Invalid pageToken: {token!r}: wanted the nextPageToken of the page before") from error


def matcher(glob: str) -> Callable[[str], bool]:
    """Whether a name matches a pattern: `*` and `?` within a folder, `**` across folders, `[ab]`, `[!ab]`, `{a,b}`.

    Raises:
        StorageError: The pattern is not closed.
    """
    try:
        pattern = re.compile("".join(_translate(glob)), re.DOTALL)
    except re.error as error:
        raise invalid(f"Invalid matchGlob: {glob!r}: {error}") from error
    return lambda name: pattern.fullmatch(name) is not None


_PART = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^]]+\]|[{},]|.", re.DOTALL)
_FIXED = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")"}


def _translate(glob: str) -> Iterator[str]:
    depth = 0
    for part in _PART.findall(glob):
        depth += {"{": 1, "}": -1}.get(part, 0)
        if part == "," and depth:
            yield "|"
        elif part.startswith("[") and len(part) > 1:
            yield "[" + part[1:-1].replace("\\", r"\\").replace("!", "^", part.startswith("[!")) + "]"
        else:
            yield _FIXED.get(part) or re.escape(part)


def _wanted(names: Iterable[str], query: Query) -> Iterator[str]:
    for name in names:
        inside = name >= query.start and not (query.end and name >= query.end)
        if inside and name.startswith(query.prefix) and query.matches(name):
            yield name


def _group(name: str, query: Query) -> str:
    if not query.delimiter:
        return ""
    head, delimiter, _ = name[len(query.prefix) :].partition(query.delimiter)
    return f"{query.prefix}{head}{delimiter}" if delimiter else ""
