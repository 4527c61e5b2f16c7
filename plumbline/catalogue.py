"""The machines of training and of endpoints, their accelerators, and where there are any.

A copy of Google's pages SOURCE, made on CHECKED. `plumbline/machines.py` judges by it.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Use: TypeAlias = Literal["training", "serving"]
_DOCS = "https://docs.cloud.google.com/gemini-enterprise-agent-platform/machine-learning"
SOURCE = (
    f"{_DOCS}/training/configure-compute",
    f"{_DOCS}/predictions/configure-compute",
    f"{_DOCS}/general/locations",
    f"{_DOCS}/training/training-with-tpu-vm",
    f"{_DOCS}/training/use-spot-vms",
    f"{_DOCS}/training/schedule-jobs-dws",
)
CHECKED = dt.date(2026, 11, 25)

TRAINING_SIZES: Mapping[str, tuple[int, ...]] = {
    "e2-standard": (4, 8, 16, 32),
    "e2-highmem": (2, 4, 8, 16),
    "e2-highcpu": (16, 32),
    "n1-standard": (4, 8, 16, 32, 64, 96),
    "n1-highmem": (2, 4, 8, 16, 32, 64, 96),
    "n1-highcpu": (16, 32, 64, 96),
    "n2-standard": (4, 8, 16, 32, 48, 64, 80),
    "n2-highmem": (2, 4, 8, 16, 32, 48, 64, 80),
    "n2-highcpu": (16, 32, 48, 64, 80),
    **dict.fromkeys(("n4-standard", "n4-highmem", "n4-highcpu"), (2, 4, 8, 16, 32, 48, 64, 80)),
    "c2-standard": (4, 8, 16, 30, 60),
    "m1-ultramem": (40, 80, 160),
    "m1-megamem": (96,),
}
"""vCPUs of each family that trains, the number at the end of the machine's name."""
SERVING_SIZES: Mapping[str, tuple[int, ...]] = {
    "e2-standard": (2, 4, 8, 16, 32),
    "e2-highmem": (2, 4, 8, 16),
    "e2-highcpu": (2, 4, 8, 16, 32),
    "n1-standard": (2, 4, 8, 16, 32),
    "n1-highmem": (2, 4, 8, 16, 32),
    "n1-highcpu": (4, 8, 16, 32),
    "n2-standard": (2, 4, 8, 16, 32, 48, 64, 80, 96, 128),
    "n2-highmem": (2, 4, 8, 16, 32, 48, 64, 80, 96, 128),
    "n2-highcpu": (2, 4, 8, 16, 32, 48, 64, 80, 96),
    "n2d-standard": (2, 4, 8, 16, 32, 48, 64, 80, 96, 128, 224),
    "n2d-highmem": (2, 4, 8, 16, 32, 48, 64, 80, 96),
    "n2d-highcpu": (2, 4, 8, 16, 32, 48, 64, 80, 96, 128, 224),
    "c2-standard": (4, 8, 16, 30, 60),
    "c2d-standard": (2, 4, 8, 16, 32, 56, 112),
    "c2d-highmem": (2, 4, 8, 16, 32, 56, 112),
    "c2d-highcpu": (2, 4, 8, 16, 32, 56, 112),
    "c3-highcpu": (4, 8, 22, 44, 88, 176),
}
OWN: Mapping[str, tuple[str, int]] = {
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
"""Machines that come with their accelerator, which must be asked for all the same."""
FOR_N1 = ("NVIDIA_TESLA_T4", "NVIDIA_TESLA_P4", "NVIDIA_TESLA_V100")
"""P100 was the fourth, until its support ended."""
ENDED: Mapping[str, str] = {
    "NVIDIA_TESLA_K80": "has ended",
    "NVIDIA_TESLA_P100": "ended on 15 September 2026",
}
CLOUD_TPU = "cloud-tpu"
TPU_CORES = 8
"""Of the one VM that is no pod."""
TOPOLOGIES: Mapping[str, str] = {"ct5lp-hightpu-1t": "1x1", "ct5lp-hightpu-4t": "2x2", "ct5lp-hightpu-8t": "2x4"}
"""TPU v5e: the topology that is one VM."""
WITHOUT_TENSORFLOW = ("ct6e-", "tpu7x-")
FLEX_START = frozenset(
    {
        "NVIDIA_L4",
        "NVIDIA_TESLA_A100",
        "NVIDIA_A100_80GB",
        "NVIDIA_H100_80GB",
        "NVIDIA_H100_MEGA_80GB",
        "NVIDIA_H200_141GB",
        "NVIDIA_B200",
    }
)
KNOWN = frozenset({*FOR_N1, *ENDED, *(name for name, _ in OWN.values())})


@dataclass(frozen=True, slots=True)
class Offer:
    """The accelerators of a region: those for both uses, and those for one alone."""

    both: str
    training: str = ""
    serving: str = ""


V5E = "TPU v5e"
"""It has no accelerator type: its machine type says it."""
SHORT: Mapping[str, str] = {
    "A100": "NVIDIA_TESLA_A100",
    "A100_80": "NVIDIA_A100_80GB",
    "B200": "NVIDIA_B200",
    "GB200": "NVIDIA_GB200",
    "H100": "NVIDIA_H100_80GB",
    "MEGA": "NVIDIA_H100_MEGA_80GB",
    "H200": "NVIDIA_H200_141GB",
    "L4": "NVIDIA_L4",
    "P4": "NVIDIA_TESLA_P4",
    "RTX": "NVIDIA_RTX_PRO_6000",
    "T4": "NVIDIA_TESLA_T4",
    "V100": "NVIDIA_TESLA_V100",
    "V2": "TPU_V2",
    "V3": "TPU_V3",
    "V5E": V5E,
}
REGIONS: Mapping[str, Offer] = {
    "asia-east1": Offer("T4 V100", training="V2 MEGA", serving="L4"),
    "asia-east2": Offer("T4"),
    "asia-northeast1": Offer("H100 MEGA T4", training="B200", serving="A100 L4"),
    "asia-northeast3": Offer("A100 H100 L4 T4"),
    "asia-south1": Offer("H100 L4 T4 H200"),
    "asia-south2": Offer("H200 RTX"),
    "asia-southeast1": Offer("A100 A100_80 B200 H100 MEGA L4 P4 T4 RTX"),
    "asia-southeast2": Offer("T4"),
    "australia-southeast1": Offer("MEGA P4 T4"),
    "europe-central2": Offer("T4"),
    "europe-north1": Offer("", training="MEGA"),
    "europe-west1": Offer("MEGA H200 T4", serving="H100 L4"),
    "europe-west2": Offer("L4 T4", serving="H100"),
    "europe-west3": Offer("H100 T4", training="MEGA", serving="L4"),
    "europe-west4": Offer("A100 A100_80 H100 MEGA H200 L4 P4 T4 V100 RTX", training="B200 V2 V3", serving="V5E"),
    "europe-west6": Offer("", serving="L4"),
    "me-central2": Offer("L4"),
    "me-west1": Offer("A100", serving="A100_80 T4"),
    "northamerica-northeast1": Offer("P4 T4"),
    "northamerica-northeast2": Offer("H100 L4"),
    "southamerica-east1": Offer("T4"),
    "southamerica-west1": Offer("", serving="T4"),
    "us-central1": Offer("A100 A100_80 B200 H100 MEGA GB200 H200 L4 P4 T4 RTX V100", training="V2 V3 V5E"),
    "us-east1": Offer("L4 T4 RTX V100", training="A100 B200 V5E"),
    "us-east4": Offer("A100_80 H100 MEGA H200 L4 P4 T4 RTX", training="B200 GB200"),
    "us-east5": Offer("A100_80 H100 MEGA", training="H200"),
    "us-south1": Offer("H200", training="B200", serving="V5E"),
    "us-west1": Offer("H100 MEGA H200 L4 T4 V5E V100"),
    "us-west2": Offer("P4 T4 B200"),
    "us-west3": Offer("A100", training="B200"),
    "us-west4": Offer("H100 MEGA T4 V5E", training="A100", serving="L4"),
}
"""P100 and TPUs that TensorFlow does not run on are left out. europe-west2 has L4 for training by the page of regions
and none by the page of quotas: it is let through, and the quota decides."""


CPU_QUOTAS: Mapping[str, str] = {"n1": "", "e2": "", "n2": "n2_", "n4": "n4_", "c2": "c2_", "m1": "m1_"}
"""Google's quota page: N1 and E2 share one, other families have their own, A2 and A3 are unlimited."""
GPU_QUOTAS: Mapping[str, str] = {
    "NVIDIA_TESLA_T4": "nvidia_t4",
    "NVIDIA_TESLA_P4": "nvidia_p4",
    "NVIDIA_TESLA_V100": "nvidia_v100",
    "NVIDIA_L4": "nvidia_l4",
    "NVIDIA_TESLA_A100": "nvidia_a100",
    "NVIDIA_A100_80GB": "nvidia_a100_80gb",
    "NVIDIA_H100_80GB": "nvidia_h100",
    "NVIDIA_H100_MEGA_80GB": "nvidia_h100_mega",
    "NVIDIA_H200_141GB": "nvidia_h200",
}
"""Accelerators whose metric is named somewhere; the others' names would be a guess."""


def regions(accelerator: str, use: Use) -> tuple[str, ...]:
    """The regions that have an accelerator for a use."""
    return tuple(name for name, offer in REGIONS.items() if accelerator in _offered(offer, use))


def _offered(offer: Offer, use: Use) -> frozenset[str]:
    names = f"{offer.both} {offer.training if use == 'training' else offer.serving}".split()
    return frozenset(SHORT[name] for name in names)
