"""The training job as Vertex AI is asked for it, and what it tells of itself."""

from collections.abc import Mapping, Sequence

from plumbline.hardware import Hardware
from plumbline.imbalance import Balance
from plumbline.problem import Data, Training
from plumbline.section import section, to_json
from plumbline.signature import Signature
from plumbline.weighting import Weights

COMMAND = ("python", "-m", "trainer.task")
ENVIRONMENT: Mapping[str, str] = {"TF_USE_LEGACY_KERAS": "1"}
"""Of the training container: without it, importing TensorFlow imports Keras 3, which takes seconds and is not used."""
_V5E_ENVIRONMENT: Mapping[str, str] = {
    "NEXT_PLUGGABLE_DEVICE_USE_C_API": "true",
    "TF_PLUGGABLE_DEVICE_LIBRARY_PATH": "/lib/libtpu.so",
}
"""TensorFlow reaches a TPU v5e through PJRT only. Source: Vertex AI, "Training with TPU accelerators"."""


@section
class History:
    """How a training went."""

    strategy: str
    devices: str = ""
    """What was found and used, such as `4 GPU`."""
    replicas: int = 1
    """How many computed each step together."""
    precision: str = "float32"
    """Or mixed_float16, mixed_bfloat16."""
    xla: bool = False
    rows: int
    seconds: float
    """Of the whole job's work: reading, encoding, fitting, exporting."""
    examples_per_second: float
    """While fitting."""
    waited: float | None = None
    """Share of the steps' time in which the devices waited for rows; None where that was not measured."""
    weights: Weights
    balance: Balance | None = None
    epochs: Mapping[str, tuple[float, ...]]
    """Loss and metrics by name, one value an epoch."""


def balanced(history: History) -> str:
    """How the rare class was made to count, in words."""
    found, weights = history.balance, history.weights
    if found is None or found.method == "none":
        return "as they come, without weights"
    if found.method == "class_weight":
        return f"weighted {weights.negative:.3g} (negative) and {weights.positive:.3g} (positive)"
    how = {"oversample": "positive rows repeated", "undersample": "negative rows left out", "smote": "SMOTE"}
    before, after = 100 * found.prevalence, 100 * found.trained
    return f"{how[found.method]}, so that {after:.3g} % of the rows are positive in place of {before:.3g} %"


def arguments(name: str, data: Data, training: Training, *, dataset: str, history: str) -> Sequence[str]:
    """The command line of `trainer.task`. `dataset` and `history` are gs:// URIs."""
    signature = Signature(name=name, features=data.features, label=data.label)
    return (
        f"--dataset={dataset}",
        f"--history={history}",
        f"--signature={to_json(signature)}",
        f"--training={to_json(training)}",
    )


def replicas(hardware: Hardware) -> Sequence[int]:
    """Replicas of each worker pool: the chief, and the workers where there are any."""
    return (1,) if hardware.replicas == 1 else (1, hardware.replicas - 1)


def environment(hardware: Hardware) -> Mapping[str, str]:
    """Variables that the training container needs because of what it runs on."""
    return _V5E_ENVIRONMENT if hardware.machine_type.startswith("ct5lp-") else {}
