"""How a training computes: decided from what the config asks and what was found, said in one line, and kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from plumbline.problem import Training
from trainer.strategy import Devices

Policy: TypeAlias = Literal["float32", "mixed_float16", "mixed_bfloat16"]
"""Keras's names: what a layer computes in; its weights are float32 in all of them."""


@dataclass(frozen=True, slots=True)
class Compute:
    """How the network computes."""

    policy: Policy = "float32"
    jit: bool = False
    """Compile the step with XLA."""


PLAIN = Compute()


@dataclass(frozen=True, slots=True)
class Setup:
    """What a training runs on, and how."""

    devices: Devices
    strategy: str
    replicas: int
    """In sync: they compute each step together."""
    compute: Compute

    @property
    def found(self) -> str:
        """The devices, such as `4 GPU` or `1 GPU on each of 4 workers`."""
        devices = self.devices
        here = f"{devices.tpus} TPU" if devices.tpus else f"{devices.gpus} GPU" if devices.gpus else "CPU alone"
        return here if devices.workers == 1 else f"{here} on each of {devices.workers} workers"

    @property
    def is_compiled(self) -> bool:
        """Whether XLA compiles the step: what runs on a TPU is always compiled."""
        return self.compute.jit or self.strategy == "tpu"

    def __str__(self) -> str:
        xla = "on" if self.is_compiled else "off"
        replicas = f"{self.replicas} replicas in sync"
        return f"found {self.found}; strategy {self.strategy}, {replicas}, {self.compute.policy}, XLA {xla}"


def set_up(training: Training, devices: Devices, *, strategy: str, replicas: int) -> Setup:
    """What the config's options come to on these devices."""
    policy: Policy = "float32"
    if training.mixed_precision and devices.tpus:
        policy = "mixed_bfloat16"
    elif training.mixed_precision and devices.gpus:
        policy = "mixed_float16"
    # A TPU's strategy compiles as it is. With several replicas TensorFlow refuses the second one's variables: "Trying
    # to access resource ... located in device CPU:1 from device CPU:0".
    compute = Compute(policy=policy, jit=training.xla and strategy == "one_device")
    return Setup(devices, strategy, replicas, compute)


def warnings(training: Training, setup: Setup) -> Iterator[str]:
    """Options that do not do what one would hope for on these devices."""
    if training.mixed_precision and setup.compute.policy == "float32":
        yield "mixed_precision is left off: there is no GPU or TPU, and a CPU computes in 16 bits only slower"
    if training.xla and not setup.is_compiled:
        yield f"xla is left off: TensorFlow compiles no step that several replicas share, here by {setup.strategy}"
    if setup.compute.jit and not setup.devices.gpus:
        yield "xla is on without a GPU: on a CPU training was measured at less than half the speed, leave it off"
