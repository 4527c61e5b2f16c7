"""A training on two replicas in one process: `python -m tests.unit.trainer.two_replicas MOUNT`.

A process of its own, since TensorFlow takes a division of its CPU only before it has looked at it.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import tensorflow as tf
import tf_keras

from tests.unit.trainer import orders
from trainer.fit import Folders, compiled, fit
from trainer.preparation import prepare
from trainer.setup import Compute, Policy
from trainer.strategy import make
from trainer.task import Task, parse, save

EPOCHS = 3
POLICIES: tuple[Policy, ...] = ("float32", "mixed_float16")


def train(task: Task, compute: Compute, folder: Path) -> None:
    """Trains as the job does, and leaves the model and what can be said of it."""
    folder.mkdir()
    strategy = make("mirrored")
    tf_keras.utils.set_random_seed(task.training.seed)
    ready = prepare(task.dataset, task.signature, task.training, folder / "scratch")
    with strategy.scope():
        sizes = (ready.encoder.layout.numbers, ready.encoder.cardinalities)
        network = compiled(task.training, ready.weights, sizes, positives=0.3, compute=compute)
    folders = Folders(checkpoints=folder / "checkpoints", logs=folder / "logs")
    fitted = fit(ready.splits, task.training, network=network, strategy=strategy, folders=folders)
    save(replace(task, model=folder / "model"), ready, fitted)
    told = {"replicas": strategy.num_replicas_in_sync, "loss": list(fitted.history["loss"])}
    (folder / "told.json").write_text(json.dumps(told), encoding="utf-8")


def main() -> None:
    """Divides the CPU, then trains once in each precision."""
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    mount = Path(sys.argv[1])
    task = parse(orders.arguments(orders.training(epochs=EPOCHS)), orders.environment(mount))
    for policy in POLICIES:
        train(task, Compute(policy=policy), mount / policy)


if __name__ == "__main__":
    main()
