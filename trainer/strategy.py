"""One distribution strategy, chosen from what the config asks and what the machine has."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import tensorflow as tf

from plumbline.errors import ModelError
from plumbline.hardware import Hardware


@dataclass(frozen=True, slots=True)
class Devices:
    """What this process has to compute on."""

    gpus: int
    tpus: int
    workers: int
    """Of the cluster, 1 where there is none."""


_TPU_VARIABLES = ("TPU_NODE_NAME", "TPU_CONFIG", "TPU_NAME", "TF_PLUGGABLE_DEVICE_LIBRARY_PATH")
"""Vertex AI sets the first two on a TPU VM, other services the third, our job for a TPU v5e the last.

Source: Vertex AI, "Training with TPU accelerators", Environment variables.
"""


def find_devices(environ: Mapping[str, str], *, tpu: bool = False) -> Devices:
    """The devices of this process. `TF_CONFIG` describes the cluster; Vertex AI sets it for more than one replica.

    Args:
        environ: The variables of the process.
        tpu: Look for a TPU in any case, also where no variable tells of one.
    """
    cluster = json.loads(environ.get("TF_CONFIG") or "{}").get("cluster", {})
    workers = sum(len(cluster.get(role, ())) for role in ("chief", "worker"))
    tpus = _tpu_cores() if tpu or any(environ.get(name) for name in _TPU_VARIABLES) else 0
    return Devices(gpus=len(tf.config.list_physical_devices("GPU")), tpus=tpus, workers=max(1, workers))


def _tpu_cores() -> int:
    """How many cores of this VM's TPU TensorFlow can use. It shows none before the TPU system is initialised."""
    try:
        tf.distribute.cluster_resolver.TPUClusterResolver.connect(tpu="local")
    except tf.errors.OpError:
        return 0
    return len(tf.config.list_logical_devices("TPU"))


def choose(hardware: Hardware, devices: Devices) -> str:
    """The strategy's name: one_device, mirrored, multi_worker or tpu.

    Raises:
        ModelError: The config asks for an accelerator or for workers that are not there, or for a strategy that does
            not bring its workers together.
    """
    if hardware.accelerator_type.startswith("NVIDIA") and devices.gpus < hardware.accelerator_count:
        raise ModelError(
            f"the config asks for {hardware.accelerator_count} x {hardware.accelerator_type}, TensorFlow finds "
            f"{devices.gpus} GPU: check the driver and that the image has TensorFlow for GPU"
        )
    if hardware.is_tpu and not devices.tpus:
        raise ModelError(
            f"the config asks for {hardware.accelerator_type or hardware.machine_type}, TensorFlow finds no TPU: the "
            "image needs a TPU build of TensorFlow and libtpu, see docs/hardware.md"
        )
    if hardware.replicas > devices.workers:
        raise ModelError(
            f"the config asks for {hardware.replicas} replicas, TF_CONFIG names {devices.workers}: each would train "
            "on its own and write over the others"
        )
    if devices.workers > 1 and hardware.strategy not in {"auto", "multi_worker"}:
        raise ModelError(f"{devices.workers} replicas need the strategy multi_worker, got {hardware.strategy}")
    if hardware.strategy != "auto":
        return hardware.strategy
    if devices.workers > 1:
        return "multi_worker"
    if devices.tpus:
        return "tpu"
    return "mirrored" if devices.gpus > 1 else "one_device"


def make(name: str) -> tf.distribute.Strategy:
    """The strategy of that name. A multi-worker one waits for the other workers; for a TPU, find_devices came first."""
    match name:
        case "multi_worker":
            return tf.distribute.MultiWorkerMirroredStrategy()
        case "mirrored":
            return tf.distribute.MirroredStrategy()
        case "tpu":
            return tf.distribute.TPUStrategy(tf.distribute.cluster_resolver.TPUClusterResolver(tpu="local"))
        case _:
            return tf.distribute.get_strategy()


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is the one that writes the model."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    alone = "chief" not in resolver.cluster_spec().as_dict()
    return resolver.task_type == "chief" or (alone and resolver.task_type == "worker" and resolver.task_id == 0)


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Returns once every worker has come here: one that ended early would take the others down with it."""
    here = strategy.run(tf.function(lambda: tf.ones([])))
    strategy.reduce(tf.distribute.ReduceOp.SUM, here, axis=None)
