"""What a training job runs on: presets by name, and a free specification.

What is refused here contradicts itself. Whether there are such machines, and where, `plumbline/machines.py` says:
Google's catalogue changes, and a config must not.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic_core import ArgsKwargs, CoreSchema

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
_TPU_MACHINES = ("cloud-tpu", "ct5lp-", "ct6e-", "tpu7x-")
_LONGEST_FLEX_START_S = 7 * 86_400
"""Source: Vertex AI, "Schedule training jobs based on resource availability"."""


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
    """How long a job may wait for machines, with scheduling flex_start."""
    timeout_s: Count = 7200
    """The job is ended, and fails, after that long."""
    restart: bool = True
    """The job starts anew, from its last checkpoint, when a worker is restarted or Google's side fails."""
    reservation: Annotated[str, Field(pattern=r"^(projects/[^/\s]+/zones/[^/\s]+/reservations/[^/\s]+)?$")] = ""
    """A Compute Engine reservation whose machines are used."""
    disk_gb: Annotated[int, Field(ge=100, le=64_000, strict=True)] = 100

    @property
    def is_tpu(self) -> bool:
        """Whether a TPU is asked for, by accelerator or by machine type."""
        return self.accelerator_type.startswith("TPU") or self.machine_type.startswith(_TPU_MACHINES)

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
    def _consistent(self) -> "Hardware":
        if bool(self.accelerator_type) != bool(self.accelerator_count):
            raise ValueError("accelerator_type and accelerator_count belong together")
        if self.reservation and self.scheduling != "standard":
            raise ValueError(f"a reservation is used with scheduling: standard, got {self.scheduling}")
        if self.scheduling == "flex_start" and self.timeout_s > _LONGEST_FLEX_START_S:
            raise ValueError(f"timeout_s must be <= {_LONGEST_FLEX_START_S} with flex_start, got {self.timeout_s}")
        if self.replicas > 1 and self.strategy not in {"auto", "multi_worker"}:
            raise ValueError(f"{self.replicas} replicas need the strategy multi_worker, got {self.strategy}")
        if self.strategy == "tpu" and not self.is_tpu:
            raise ValueError(f"the strategy tpu needs a TPU, got {self.machine_type}")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, object]:
        """The schema of the settings, or the name of a preset."""
        return {"anyOf": [{"enum": list(get_args(Preset)), "type": "string"}, handler(core)]}
