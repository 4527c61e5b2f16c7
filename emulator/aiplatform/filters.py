"""The filters of list methods, as far as clients use them: `field="value"` terms joined by AND.

Source: AIP-160, and the `filter` fields of Vertex AI's list requests.
"""

import re
from collections.abc import Sequence
from typing import Any

from emulator.aiplatform.errors import unimplemented
from emulator.aiplatform.methods import Message

_TERM = re.compile(r'\s*(?P<field>[A-Za-z_][\w.-]*)\s*=\s*(?:"(?P<quoted>[^"]*)"|(?P<bare>[^\s"()=]+))\s*')
_AND = re.compile(r"AND\s")


def matching(messages: Sequence[Message], text: str) -> Sequence[Message]:
    """The messages for which every term of the filter holds; all for an empty filter.

    Raises:
        ApiError: 501 for a filter of another form, or on a field that is not a single value.
    """
    terms = _terms(text) if text.strip() else []
    wanted = [value for _, value in terms]
    # Each term is looked at, so that a wrong one is refused whatever the others say.
    return [message for message in messages if [_value(message, field) for field, _ in terms] == wanted]


def _terms(text: str) -> Sequence[tuple[str, str]]:
    terms, position = [], 0
    while True:
        term = _TERM.match(text, position)
        if term is None:
            raise unimplemented(f"the filter {text!r}; it has `field=value` terms joined by AND")
        terms.append((term["field"], term["bare"] if term["quoted"] is None else term["quoted"]))
        position = term.end()
        if position == len(text):
            return terms
        joint = _AND.match(text, position)
        if joint is None:
            raise unimplemented(f"the filter {text!r}; it has `field=value` terms joined by AND")
        position = joint.end()


def _value(message: Message, path: str) -> str | None:
    first, *rest = path.split(".")
    if first == "labels" and "labels" in message.DESCRIPTOR.fields_by_name:
        return message.labels[key] if (key := ".".join(rest)) in message.labels else None
    found = message
    for part in (first, *rest[:-1]) if rest else ():
        found = _inner(found, part, path)
    name = rest[-1] if rest else first
    field = found.DESCRIPTOR.fields_by_name.get(name)
    if field is None or field.message_type or field.is_repeated:
        raise unimplemented(f"a filter on {path}")
    return _text(field, getattr(found, name))


def _inner(message: Message, name: str, path: str) -> Message:
    field = message.DESCRIPTOR.fields_by_name.get(name)
    if field is None or not field.message_type or field.is_repeated:
        raise unimplemented(f"a filter on {path}")
    return getattr(message, name)


def _text(field: Any, value: object) -> str:
    """A value as filters write it: enums by name, booleans in lower case."""
    if field.enum_type:
        return str(field.enum_type.values_by_number[value].name)
    return str(value).lower() if isinstance(value, bool) else str(value)
