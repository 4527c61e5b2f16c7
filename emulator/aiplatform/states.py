"""The `state` field of resources, by name."""

from emulator.aiplatform.methods import Message


def state_name(message: Message) -> str:
    """The name of a message's state."""
    return str(message.DESCRIPTOR.fields_by_name["state"].enum_type.values_by_number[message.state].name)


def set_state(message: Message, name: str) -> None:
    """Gives a message the state of that name."""
    message.state = message.DESCRIPTOR.fields_by_name["state"].enum_type.values_by_name[name].number
