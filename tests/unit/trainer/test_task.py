"""The training job: from rows with every type of column to a model that takes them raw."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
import tf_keras

from plumbline.adapters.savedmodel import Scorer, load
from plumbline.errors import DataError, ModelError
from plumbline.features import from_instances, from_table, to_instances
from plumbline.section import from_json
from plumbline.training import History
from tests.unit.trainer import orders
from trainer.fit import compiled
from trainer.preparation import Prepared, prepare
from trainer.progress import Progress
from trainer.task import Task, parse, run

EPOCHS = 6
_START_S = 120.0


def train(mount: Path, *, mixed: bool = False, epochs: int = EPOCHS) -> Task:
    """Runs the job under a mount."""
    orders.write_dataset(mount / "bucket" / "dataset", mixed=mixed)
    task = task_of(mount, epochs)
    run(task, {})
    return task


def task_of(mount: Path, epochs: int = EPOCHS) -> Task:
    """The job's task under a mount."""
    return parse(orders.arguments(orders.training(epochs=epochs)), orders.environment(mount))


def history_of(task: Task) -> History:
    """What the job left of its course."""
    return from_json(History, task.history.read_text(encoding="utf-8"))


def prepared(task: Task) -> Prepared:
    """What the job has before it fits; these rows fit into memory."""
    return prepare(task.dataset, task.signature, task.training, task.model / "scratch")


def new_network(task: Task, ready: Prepared) -> tf_keras.Model:
    """A network as the job starts with."""
    sizes = (ready.encoder.layout.numbers, ready.encoder.cardinalities)
    return compiled(task.training, ready.weights, sizes, positives=0.5)


def auc(scores: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_]) -> float:
    """The share of pairs of a positive and a negative row that are in order, counted pair by pair."""
    pairs = scores[positive][:, None] - scores[~positive][None, :]
    return float((np.sign(pairs) / 2 + 0.5).mean())


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    """A job that has run."""
    return train(tmp_path_factory.mktemp("task"))


@pytest.fixture(scope="module")
def scorer(task: Task) -> Scorer:
    """Its model, as serving loads it."""
    return load(task.model)


def validation_scores(task: Task, scorer: Scorer) -> npt.NDArray[np.float64]:
    """The model's scores of the raw validation rows."""
    return scorer.score(from_table(pq.read_table(task.dataset / "validation.parquet"), orders.SIGNATURE.features))


def test_the_exported_model_is_the_trained_one(task: Task, scorer: Scorer) -> None:
    """Raw rows through the SavedModel and encoded rows through the best epoch's network give the same scores."""
    ready = prepared(task)
    network = new_network(task, ready)
    kept = Progress(None, watched="val_auc_pr", patience=1)
    kept.restore(task.folders.checkpoints, network)
    network.set_weights(kept.best)
    wanted = network(orders.inputs(ready.splits.validation)).numpy()[:, 0]
    np.testing.assert_allclose(validation_scores(task, scorer), wanted, atol=1e-6)


def test_the_model_has_learnt(task: Task, scorer: Scorer) -> None:
    """It ranks rows that it has not seen; the rows' own probabilities would reach about 0.9."""
    positive = orders.returned(pq.read_table(task.dataset / "validation.parquet"))
    assert auc(validation_scores(task, scorer), positive) > 0.8


def test_rows_as_requests_get_the_same_scores(task: Task, scorer: Scorer) -> None:
    """A row's score is the same from the table and from JSON, NULLs included, alone or among others."""
    features = orders.SIGNATURE.features
    rows = pq.read_table(task.dataset / "validation.parquet").slice(0, 40)
    instances = to_instances(rows, features)
    assert any(len(instance) < 5 for instance in instances)
    from_rows = scorer.score(from_table(rows, features))
    alone = [scorer.score(from_instances([instance], features))[0] for instance in instances]
    np.testing.assert_allclose(alone, from_rows, atol=1e-6)


def test_what_was_never_seen_gets_a_score(scorer: Scorer) -> None:
    """Nothing at all, an unknown shop and department, an absurd price, a time before 1970."""
    instances: list[dict[str, object]] = [
        {},
        {"shop": "moon", "department": 99},
        {"price": 1e30},
        {"ordered_at": "1815-06-18T11:35:00"},
    ]
    scores = scorer.score(from_instances(instances, orders.SIGNATURE.features))
    assert ((scores > 0) & (scores < 1)).all()


def test_the_history_tells_how_it_went(task: Task) -> None:
    """Strategy, rows, the class weights by hand, and a value of each metric an epoch."""
    history = history_of(task)
    positives = int(orders.returned(pq.read_table(task.dataset / "train.parquet")).sum())
    rows = orders.ROWS["train"]
    assert (history.strategy, history.rows) == ("one_device", rows)
    assert (history.devices, history.replicas, history.precision, history.xla) == ("CPU alone", 1, "float32", False)
    assert history.weights.positive == pytest.approx(rows / 2 / positives)
    assert history.weights.negative == pytest.approx(rows / 2 / (rows - positives))
    assert set(history.epochs) == {"loss", "auc_pr", "val_loss", "val_auc_pr"}
    assert {len(values) for values in history.epochs.values()} == {EPOCHS}
    assert history.examples_per_second > 0


def test_the_job_leaves_tensorboard_logs(task: Task) -> None:
    """Where Vertex AI's TensorBoard looks for them."""
    assert list(task.folders.logs.rglob("events.out.tfevents.*"))


def test_the_same_seed_gives_the_same_scores(task: Task, scorer: Scorer, tmp_path: Path) -> None:
    """Two jobs on the same rows agree to 1e-4, row by row."""
    again = train(tmp_path)
    assert np.abs(validation_scores(again, load(again.model)) - validation_scores(task, scorer)).max() < 1e-4


def test_from_mixed_labels_nothing_is_learnt(tmp_path: Path) -> None:
    """A model of shuffled labels ranks no better than chance: the encoder gives no label away."""
    mixed = train(tmp_path, mixed=True)
    positive = orders.returned(pq.read_table(mixed.dataset / "validation.parquet"))
    # About 120 positives of 400 rows: a standard deviation of 0.03.
    assert auc(validation_scores(mixed, load(mixed.model)), positive) == pytest.approx(0.5, abs=0.12)


def sorted_by_price(folder: Path) -> None:
    """Puts splits into a folder whose rows come with the cheapest first: neighbours are as alike as can be."""
    folder.mkdir(parents=True)
    for seed, (split, count) in enumerate({"train": 16_000, "validation": 4_000}.items()):
        pq.write_table(orders.table(count, seed).sort_by("price"), folder / f"{split}.parquet")


def test_rows_on_the_disk_give_as_good_a_model(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With memory for a fifth of sorted rows, the model is as good as with memory for all; no file stays."""
    found: dict[float, float] = {}
    for memory in (4.0, 0.2e-3):
        mount = tmp_path / str(memory)
        sorted_by_price(mount / "bucket" / "dataset")
        task = parse(orders.arguments(orders.training(epochs=2, memory_gb=memory)), orders.environment(mount))
        caplog.clear()
        with caplog.at_level("INFO", logger="trainer"):
            run(task, {"TMPDIR": str(tmp_path)})
        assert ("kept on the disk" in caplog.text) is (memory < 1)
        found[memory] = history_of(task).epochs["val_auc_pr"][-1]
    # 1,200 of 4,000 validation rows are positive, and the two areas are of the same rows.
    assert found[0.2e-3] == pytest.approx(found[4.0], abs=0.01)
    assert found[4.0] > 0.7
    assert not list(tmp_path.glob("plumbline-*"))


@pytest.fixture
def interrupted(tmp_path: Path) -> Path:
    """The mount of a job, a process of its own, that was killed after some epochs."""
    orders.write_dataset(tmp_path / "bucket" / "dataset")
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "trainer.task", *orders.arguments(orders.training(epochs=10_000))]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env={**environ, **orders.environment(tmp_path)}, stdout=log, stderr=subprocess.STDOUT
        )
    deadline = time.monotonic() + _START_S
    while not (tmp_path / "bucket/job/checkpoints/progress.npz").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail((tmp_path / "log").read_text(encoding="utf-8"))
        time.sleep(0.01)
    time.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return tmp_path


def test_a_killed_job_goes_on(interrupted: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It runs the epochs that are left, none twice, and its history tells of all."""
    kept = Progress(None, watched="val_auc_pr", patience=1)
    before = task_of(interrupted)
    kept.restore(before.folders.checkpoints, new_network(before, prepared(before)))
    assert kept.epochs > 0
    after = task_of(interrupted, kept.epochs + 2)
    with caplog.at_level("INFO", logger="trainer"):
        run(after, {})
    ran = [record.getMessage().partition(":")[0] for record in caplog.records if "epoch" in record.getMessage()]
    total = kept.epochs + 2
    assert ran == [f"epoch {total - 1} of {total}", f"epoch {total} of {total}"]
    epochs = history_of(after).epochs
    assert {name: values[: kept.epochs] for name, values in epochs.items()} == kept.history
    assert {len(values) for values in epochs.values()} == {total}


def test_a_job_that_had_finished_leaves_its_model_again(task: Task, caplog: pytest.LogCaptureFixture) -> None:
    """One that is started once more, after its last epoch, trains no more and gives the same model."""
    epochs, scores = history_of(task).epochs, validation_scores(task, load(task.model))
    with caplog.at_level("INFO", logger="trainer"):
        run(task, {})
    assert not [record for record in caplog.records if "epoch" in record.getMessage()]
    assert history_of(task).epochs == epochs
    np.testing.assert_array_equal(validation_scores(task, load(task.model)), scores)


def test_one_class_is_refused(tmp_path: Path) -> None:
    """Without a positive row there is nothing to learn, and the message says which class is not there."""
    orders.write_dataset(tmp_path / "bucket" / "dataset")
    path = tmp_path / "bucket" / "dataset" / "train.parquet"
    rows = pq.read_table(path)
    pq.write_table(rows.filter(~orders.returned(rows)), path)
    with pytest.raises(DataError, match="the training split has no positive row"):
        run(task_of(tmp_path), {})


def test_a_job_that_does_not_know_where_to_leave_its_model_is_refused(tmp_path: Path) -> None:
    """The message names the variable and who sets it."""
    environ = {name: value for name, value in orders.environment(tmp_path).items() if name != "AIP_MODEL_DIR"}
    with pytest.raises(ModelError, match="AIP_MODEL_DIR is not set: Vertex AI sets it"):
        parse(orders.arguments(orders.training()), environ)
