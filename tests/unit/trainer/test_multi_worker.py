"""Two processes train one model together: the same job, told of each other by TF_CONFIG as Vertex AI does it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from emulator.aiplatform.ports import free_ports
from plumbline.adapters.savedmodel import load
from plumbline.features import from_table
from plumbline.section import from_json
from plumbline.training import History
from tests.unit.trainer import orders

EPOCHS = 2
_TIMEOUT_S = 180.0
_ROLES = ("chief", "worker")


@pytest.fixture(scope="module")
def mount(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mount of a job whose two replicas have ended well; each has a log of its own beside the bucket."""
    mount = tmp_path_factory.mktemp("multi_worker")
    orders.write_dataset(mount / "bucket" / "dataset")
    addresses = [f"127.0.0.1:{port}" for port in free_ports(len(_ROLES))]
    cluster = {role: [address] for role, address in zip(_ROLES, addresses, strict=True)}
    replicas = [start(mount, role, cluster) for role in _ROLES]
    try:
        codes = [replica.wait(_TIMEOUT_S) for replica in replicas]
    finally:
        for replica in replicas:
            replica.kill()
            replica.wait()
    assert codes == [0, 0], "\n".join((mount / f"{role}.log").read_text(encoding="utf-8") for role in _ROLES)
    return mount


def start(mount: Path, role: str, cluster: Mapping[str, list[str]]) -> subprocess.Popen[bytes]:
    """A replica of the job."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    own = {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": role, "index": 0}})}
    command = [sys.executable, "-m", "trainer.task", *orders.arguments(orders.training(epochs=EPOCHS, replicas=2))]
    with (mount / f"{role}.log").open("wb") as log:
        environ = {**inherited, **orders.environment(mount), **own}
        return subprocess.Popen(command, env=environ, stdout=log, stderr=subprocess.STDOUT)


def test_two_processes_train_together(mount: Path) -> None:
    """Both see two replicas in step, and report the same loss of each epoch."""
    losses = []
    for role in _ROLES:
        log = (mount / f"{role}.log").read_text(encoding="utf-8")
        assert (
            "found CPU alone on each of 2 workers; strategy multi_worker, 2 replicas in sync, float32, XLA off" in log
        )
        losses.append(re.findall(r"epoch \d of \d: loss ([\d.]+), auc_pr", log))
    assert losses[0] == losses[1]
    assert len(losses[0]) == EPOCHS


def test_the_chief_alone_writes(mount: Path) -> None:
    """One model, one history, one checkpoint, logs of one process; no leftovers of the worker."""
    job = mount / "bucket" / "job"
    assert sorted(path.name for path in job.iterdir()) == ["checkpoints", "history.json", "logs", "model"]
    assert [path.name for path in (job / "checkpoints").iterdir()] == ["progress.npz"]
    assert sorted(path.name for path in (job / "logs").iterdir()) == ["train", "validation"]
    history = from_json(History, (job / "history.json").read_text(encoding="utf-8"))
    assert (history.strategy, history.replicas, len(history.epochs["loss"])) == ("multi_worker", 2, EPOCHS)
    assert history.devices == "CPU alone on each of 2 workers"


def test_the_model_loads_and_scores(mount: Path) -> None:
    """It is a model as any other: raw rows in, one probability a row, no worker needed."""
    rows = pq.read_table(mount / "bucket" / "dataset" / "validation.parquet")
    scores = load(mount / "bucket" / "job" / "model").score(from_table(rows, orders.SIGNATURE.features))
    assert ((scores > 0) & (scores < 1)).all()
    positive = orders.returned(rows)
    assert scores[positive].mean() > scores[~positive].mean() + np.float64(0.05)
