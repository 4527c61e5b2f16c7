"""What Vertex AI says about a machine spec, wherever one stands."""

from emulator.aiplatform import wire
from emulator.aiplatform.errors import invalid
from emulator.aiplatform.methods import Message


def check_machine(spec: Message, where: str) -> None:
    """Nothing, when a machine has a type, and an accelerator both type and count or neither.

    Raises:
        ApiError: Not so.
    """
    wire.only(spec, ("machine_type", "accelerator_type", "accelerator_count", "tpu_topology"), where)
    if not spec.machine_type:
        raise invalid(f"{where}.machine_type is required")
    if bool(spec.accelerator_type) != bool(spec.accelerator_count):
        raise invalid(f"{where}: accelerator_type and accelerator_count belong together")
