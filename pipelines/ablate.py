"""`make ablate`: a training for each group of features that is left out, on the dataset of the last run."""

import dataclasses
import itertools
import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pipelines.code import code_digest
from pipelines.commands import now
from pipelines.finish import fetch
from pipelines.parameters import local_images
from pipelines.session import Session
from plumbline.ablation import ALL, Ablation, Areas, Trial, areas, groups, kept, table, worths
from plumbline.adapters import pipeline_jobs
from plumbline.adapters.custom_jobs import Job, run
from plumbline.adapters.evaluation import scorer
from plumbline.adapters.model_files import download
from plumbline.cost import Machines, hourly
from plumbline.dataset import file_rows, split_path
from plumbline.errors import PlumblineError, ServiceError
from plumbline.evaluation import scored_parts
from plumbline.labels import label
from plumbline.problem import Data
from plumbline.section import from_json, to_json
from plumbline.training import COMMAND, ENVIRONMENT, arguments

_AT_ONCE = 2
Images = Callable[[], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class _Source:
    """What all trainings have in common."""

    dataset: str
    """gs:// URI."""
    image: str
    place: str
    """gs:// URI of the folder for what they leave."""

    def folder(self, trial: Trial) -> str:
        """The gs:// URI of what one of them leaves."""
        return f"{self.place}/{trial.name}"


def ablate(session: Session, *, seeds: int, images: Images) -> int:
    """Says what each group of features is worth on the validation split.

    Never on the test split: whoever chooses features by it has no untouched rows left for the gates to judge by.

    Args:
        session: Where, and what.
        seeds: Trainings of each kind; from two on the interval knows the chance in training.
        images: Gives the images by their plain names, built where they have to be.

    Raises:
        PlumblineError: There is no dataset, it may cost more than the environment allows, or a training fails.
    """
    if seeds < 1:
        raise PlumblineError(f"wanted at least 1 seed, got {seeds}")
    say, members = session.say, groups(session.loaded.config.data.features)
    if len(members) < 2:
        raise PlumblineError(f"there is nothing to leave out: the only group of features is {list(members)}")
    trials = [Trial(group, seed) for group, seed in itertools.product((ALL, *members), range(seeds))]
    _check_cost(session, len(trials))
    dataset = _dataset(session)
    say(f"{len(trials)} trainings, {_AT_ONCE} at a time, on {dataset}")
    started = f"{now():%Y%m%d%H%M%S}"
    place = f"gs://{session.environment.bucket}/ablation/{started}"
    source = _Source(dataset, images()["plumbline/trainer"], place)
    _train_all(session, trials, source)
    rows, found = _score_all(session, trials, source)
    whole = sum(found[Trial(ALL, seed)].whole for seed in range(seeds)) / seeds
    result = Ablation(dataset=dataset, rows=rows, seeds=seeds, whole=whole, groups=worths(found, members))
    _tell(result, session, session.state / "ablation" / f"{started}.json")
    return 0


def trainer_images(session: Session) -> Images:
    """The images of an emulator's environment, which are this checkout."""
    return lambda: local_images(session.environment, code_digest())


def _check_cost(session: Session, trainings: int) -> None:
    """Says what so many trainings may cost.

    Raises:
        PlumblineError: They may cost more than a run may, or it cannot be told what they cost.
    """
    environment, hardware = session.environment, session.loaded.config.training.hardware
    prices, limit = environment.prices, environment.max_run_cost
    if prices is None:
        return
    machines = Machines(hardware.machine_type, hardware.accelerator_type, hardware.accelerator_count)
    price = hourly(machines, hardware.replicas, prices)
    told = f"{trainings} trainings of up to {hardware.timeout_s} s each"
    if price is None:
        cost = "nobody can say what they cost: a price of their machines is missing"
    else:
        share = prices.spot_share if hardware.scheduling == "spot" else 1.0
        most = price * share * trainings * hardware.timeout_s / 3600
        cost = f"at most {most:.2f} {prices.currency}"
    if limit is not None and (price is None or most > limit):
        raise PlumblineError(
            f"{told}: {cost}, and max_run_cost is {limit:.2f} {prices.currency}; nothing was started. Lower "
            "training.hardware.timeout_s or SEEDS"
        )
    session.say(f"{told}: {cost}")


def _dataset(session: Session) -> str:
    """The gs:// URI of the dataset that the last run has made with the config's features."""
    config, clients = session.loaded.config, session.clients
    for name in pipeline_jobs.named(clients.pipelines(), clients.place, label(config.name)):
        seen = pipeline_jobs.look(clients.pipelines(), name)
        uri, given = seen.uri("ingest", "dataset"), pipeline_jobs.parameter(clients.pipelines(), name, "data")
        if uri and given and from_json(Data, given) == config.data:
            return uri
    raise ServiceError(f"no run of {config.name} has made a dataset with these columns and windows yet: run it first")


def _train_all(session: Session, trials: Sequence[Trial], source: _Source) -> None:
    """Trains all, some at a time; on a failure or an interrupt those under way are cancelled and no more begin."""
    stopped = threading.Event()

    def sleep(seconds: float) -> None:
        if stopped.wait(seconds):
            raise ServiceError("interrupted")

    def timed(trial: Trial) -> float:
        started = time.monotonic()
        _train(session, trial, source, sleep)
        return time.monotonic() - started

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        trained = {pool.submit(timed, trial): trial for trial in trials}
        try:
            for done in as_completed(trained):
                what = f"without {trained[done].without}" if trained[done].without else "all features"
                session.say(f"  {what:<28} seed {trained[done].seed}: {done.result():6.1f} s")
        except BaseException:  # also an interrupt
            session.say("cancelling the trainings that are under way")
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise


def _train(session: Session, trial: Trial, source: _Source, sleep: Callable[[float], None]) -> None:
    """One training, as the config has it, but for a group of features; a search for hyperparameters is not repeated."""
    config, clients = session.loaded.config, session.clients
    data = dataclasses.replace(config.data, features=kept(config.data.features, trial.without))
    training = dataclasses.replace(config.training, seed=config.training.seed + trial.seed, tuning=None)
    folder = source.folder(trial)
    given = arguments(config.name, data, training, dataset=source.dataset, history=f"{folder}/history")
    labels = {"problem": label(config.name), "run": label(f"ablation-{source.place.rpartition('/')[2]}")}
    job = Job(f"{config.name}-ablate", source.image, COMMAND, given, ENVIRONMENT, folder, labels)
    run(clients.jobs(), clients.place, job, training.hardware, sleep=sleep)


def _score_all(session: Session, trials: Sequence[Trial], source: _Source) -> tuple[int, Mapping[Trial, Areas]]:
    """How many rows the validation split has, and how each training scores them."""
    config, clients = session.loaded.config, session.clients
    data, evaluation = config.data, config.evaluation
    # TensorFlow, which is imported to score, tells a terminal that there is no GPU.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory(prefix="plumbline-ablate-") as scratch, closing(clients.storage()) as storage:
        split = split_path(Path(scratch), "validation")
        fetch(f"{source.dataset}/{split.name}", clients, split)
        models = {
            trial.name: scorer(download(f"{source.folder(trial)}/model", Path(scratch) / trial.name, lambda: storage))
            for trial in trials
        }
        rows = file_rows(split)
        found = areas(scored_parts(rows, [], models, data, evaluation), trials, weight=evaluation.measures.weight)
        return sum(part.num_rows for part in rows.parts([data.label.column])), found


def _tell(result: Ablation, session: Session, path: Path) -> None:
    for line in table(result):
        session.say(line)
    if result.seeds == 1:
        session.say("one seed: the intervals know the chance in the rows, not that in training; SEEDS=3 adds it")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_json(result) + "\n", encoding="utf-8")
    session.say(f"  {'ablation':<12} {path}")
