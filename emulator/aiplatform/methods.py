"""Methods of Google's APIs: which request a path and verb mean, and in which messages it is asked and answered."""

import importlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Message = Any
"""A protobuf message; Google's classes have no types."""

_TABLE = Path(__file__).with_name("methods.json")
_FIELD = re.compile(r"\{([\w.]+)(?:=([^}]+))?\}")
# A colon begins a verb, as in `endpoints/1:predict`, but not in a digest.
_SEGMENT = r"(?:[^/:]|(?<=sha256):)+"


@dataclass(frozen=True, slots=True)
class Method:
    """One route of one method."""

    service: str
    name: str
    verb: str
    body: str
    """The request's field that the body fills: `*` for the request itself, empty for none."""
    pattern: re.Pattern[str]
    fields: tuple[str, ...]
    """The request's fields that the path fills, in order."""
    request: str
    response: str
    metadata: str
    """Of the operation, where the method starts one."""

    def new_request(self) -> Message:
        """An empty request."""
        return message_class(self.request)()


def message_class(path: str) -> Callable[..., Message]:
    """The protobuf class that stands behind a message of the SDK, `module:name`."""
    module, _, name = path.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found.pb() if hasattr(found, "pb") else found


def load(table: Path = _TABLE) -> Sequence[Method]:
    """A table that was read off the SDK that the lock has; that of Vertex AI unless another is named."""
    return [_method(entry) for entry in json.loads(table.read_text(encoding="utf-8"))]


def find(table: Sequence[Method], verb: str, path: str) -> tuple[Method, Mapping[str, str]] | None:
    """The method that a verb and a path mean, with the fields that the path fills; None where there is none."""
    for method in table:
        if method.verb == verb and (match := method.pattern.match(path)):
            return method, dict(zip(method.fields, match.groups(), strict=True))
    return None


def _method(entry: Mapping[str, str]) -> Method:
    fields: list[str] = []

    def group(match: re.Match[str]) -> str:
        fields.append(match[1])
        template = re.escape(match[2] or "*")
        return "(" + template.replace(r"\*\*", ".+").replace(r"\*", _SEGMENT) + ")"

    pattern, end = "", 0
    for match in _FIELD.finditer(entry["uri"]):
        pattern += re.escape(entry["uri"][end : match.start()]) + group(match)
        end = match.end()
    return Method(
        service=entry["service"],
        name=entry["name"],
        verb=entry["verb"],
        body=entry["body"],
        pattern=re.compile(f"^{pattern}{re.escape(entry['uri'][end:])}$"),
        fields=tuple(fields),
        request=entry["request"],
        response=entry["response"],
        metadata=entry["metadata"],
    )
