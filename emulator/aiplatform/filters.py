"""The filters of list methods, as far as clients use them: `field="value"` terms joined by AND.

Source: AIP-160, and the `filter` fields of Vertex AI's list requests.
"""

import re
from collections.abc import Sequence

from emulator.aiplatform.errors import unimplemented
from emulator.aiplatform.methods import Message

_TERM = re.compile(r'^\s*(?P<field>[\w.]+)\s*=\s*"?(?P<value>[^"]*)"?\s*$')


def matching(messages: Sequence[Message], text: str) -> Sequence[Message]:
    """The messages for which every term of the filter holds; all for an empty filter.

    Raises:
        ApiError: 501 for a filter of another form.
    """
    terms = [_term(part) for part in re.split(r"\s+AND\s+", text)] if text.strip() else []
    return [message for message in messages if all(_value(message, field) == value for field, value in terms)]


def _term(text: str) -> tuple[str, str]:
    match = _TERM.match(text)
    if match is None:
        raise unimplemented(f"the filter {text!r}")
    return match["field"], match["value"]


def _value(message: Message, path: str) -> str:
    found = message
    first, *rest = path.split(".")
    if first == "labels":
        return message.labels.get(".".join(rest), "")
    for part in (first, *rest):
        if part not in found.DESCRIPTOR.fields_by_name:
            raise unimplemented(f"a filter on {path}")
        found = getattr(found, part)
    return str(found)
