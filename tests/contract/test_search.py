"""A search by the product's own adapter: the real trainer in the emulator's trials, and what comes of it."""

import dataclasses
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from google.cloud import aiplatform_v1 as v1

from plumbline.adapters.clients import Clients
from plumbline.adapters.tuning_jobs import search
from plumbline.environment import Place
from plumbline.errors import ServiceError
from plumbline.problem import Data, Training
from plumbline.tuning import Parameter, Tunable, Tuning, TuningReport
from tests.contract import vertex as vx
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.vertex import fresh
from tests.unit.plumbline import data_case as case
from tests.unit.trainer import orders
from tests.waiting import soon

IMAGE = f"us-central1-docker.pkg.dev/p/r/trainer@sha256:{'0' * 64}"
DATA: Data = dataclasses.replace(
    case.data(), features=dict(orders.SIGNATURE.features), label=orders.SIGNATURE.label, attributes={}
)


@dataclasses.dataclass(frozen=True, slots=True)
class Searcher:
    """A bucket with a dataset, and a step that searches."""

    clients: Clients
    bucket: str

    def search(self, training: Training) -> tuple[Training, TuningReport]:
        """Searches."""
        uris = (f"gs://{self.bucket}/dataset", f"gs://{self.bucket}/runs/r1/tune/report")
        return search(self.clients, "orders", DATA, training, image=IMAGE, uris=uris)


@pytest.fixture
def place(emulator: Emulator) -> Searcher:
    """A place of its own."""
    bucket = fresh("search")
    made = Place(project=PROJECT, location=LOCATION, bucket=bucket, dataset="d", bigquery_location=LOCATION)
    orders.write_dataset(emulator.state / "gcs" / bucket / "dataset")
    return Searcher(Clients(made, emulator.environment), bucket)


def training(parameters: Mapping[Tunable, Parameter], *, trials: int = 2) -> Training:
    """A small training that is searched for."""
    tuning = Tuning(parameters=dict(parameters), trials=trials, parallel=2, algorithm="grid", epochs=3)
    return dataclasses.replace(orders.training(epochs=9), tuning=tuning)


def test_no_search_asks_nobody(place: Searcher) -> None:
    """The training comes back as it is."""
    plain = orders.training()
    assert place.search(plain) == (plain, TuningReport())


def test_the_training_goes_on_with_the_best_trial(place: Searcher, emulator: Emulator) -> None:
    """A learning rate that learns against one that does not; the rest of the section stays, and the search goes."""
    wanted = training({"learning_rate": Parameter(values=(1e-7, 0.02)), "width": Parameter(values=(12,))})
    tuned, found = place.search(wanted)
    assert tuned.learning_rate == 0.02
    assert tuned.network.hidden == (12,)
    assert (tuned.tuning, tuned.epochs, tuned.batch_size) == (None, 9, wanted.batch_size)
    best = next(trial for trial in found.trials if trial.number == found.best)
    assert best.epochs == 3
    # The other one may have been stopped once the best had ended.
    assert all(1 <= trial.epochs <= 3 for trial in found.trials)
    assert best.parameters == {"learning_rate": 0.02, "width": 12}
    assert best.auc_pr is not None
    assert best.auc_pr == max(trial.auc_pr or 0 for trial in found.trials)
    # Nobody wants the models of the trials.
    trials = emulator.state / "gcs" / place.bucket / "runs" / "r1" / "tune" / "trials"
    assert not list(Path(trials).rglob("saved_model.pb"))
    job = vx.connect(emulator).jobs.get_hyperparameter_tuning_job(name=found.job)
    assert job.labels["problem"] == "orders"
    assert job.labels["run"] == "r1"


def test_trials_that_all_fail_fail_the_step(place: Searcher, emulator: Emulator) -> None:
    """With the trainer's own words."""
    for path in (emulator.state / "gcs" / place.bucket / "dataset").iterdir():
        path.unlink()
    with pytest.raises(ServiceError, match=r"the search orders-tune failed: 2 of 2 trials have failed; the first: "):
        place.search(training({"dropout": Parameter(values=(0.1, 0.2))}))


def test_an_interrupted_search_is_cancelled(place: Searcher, emulator: Emulator) -> None:
    """Nobody would pay attention to it."""
    jobs, stop = vx.connect(emulator).jobs, threading.Event()

    def sleep(_: float) -> None:
        if any(job.display_name == "orders-tune" and len(job.trials) for job in running()):
            raise KeyboardInterrupt

    def running() -> list[v1.HyperparameterTuningJob]:
        listed = jobs.list_hyperparameter_tuning_jobs(parent=vx.PARENT)
        return [job for job in listed if job.state.name in {"JOB_STATE_RUNNING", "JOB_STATE_PENDING"}]

    uris = (f"gs://{place.bucket}/dataset", f"gs://{place.bucket}/runs/r2/tune/report")
    wanted = dataclasses.replace(training({"dropout": Parameter(values=(0.1, 0.2))}), epochs=4000)
    tuning = dataclasses.replace(wanted.tuning or Tuning(parameters={}), epochs=4000)
    with pytest.raises(KeyboardInterrupt):
        search(
            place.clients,
            "orders",
            DATA,
            dataclasses.replace(wanted, tuning=tuning),
            image=IMAGE,
            uris=uris,
            sleep=sleep,
        )
    stop.set()
    assert soon(lambda: not running(), within_s=20)
