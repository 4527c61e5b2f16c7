"""What Vertex AI says about a machine spec, wherever one stands.

Source: Vertex AI, "Configure compute resources for custom training", and accelerator_type.proto.
"""

import re
from collections.abc import Mapping

from emulator.aiplatform import wire
from emulator.aiplatform.errors import invalid
from emulator.aiplatform.methods import Message

_GENERAL = re.compile(
    r"^(?:e2|n1|n2|n2d|n4|c2|c2d|c3|c3d|c4|m1|m2|m3)-(?:standard|highmem|highcpu|ultramem|megamem)-[1-9]\d*$"
)
_N1 = re.compile(r"^n1-(?P<kind>standard|highmem|highcpu)-(?P<cpus>\d+)$")
_TPU = re.compile(r"^(?:ct5lp-hightpu-[148]t|ct6e-standard-[148]t|tpu7x-standard-4t)$")
_CLOUD_TPU = "cloud-tpu"
_OLD_TPUS = frozenset({"TPU_V2", "TPU_V3"})
_SMALL_CARDS = ("NVIDIA_TESLA_T4", "NVIDIA_TESLA_P4", "NVIDIA_TESLA_P100")
_V100 = "NVIDIA_TESLA_V100"
_P100_VCPUS = 64

_OWN: Mapping[str, tuple[str, int]] = {
    **{f"g2-standard-{cpus}": ("NVIDIA_L4", 1) for cpus in (4, 8, 12, 16, 32)},
    "g2-standard-24": ("NVIDIA_L4", 2),
    "g2-standard-48": ("NVIDIA_L4", 4),
    "g2-standard-96": ("NVIDIA_L4", 8),
    **{f"a2-highgpu-{count}g": ("NVIDIA_TESLA_A100", count) for count in (1, 2, 4, 8)},
    "a2-megagpu-16g": ("NVIDIA_TESLA_A100", 16),
    **{f"a2-ultragpu-{count}g": ("NVIDIA_A100_80GB", count) for count in (1, 2, 4, 8)},
    **{f"a3-highgpu-{count}g": ("NVIDIA_H100_80GB", count) for count in (1, 2, 4, 8)},
    "a3-megagpu-8g": ("NVIDIA_H100_MEGA_80GB", 8),
    "a3-ultragpu-8g": ("NVIDIA_H200_141GB", 8),
    "a4-highgpu-8g": ("NVIDIA_B200", 8),
    "a4x-highgpu-4g": ("NVIDIA_GB200", 4),
    **{f"g4-standard-{48 * count}": ("NVIDIA_RTX_PRO_6000", count) for count in (1, 2, 4, 8)},
}
"""The accelerator, and how many of it, of machines that come with theirs: both must be asked for."""


def check_machine(spec: Message, where: str) -> None:
    """Nothing, when there is such a machine and it takes the accelerators that are asked for.

    Raises:
        ApiError: Not so.
    """
    wire.only(spec, ("machine_type", "accelerator_type", "accelerator_count", "tpu_topology"), where)
    if not spec.machine_type:
        raise invalid(f"{where}.machine_type is required")
    if bool(spec.accelerator_type) != bool(spec.accelerator_count):
        raise invalid(f"{where}: accelerator_type and accelerator_count belong together")
    accelerator = accelerator_name(spec)
    if not _is_pair(spec.machine_type, accelerator, spec.accelerator_count):
        raise invalid(_refusal(spec.machine_type, accelerator, spec.accelerator_count, where))
    if spec.tpu_topology and not _TPU.match(spec.machine_type):
        raise invalid(f"{where}: {spec.machine_type} has no tpu_topology")


def accelerator_name(spec: Message) -> str:
    """The name of a machine's accelerator, empty where it has none."""
    kinds = spec.DESCRIPTOR.fields_by_name["accelerator_type"].enum_type.values_by_number
    return str(kinds[spec.accelerator_type].name) if spec.accelerator_type else ""


def _is_pair(machine: str, accelerator: str, count: int) -> bool:
    if machine in _OWN:
        return _OWN[machine] == (accelerator, count)
    if machine == _CLOUD_TPU:
        return accelerator in _OLD_TPUS
    if not accelerator:
        return bool(_GENERAL.match(machine) or _TPU.match(machine))
    n1 = _N1.match(machine)
    return n1 is not None and count in _counts(n1["kind"], int(n1["cpus"])).get(accelerator, ())


def _counts(kind: str, cpus: int) -> Mapping[str, tuple[int, ...]]:
    """How many accelerators of which type an n1 machine takes: a larger machine needs more of them."""
    if cpus <= 16:
        v100 = (1, 2, 4, 8) if cpus <= 8 else (2, 4, 8)
        return {**dict.fromkeys(_SMALL_CARDS, (1, 2, 4)), _V100: v100}
    if cpus <= 32:
        return {**dict.fromkeys(_SMALL_CARDS, (2, 4)), _V100: (4, 8)}
    small = [card for card in _SMALL_CARDS if "P100" not in card or (kind, cpus) == ("highcpu", _P100_VCPUS)]
    return {**dict.fromkeys(small, (4,)), _V100: (8,)}


def _refusal(machine: str, accelerator: str, count: int, where: str) -> str:
    asked = f"{count} {accelerator}" if accelerator else "no accelerator"
    if machine in _OWN:
        own, number = _OWN[machine]
        return f"{where}: {machine} comes with {number} {own}, which must be asked for; got {asked}"
    if not (_GENERAL.match(machine) or _TPU.match(machine) or machine == _CLOUD_TPU):
        return f"{where}.machine_type: there is no machine {machine!r}"
    return f"{where}: {machine} does not take {asked}"
