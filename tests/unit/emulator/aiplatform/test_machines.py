"""Machines and accelerators, by the table of Vertex AI's "Configure compute resources"."""

import pytest
from google.cloud.aiplatform_v1.types import accelerator_type, machine_resources

from emulator.aiplatform.errors import ApiError
from emulator.aiplatform.machines import accelerator_name, check_machine, is_tpu, is_tpu_pod
from emulator.aiplatform.methods import Message

NONE = ""


def spec(machine: str, accelerator: str = NONE, count: int = 0, topology: str = "") -> Message:
    """A machine spec."""
    number = accelerator_type.AcceleratorType[accelerator].value if accelerator else 0
    return machine_resources.MachineSpec.pb()(
        machine_type=machine, accelerator_type=number, accelerator_count=count, tpu_topology=topology
    )


@pytest.mark.parametrize(
    ("machine", "accelerator", "count"),
    [
        ("n1-standard-2", NONE, 0),
        ("e2-highmem-16", NONE, 0),
        ("c2-standard-60", NONE, 0),
        ("n1-standard-4", "NVIDIA_TESLA_T4", 1),
        ("n1-highmem-8", "NVIDIA_TESLA_V100", 8),
        ("n1-standard-16", "NVIDIA_TESLA_V100", 2),
        ("n1-standard-32", "NVIDIA_TESLA_T4", 2),
        ("n1-highcpu-64", "NVIDIA_TESLA_P100", 4),
        ("n1-standard-96", "NVIDIA_TESLA_V100", 8),
        ("g2-standard-96", "NVIDIA_L4", 8),
        ("a2-highgpu-4g", "NVIDIA_TESLA_A100", 4),
        ("a2-ultragpu-1g", "NVIDIA_A100_80GB", 1),
        ("a3-megagpu-8g", "NVIDIA_H100_MEGA_80GB", 8),
        ("g4-standard-192", "NVIDIA_RTX_PRO_6000", 4),
        ("cloud-tpu", "TPU_V3", 8),
        ("ct5lp-hightpu-4t", NONE, 0),
    ],
)
def test_these_go_together(machine: str, accelerator: str, count: int) -> None:
    """One of each row of the table."""
    check_machine(spec(machine, accelerator, count), "spec")


@pytest.mark.parametrize(
    ("machine", "accelerator", "count", "text"),
    [
        ("", NONE, 0, "spec.machine_type is required"),
        ("n1-standrd-4", NONE, 0, "there is no machine 'n1-standrd-4'"),
        ("N1-standard-4", NONE, 0, "there is no machine"),
        ("n1-standard-4", "NVIDIA_TESLA_T4", 0, "belong together"),
        ("n1-standard-4", NONE, 1, "belong together"),
        ("n1-standard-4", "NVIDIA_TESLA_T4", 3, "n1-standard-4 does not take 3 NVIDIA_TESLA_T4"),
        ("n1-standard-4", "NVIDIA_L4", 1, "does not take 1 NVIDIA_L4"),
        ("n1-standard-16", "NVIDIA_TESLA_V100", 1, "does not take"),
        ("n1-standard-32", "NVIDIA_TESLA_T4", 1, "does not take"),
        ("n1-standard-64", "NVIDIA_TESLA_P100", 4, "does not take"),
        ("e2-standard-4", "NVIDIA_TESLA_T4", 1, "does not take"),
        ("g2-standard-24", "NVIDIA_L4", 1, "g2-standard-24 comes with 2 NVIDIA_L4, which must be asked for; got 1"),
        ("a2-highgpu-1g", NONE, 0, "must be asked for; got no accelerator"),
        ("cloud-tpu", NONE, 0, "cloud-tpu does not take no accelerator"),
        ("ct5lp-hightpu-4t", "TPU_V3", 8, "does not take"),
    ],
)
def test_these_do_not(machine: str, accelerator: str, count: int, text: str) -> None:
    """The message says what the machine takes, or that there is none."""
    with pytest.raises(ApiError) as caught:
        check_machine(spec(machine, accelerator, count), "spec")
    assert (caught.value.code, text in caught.value.message) == ("INVALID_ARGUMENT", True), caught.value.message


@pytest.mark.parametrize(
    ("machine", "topology"),
    [
        ("ct5lp-hightpu-1t", "1x1"),
        ("ct5lp-hightpu-4t", "2x2"),
        ("ct5lp-hightpu-4t", "16x16"),
        ("ct6e-standard-8t", "2x4"),
        ("tpu7x-standard-4t", "2x2x1"),
    ],
)
def test_a_tpu_has_its_topologies(machine: str, topology: str) -> None:
    """One of each row of the table."""
    check_machine(spec(machine, topology=topology), "spec")


@pytest.mark.parametrize(
    ("machine", "topology"),
    [
        ("n1-standard-4", "2x2"),
        ("ct5lp-hightpu-1t", "2x2"),
        ("ct5lp-hightpu-8t", "2x2"),
        ("ct5lp-hightpu-4t", "2x3"),
        ("ct5lp-hightpu-4t", "2x2x1"),
        ("tpu7x-standard-4t", "2x2"),
    ],
)
def test_no_machine_has_another_topology(machine: str, topology: str) -> None:
    """Least of all one without TPUs."""
    with pytest.raises(ApiError, match="has no tpu_topology"):
        check_machine(spec(machine, topology=topology), "spec")


@pytest.mark.parametrize(("count", "right"), [(8, True), (4, False), (16, False), (32, True), (48, False), (512, True)])
def test_old_tpus_come_by_eight_or_in_pods(count: int, right: bool) -> None:
    """A machine has 8 cores, the smallest pod slice 32."""
    wanted = spec("cloud-tpu", "TPU_V2", count)
    if right:
        check_machine(wanted, "spec")
        return
    with pytest.raises(ApiError, match=f"cloud-tpu does not take {count} TPU_V2"):
        check_machine(wanted, "spec")


@pytest.mark.parametrize(
    ("wanted", "tpu", "pod"),
    [
        (spec("n1-standard-4"), False, False),
        (spec("cloud-tpu", "TPU_V3", 8), True, False),
        (spec("cloud-tpu", "TPU_V3", 32), True, True),
        (spec("ct5lp-hightpu-8t", topology="2x4"), True, False),
        (spec("ct5lp-hightpu-4t", topology="2x2"), True, False),
        (spec("ct5lp-hightpu-4t", topology="2x4"), True, True),
        (spec("ct5lp-hightpu-4t"), True, False),
    ],
)
def test_a_pod_is_more_than_one_machine(wanted: Message, tpu: bool, pod: bool) -> None:
    """By cores for v2 and v3, by chips in the topology for the others."""
    assert (is_tpu(wanted), is_tpu_pod(wanted)) == (tpu, pod)


RESERVATION = "projects/p/zones/us-central1-a/reservations/r"
KEY = "compute.googleapis.com/reservation-name"


def reserved(**affinity: object) -> Message:
    """A machine with a reservation affinity."""
    wanted = spec("a2-highgpu-1g", "NVIDIA_TESLA_A100", 1)
    wanted.reservation_affinity.SetInParent()
    for name, value in affinity.items():
        if isinstance(value, list):
            getattr(wanted.reservation_affinity, name).extend(value)
        else:
            setattr(wanted.reservation_affinity, name, value)
    return wanted


@pytest.mark.parametrize(
    "affinity",
    [
        {"reservation_affinity_type": "NO_RESERVATION"},
        {"reservation_affinity_type": "ANY_RESERVATION"},
        {"reservation_affinity_type": "SPECIFIC_RESERVATION", "key": KEY, "values": [RESERVATION]},
    ],
)
def test_a_machine_can_come_out_of_a_reservation(affinity: dict[str, object]) -> None:
    """Any one, one by name, or none."""
    check_machine(reserved(**affinity), "spec")


@pytest.mark.parametrize(
    ("affinity", "text"),
    [
        ({}, "reservation_affinity_type is required"),
        ({"reservation_affinity_type": "ANY_RESERVATION", "key": KEY}, "only SPECIFIC_RESERVATION has a key"),
        ({"reservation_affinity_type": "SPECIFIC_RESERVATION", "key": KEY}, "needs the key"),
        ({"reservation_affinity_type": "SPECIFIC_RESERVATION", "values": [RESERVATION]}, "needs the key"),
        ({"reservation_affinity_type": "SPECIFIC_RESERVATION", "key": KEY, "values": ["r"]}, "needs the key"),
    ],
)
def test_a_reservation_has_a_full_name(affinity: dict[str, object], text: str) -> None:
    """Under the key that Compute Engine has for it."""
    with pytest.raises(ApiError, match=text):
        check_machine(reserved(**affinity), "spec")


def test_a_field_that_is_not_known_is_named() -> None:
    """The partition of a GPU, for one."""
    wanted = machine_resources.MachineSpec.pb()(machine_type="a2-highgpu-1g", gpu_partition_size="1g.5gb")
    with pytest.raises(ApiError, match=r"spec\.gpu_partition_size"):
        check_machine(wanted, "spec")


def test_an_accelerator_has_a_name() -> None:
    """Empty where there is none."""
    assert accelerator_name(spec("g2-standard-4", "NVIDIA_L4", 1)) == "NVIDIA_L4"
    assert accelerator_name(spec("n1-standard-4")) == ""
