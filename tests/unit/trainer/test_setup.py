"""How a training computes: what the options come to on each kind of device, in which words, with which warnings."""

import pytest

from plumbline.problem import Training
from trainer.setup import Compute, Setup, set_up, warnings
from trainer.strategy import Devices

CPU = Devices(gpus=0, tpus=0, workers=1)
ONE_GPU = Devices(gpus=1, tpus=0, workers=1)
GPUS = Devices(gpus=4, tpus=0, workers=1)
TPU = Devices(gpus=0, tpus=8, workers=1)


@pytest.mark.parametrize(
    ("devices", "strategy", "replicas", "mixed", "xla", "wanted"),
    [
        (
            CPU,
            "one_device",
            1,
            False,
            False,
            "found CPU alone; strategy one_device, 1 replicas in sync, float32, XLA off",
        ),
        (
            GPUS,
            "mirrored",
            4,
            True,
            False,
            "found 4 GPU; strategy mirrored, 4 replicas in sync, mixed_float16, XLA off",
        ),
        (
            ONE_GPU,
            "one_device",
            1,
            True,
            True,
            "found 1 GPU; strategy one_device, 1 replicas in sync, mixed_float16, XLA on",
        ),
        (TPU, "tpu", 8, True, False, "found 8 TPU; strategy tpu, 8 replicas in sync, mixed_bfloat16, XLA on"),
        (
            Devices(gpus=1, tpus=0, workers=4),
            "multi_worker",
            4,
            False,
            False,
            "found 1 GPU on each of 4 workers; strategy multi_worker, 4 replicas in sync, float32, XLA off",
        ),
    ],
)
def test_one_line_says_what_was_found_and_what_is_used(
    devices: Devices, strategy: str, replicas: int, mixed: bool, xla: bool, wanted: str
) -> None:
    """Devices, strategy, replicas, precision and XLA: float16 is for GPUs, bfloat16 for TPUs, which always compile."""
    training = Training(mixed_precision=mixed, xla=xla)
    assert str(set_up(training, devices, strategy=strategy, replicas=replicas)) == wanted


def test_a_cpu_computes_in_float32() -> None:
    """Mixed precision is left off there, and a warning says why."""
    training = Training(mixed_precision=True)
    setup = set_up(training, CPU, strategy="one_device", replicas=1)
    assert setup.compute == Compute(policy="float32", jit=False)
    (warning,) = warnings(training, setup)
    assert warning.startswith("mixed_precision is left off: there is no GPU or TPU")


def test_xla_on_a_cpu_is_warned_of() -> None:
    """It is done, since it was asked for, and slow."""
    training = Training(xla=True)
    setup = set_up(training, CPU, strategy="one_device", replicas=1)
    assert setup.compute == Compute(policy="float32", jit=True)
    (warning,) = warnings(training, setup)
    assert "less than half the speed, leave it off" in warning


def test_a_tpu_is_not_told_to_compile() -> None:
    """Its strategy compiles as it is."""
    setup = set_up(Training(xla=True), TPU, strategy="tpu", replicas=8)
    assert (setup.compute.jit, setup.is_compiled) == (False, True)


def test_several_replicas_are_not_compiled() -> None:
    """TensorFlow refuses that, so the option is left off, and a warning says so."""
    training = Training(xla=True)
    setup = set_up(training, GPUS, strategy="mirrored", replicas=4)
    assert not setup.is_compiled
    (warning,) = warnings(training, setup)
    assert warning == "xla is left off: TensorFlow compiles no step that several replicas share, here by mirrored"


@pytest.mark.parametrize("devices", [ONE_GPU, TPU])
def test_an_accelerator_has_nothing_to_be_warned_of(devices: Devices) -> None:
    """Both options do there what they are for."""
    training = Training(mixed_precision=True, xla=True)
    strategy = "tpu" if devices.tpus else "one_device"
    assert list(warnings(training, set_up(training, devices, strategy=strategy, replicas=4))) == []


def test_a_plain_training_has_nothing_to_be_warned_of() -> None:
    """Without the options there is no warning on a CPU."""
    setup = Setup(CPU, "one_device", 1, Compute())
    assert list(warnings(Training(), setup)) == []
