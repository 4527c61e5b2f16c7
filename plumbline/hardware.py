"""What a training job runs on: presets by name, and a free specification."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import ArgsKwargs

from plumbline.section import Count, Text, section

Preset = Literal["cpu", "gpu", "gpu-many", "multi-worker", "tpu"]
PRESETS: Mapping[str, Mapping[str, object]] = {
    "cpu": {"machine_type": "n1-standard-8"},
    "gpu": {"machine_type": "n1-standard-8", "accelerator_type": "NVIDIA_TESLA_T4", "accelerator_count": 1},
    "gpu-many": {"machine_type": "n1-standard-16", "accelerator_type": "NVIDIA_TESLA_T4", "accelerator_count": 4},
    "multi-worker": {
        "machine_type": "n1-standard-8",
        "accelerator_type": "NVIDIA_TESLA_T4",
        "accelerator_count": 1,
        "replicas": 4,
    },
    "tpu": {"machine_type": "cloud-tpu", "accelerator_type": "TPU_V3", "accelerator_count": 8},
}
"""T4, since more regions train on it than on any other GPU."""


@section
class Hardware:
    """The machines of a training job. In a config also just the name of a preset: `hardware: gpu`."""

    preset: Preset = "cpu"
    """What the other settings start from; each that is given replaces the preset's."""
    machine_type: Text = "n1-standard-8"
    accelerator_type: str = ""
    accelerator_count: Annotated[int, Field(ge=0, strict=True)] = 0
    """On each replica."""
    tpu_topology: Annotated[str, Field(pattern=r"^(\d+x\d+(x\d+)?)?$")] = ""
    """Of a TPU v5e, such as 2x2."""
    replicas: Count = 1
    """1 chief and replicas - 1 workers."""
    strategy: Literal["auto", "one_device", "mirrored", "multi_worker", "tpu"] = "auto"
    scheduling: Literal["standard", "spot", "flex_start"] = "standard"
    """spot: cheaper machines that can be taken away; flex_start: waits up to `wait_s` for scarce GPUs."""
    wait_s: Count = 86_400
    """How long a job may wait for machines, where it can wait."""
    timeout_s: Count = 7200
    """The job is ended, and fails, after that long."""
    restart: bool = True
    """The job starts anew, from its last checkpoint, when a worker is restarted."""
    reservation: Annotated[str, Field(pattern=r"^(projects/[^/\s]+/zones/[^/\s]+/reservations/[^/\s]+)?$")] = ""
    """A Compute Engine reservation whose machines are used."""
    disk_gb: Annotated[int, Field(ge=100, le=64_000, strict=True)] = 100

    @model_validator(mode="before")
    @classmethod
    def _start_from_preset(cls, given: object) -> object:
        values = {"preset": given} if isinstance(given, str) else given
        if isinstance(values, ArgsKwargs):
            values = values.kwargs or {}
        if not isinstance(values, Mapping):
            return values
        return {**PRESETS.get(str(values.get("preset", "cpu")), {}), **values}

    @model_validator(mode="after")
    def _paired(self) -> "Hardware":
        if bool(self.accelerator_type) != bool(self.accelerator_count):
            raise ValueError("accelerator_type and accelerator_count belong together")
        return self
