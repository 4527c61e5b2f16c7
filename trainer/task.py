"""The training job: arguments to a dataclass, rows to a model.

Vertex AI says in `AIP_MODEL_DIR`, `AIP_CHECKPOINT_DIR` and `AIP_TENSORBOARD_LOG_DIR` where to leave things, as gs://
URIs; TensorFlow is given the same places under the mount of Cloud Storage.
"""

import argparse
import json
import logging
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tf_keras

from plumbline.background import USED, read_background, write_background
from plumbline.balancing import shift
from plumbline.errors import ModelError
from plumbline.mount import local_path
from plumbline.problem import Training
from plumbline.search_space import with_parameters
from plumbline.section import from_json, to_json
from plumbline.signature import Signature, write_signature
from plumbline.training import History
from plumbline.tuning import TUNABLE
from trainer.fit import Fitted, Folders, compiled, fit
from trainer.model import export
from trainer.preparation import Prepared, prepare
from trainer.reporting import is_trial, tuner
from trainer.setup import Setup, set_up, warnings
from trainer.strategy import choose, find_devices, is_chief, make, wait_for_all

log = logging.getLogger("trainer")


@dataclass(frozen=True, slots=True)
class Task:
    """What to train, and where to leave it. All paths are under the mount."""

    dataset: Path
    signature: Signature
    training: Training
    model: Path
    history: Path
    folders: Folders


def parse(arguments: Sequence[str], environ: Mapping[str, str]) -> Task:
    """The task that the arguments and Vertex AI's environment describe.

    Raises:
        ModelError: The environment does not say where to leave something.
    """
    parser = argparse.ArgumentParser(prog="python -m trainer.task", description=__doc__)
    parser.add_argument("--dataset", required=True, help="gs:// URI of the dataset")
    parser.add_argument("--history", required=True, help="gs:// URI for the training history")
    parser.add_argument("--signature", required=True, help="JSON of a Signature")
    parser.add_argument("--training", required=True, help="JSON of the training section")
    for name in TUNABLE:
        parser.add_argument(f"--{name}", type=float, help="in place of the training section's: of a trial of a search")
    given = parser.parse_args(arguments)
    mount = Path(environ.get("GCS_MOUNT", "/gcs"))
    chosen = {name: value for name in TUNABLE if (value := getattr(given, name)) is not None}
    return Task(
        dataset=local_path(given.dataset, mount),
        signature=from_json(Signature, given.signature),
        training=with_parameters(from_json(Training, given.training), chosen),
        model=_place("AIP_MODEL_DIR", environ, mount),
        history=local_path(given.history, mount),
        folders=Folders(
            checkpoints=_place("AIP_CHECKPOINT_DIR", environ, mount),
            logs=_place("AIP_TENSORBOARD_LOG_DIR", environ, mount),
        ),
    )


def _place(variable: str, environ: Mapping[str, str], mount: Path) -> Path:
    if not environ.get(variable):
        raise ModelError(f"{variable} is not set: Vertex AI sets it for a job with a base output directory")
    return local_path(environ[variable], mount)


def run(task: Task, environ: Mapping[str, str]) -> None:
    """Trains and leaves model, signature and history; only the chief of a cluster writes them."""
    start = time.monotonic()
    devices = find_devices(environ, tpu=task.training.hardware.is_tpu)
    name = choose(task.training.hardware, devices)
    strategy = make(name)
    setup = set_up(task.training, devices, strategy=name, replicas=strategy.num_replicas_in_sync)
    log.info("%s", setup)
    for warning in warnings(task.training, setup):
        log.warning("%s", warning)
    tf_keras.utils.set_random_seed(task.training.seed)
    with tempfile.TemporaryDirectory(prefix="plumbline-", dir=environ.get("TMPDIR")) as scratch:
        ready = prepare(task.dataset, task.signature, task.training, Path(scratch))
        with strategy.scope():
            sizes = (ready.encoder.layout.numbers, ready.encoder.cardinalities)
            network = compiled(task.training, ready.weights, sizes, positives=ready.positives, compute=setup.compute)
        told = tuner(environ)
        fitted = fit(ready.splits, task.training, network=network, strategy=strategy, folders=task.folders, tuner=told)
    if is_chief(strategy) and not is_trial(environ):
        save(task, ready, fitted)
        task.history.parent.mkdir(parents=True, exist_ok=True)
        seconds = time.monotonic() - start
        history = describe(fitted, ready, setup, seconds=seconds)
        task.history.write_text(to_json(history), encoding="utf-8")
    wait_for_all(strategy)


def save(task: Task, ready: Prepared, fitted: Fitted) -> None:
    """The model's directory."""
    task.model.mkdir(parents=True, exist_ok=True)
    moved = shift(ready.balance, task.training.imbalance)
    features = task.signature.features
    write_background(task.model, task.dataset, features)
    usual = read_background(task.model, features, rows=USED)
    export(ready.encoder, fitted.network, features, str(task.model), shift=moved, background=usual)
    write_signature(task.model, task.signature)


def describe(fitted: Fitted, ready: Prepared, setup: Setup, *, seconds: float) -> History:
    """The history of a training."""
    epochs = {name: tuple(values) for name, values in fitted.history.items()}
    return History(
        strategy=setup.strategy,
        devices=setup.found,
        replicas=setup.replicas,
        precision=setup.compute.policy,
        xla=setup.is_compiled,
        rows=ready.splits.train.count,
        seconds=seconds,
        examples_per_second=fitted.examples_per_second,
        waited=fitted.waited,
        weights=ready.weights,
        balance=ready.balance,
        epochs=epochs,
    )


def main() -> None:
    """Runs the job that the command line and the environment describe."""
    import sys  # noqa: PLC0415 - only the entry point looks at the command line

    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(name)s %(message)s")
    log.info("environment: %s", json.dumps({k: v for k, v in sorted(os.environ.items()) if k.startswith("AIP_")}))
    run(parse(sys.argv[1:], os.environ), os.environ)


if __name__ == "__main__":
    main()
