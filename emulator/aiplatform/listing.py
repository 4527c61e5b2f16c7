"""The answer to a list request: filtered, ordered, one page of it. Source: AIP-132, AIP-157, AIP-158."""

from collections.abc import Callable, Sequence

from emulator.aiplatform import wire
from emulator.aiplatform.errors import invalid, unimplemented
from emulator.aiplatform.filters import matching
from emulator.aiplatform.methods import Message

_FIELDS = ("parent", "name", "filter", "order_by", "page_size", "page_token", "read_mask")


def listed(request: Message, response: Message, found: Sequence[Message]) -> Message:
    """The response, filled with what the request asks for.

    Args:
        request: A list request.
        response: An empty response: it has one repeated message field, and a `next_page_token`.
        found: All resources of the kind, in the order in which they go when the request names none.

    Raises:
        ApiError: The request asks for something that is not possible, or that the emulator does not have.
    """
    wire.only(request, _FIELDS, request.DESCRIPTOR.name)
    terms = getattr(request, "filter", "")
    name = next(field.name for field in response.DESCRIPTOR.fields if field.message_type)
    # Asked of an empty resource first, so that a wrong request is refused also where there is nothing to list.
    empty = getattr(type(response)(), name).add()
    _ordered(matching([empty], terms) or [empty], order := getattr(request, "order_by", ""))
    _masked(request, empty)
    chosen = _ordered(matching(found, terms), order)
    start, size = _start(request.page_token), request.page_size
    if size < 0:
        raise invalid(f"page_size must not be negative, got {size}")
    end = start + size if size else len(chosen)
    if end < len(chosen):
        response.next_page_token = str(end)
    getattr(response, name).extend(_masked(request, message) for message in chosen[start:end])
    return response


def _start(token: str) -> int:
    if token and not token.isdecimal():
        raise invalid(f"page_token {token!r} is not one that a list method gave")
    return int(token or 0)


def _ordered(messages: Sequence[Message], order: str) -> Sequence[Message]:
    ordered = list(messages)
    # The last key first: sorting is stable, so the first key decides and the others break ties.
    for term in reversed([term.split() for term in order.split(",")] if order.strip() else []):
        if not term or term[1:] not in ([], ["asc"], ["desc"]):
            raise invalid(f"order_by must be `field` or `field desc`, joined by commas, got {order!r}")
        ordered.sort(key=_key(term[0]), reverse=term[1:] == ["desc"])
    return ordered


def _key(name: str) -> Callable[[Message], str | int]:
    def key(message: Message) -> str | int:
        field = message.DESCRIPTOR.fields_by_name.get(name)
        if field is None or field.is_repeated or (field.message_type and field.message_type.name != "Timestamp"):
            raise unimplemented(f"order_by {name}")
        value = getattr(message, name)
        return int(value.ToNanoseconds()) if field.message_type else value

    return key


def _masked(request: Message, message: Message) -> Message:
    mask = getattr(request, "read_mask", None)
    if mask is None or not mask.paths:
        return message
    if not mask.IsValidForDescriptor(message.DESCRIPTOR):
        raise invalid(f"read_mask names fields that {message.DESCRIPTOR.name} does not have: {list(mask.paths)}")
    shown = type(message)()
    mask.MergeMessage(message, shown)
    return shown
