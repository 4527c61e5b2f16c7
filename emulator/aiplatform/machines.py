"""What Vertex AI says about a machine spec, wherever one stands.

Source: Vertex AI, "Configure compute resources for custom training", machine_resources.proto,
accelerator_type.proto and reservation_affinity.proto.
"""

import math
import re
from collections.abc import Mapping, Sequence

from emulator.aiplatform import wire
from emulator.aiplatform.errors import invalid
from emulator.aiplatform.methods import Message

_GENERAL = re.compile(
    r"^(?:e2|n1|n2|n2d|n4|c2|c2d|c3|c3d|c4|m1|m2|m3)-(?:standard|highmem|highcpu|ultramem|megamem)-[1-9]\d*$"
)
_N1 = re.compile(r"^n1-(?P<kind>standard|highmem|highcpu)-(?P<cpus>\d+)$")
_TPU = re.compile(r"^(?P<kind>ct5lp-hightpu|ct6e-standard|tpu7x-standard)-(?P<chips>[148])t$")
_CLOUD_TPU = "cloud-tpu"
_OLD_TPUS = frozenset({"TPU_V2", "TPU_V3"})
_CHIPS_OF_ONE, _LEAST_OF_POD = 8, 32
_FLAT = ("2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16")
_TOPOLOGIES: Mapping[int, Sequence[str]] = {1: ("1x1",), 4: _FLAT, 8: ("2x4",)}
"""Of v5e and v6e, by the chips of one machine."""
_SOLID = re.compile(r"^[1-9]\d*x[1-9]\d*x[1-9]\d*$")
"""The form of TPU7x's topologies."""
FIELDS = ("machine_type", "accelerator_type", "accelerator_count", "tpu_topology", "reservation_affinity")
_NO_RESERVATION, _ANY_RESERVATION, _SPECIFIC_RESERVATION = 1, 2, 3
_RESERVATION_KEY = "compute.googleapis.com/reservation-name"
_RESERVATION = re.compile(r"^projects/[^/]+/zones/[^/]+/reservations/[^/]+$")
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
    wire.only(spec, FIELDS, where)
    if not spec.machine_type:
        raise invalid(f"{where}.machine_type is required")
    if bool(spec.accelerator_type) != bool(spec.accelerator_count):
        raise invalid(f"{where}: accelerator_type and accelerator_count belong together")
    accelerator = accelerator_name(spec)
    if not _is_pair(spec.machine_type, accelerator, spec.accelerator_count):
        raise invalid(_refusal(spec.machine_type, accelerator, spec.accelerator_count, where))
    if spec.tpu_topology and not _is_topology(spec.machine_type, spec.tpu_topology):
        raise invalid(f"{where}: {spec.machine_type} has no tpu_topology {spec.tpu_topology!r}")
    if spec.HasField("reservation_affinity"):
        _check_reservation(spec.reservation_affinity, f"{where}.reservation_affinity")


def is_tpu(spec: Message) -> bool:
    """Whether a machine has TPUs."""
    return spec.machine_type == _CLOUD_TPU or bool(_TPU.match(spec.machine_type))


def is_tpu_pod(spec: Message) -> bool:
    """Whether a machine spec asks for TPUs of more than one machine, which is called a pod or a slice of one."""
    if spec.machine_type == _CLOUD_TPU:
        return bool(spec.accelerator_count > _CHIPS_OF_ONE)
    machine = _TPU.match(spec.machine_type)
    return machine is not None and _chips(spec.tpu_topology) > int(machine["chips"])


def accelerator_name(spec: Message) -> str:
    """The name of a machine's accelerator, empty where it has none."""
    kinds = spec.DESCRIPTOR.fields_by_name["accelerator_type"].enum_type.values_by_number
    return str(kinds[spec.accelerator_type].name) if spec.accelerator_type else ""


def _is_pair(machine: str, accelerator: str, count: int) -> bool:
    if machine in _OWN:
        return _OWN[machine] == (accelerator, count)
    if machine == _CLOUD_TPU:
        return accelerator in _OLD_TPUS and _is_old_tpu_count(count)
    if not accelerator:
        return bool(_GENERAL.match(machine) or _TPU.match(machine))
    n1 = _N1.match(machine)
    return n1 is not None and count in _counts(n1["kind"], int(n1["cpus"])).get(accelerator, ())


def _is_old_tpu_count(count: int) -> bool:
    """Whether v2 and v3 come in that number: a machine has 8, a pod slice 32 or a larger power of two."""
    return count == _CHIPS_OF_ONE or (count >= _LEAST_OF_POD and count.bit_count() == 1)


def _is_topology(machine_type: str, topology: str) -> bool:
    machine = _TPU.match(machine_type)
    if machine is None:
        return False
    if machine["kind"] == "tpu7x-standard":
        return bool(_SOLID.match(topology)) and machine["chips"] == "4"
    return topology in _TOPOLOGIES[int(machine["chips"])]


def _chips(topology: str) -> int:
    return math.prod(int(part) for part in topology.split("x")) if topology else 0


def _check_reservation(affinity: Message, where: str) -> None:
    kind = affinity.reservation_affinity_type
    if kind not in {_NO_RESERVATION, _ANY_RESERVATION, _SPECIFIC_RESERVATION}:
        raise invalid(f"{where}.reservation_affinity_type is required")
    if kind != _SPECIFIC_RESERVATION and (affinity.key or affinity.values):
        raise invalid(f"{where}: only SPECIFIC_RESERVATION has a key and values")
    if kind == _SPECIFIC_RESERVATION and (
        affinity.key != _RESERVATION_KEY or not affinity.values or not all(map(_RESERVATION.match, affinity.values))
    ):
        wanted = f"the key {_RESERVATION_KEY} and values {_RESERVATION.pattern}"
        raise invalid(f"{where}: SPECIFIC_RESERVATION needs {wanted}")


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
