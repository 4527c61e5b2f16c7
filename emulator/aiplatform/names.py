"""Display names and labels, which every resource has. Source: the comments on these fields in Vertex AI's protos."""

from emulator.aiplatform.errors import invalid
from emulator.aiplatform.methods import Message

_LONGEST_NAME = 128
_LONGEST_LABEL = 64
_MOST_LABELS = 64


def check_named(message: Message, where: str) -> None:
    """Nothing, when a resource has a display name, and labels that Vertex AI takes.

    Raises:
        ApiError: Not so.
    """
    if not 1 <= len(message.display_name) <= _LONGEST_NAME:
        raise invalid(f"{where}.display_name must have 1 to {_LONGEST_NAME} characters, got {message.display_name!r}")
    if len(message.labels) > _MOST_LABELS:
        raise invalid(f"{where}.labels must be at most {_MOST_LABELS}, got {len(message.labels)}")
    for key, value in message.labels.items():
        if not key or not (_is_label(key) and _is_label(value)):
            raise invalid(
                f"{where}.labels: {key!r}={value!r} must be lower case letters, digits, _ and -, "
                f"at most {_LONGEST_LABEL} of them"
            )


def _is_label(text: str) -> bool:
    return len(text) <= _LONGEST_LABEL and all(c in "_-" or (c.isalnum() and c == c.lower()) for c in text)
