"""`make ablate`: a training for each group of features that is left out, on the dataset of the last run."""

import dataclasses
import itertools
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass

from pipelines.code import code_digest
from pipelines.commands import now
from pipelines.parameters import local_images
from pipelines.session import Session
from plumbline.ablation import ALL, groups, table, worths
from plumbline.adapters import pipeline_jobs
from plumbline.adapters.custom_jobs import Job, run
from plumbline.adapters.operations import service_errors
from plumbline.cost import Machines, hourly
from plumbline.errors import PlumblineError, ServiceError
from plumbline.labels import label
from plumbline.problem import Data
from plumbline.section import from_json
from plumbline.training import COMMAND, ENVIRONMENT, History, arguments
from plumbline.tuning import METRIC

_AT_ONCE = 2
Images = Callable[[], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class _Trial:
    """One training."""

    without: str
    """The group that it lacks, or ALL."""
    seed: int


@dataclass(frozen=True, slots=True)
class _Source:
    """What all trainings have in common."""

    dataset: str
    """gs:// URI."""
    image: str
    place: str
    """gs:// URI of the folder for what they leave."""


def ablate(session: Session, *, seeds: int, images: Images) -> int:
    """Says what each group of features is worth on the validation split; the test split stays for the gates.

    Args:
        session: Where, and what.
        seeds: Trainings of each kind, at least two: only then can a difference be told from chance.
        images: Gives the images by their plain names, built where they have to be.

    Raises:
        PlumblineError: There is no dataset, it may cost more than the environment allows, or a training fails.
    """
    if seeds < 2:
        raise PlumblineError(f"a difference is told from chance by at least 2 seeds, got {seeds}")
    say, data = session.say, session.loaded.config.data
    members = groups(data.features)
    if len(members) < 2:
        raise PlumblineError(f"there is nothing to leave out: the only group of features is {list(members)}")
    trials = [_Trial(group, seed) for group, seed in itertools.product((ALL, *members), range(seeds))]
    _check_cost(session, len(trials))
    dataset = _dataset(session)
    say(f"{len(trials)} trainings, {_AT_ONCE} at a time, on {dataset}")
    folder = f"{now():%Y%m%d%H%M%S}"
    place = f"gs://{session.environment.bucket}/ablation/{folder}"
    source = _Source(dataset, images()["plumbline/trainer"], place)
    found: dict[str, list[float]] = {}
    with _stopped_by_an_interrupt() as sleep, ThreadPoolExecutor(_AT_ONCE) as pool:
        scores = pool.map(lambda trial: _train(session, trial, source, sleep), trials)
        for trial, score in zip(trials, scores, strict=True):
            what = f"without {trial.without}" if trial.without else "all features"
            say(f"  {what:<28} seed {trial.seed}: {score:.4f}")
            found.setdefault(trial.without, []).append(score)
    result = worths(found, members)
    for line in table(result, found[ALL]):
        say(line)
    path = session.state / "ablation" / f"{folder}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([dataclasses.asdict(each) for each in result], indent=2) + "\n", encoding="utf-8")
    say(f"  {'ablation':<12} {path}")
    return 0


def trainer_images(session: Session) -> Images:
    """The images of an emulator's environment, which are this checkout."""
    return lambda: local_images(session.environment, code_digest())


def _check_cost(session: Session, trainings: int) -> None:
    """Nothing, when so many trainings cost no more than a run may.

    Raises:
        PlumblineError: They may cost more, or it cannot be told what they cost.
    """
    environment, hardware = session.environment, session.loaded.config.training.hardware
    if environment.max_run_cost is None:
        return
    machines = Machines(hardware.machine_type, hardware.accelerator_type, hardware.accelerator_count)
    price = hourly(machines, hardware.replicas, environment.prices)
    most = None if price is None else price * trainings * hardware.timeout_s / 3600
    if most is None or most > environment.max_run_cost:
        cost = "nobody can say what they cost" if most is None else f"they may cost {most:.2f}"
        raise PlumblineError(
            f"{trainings} trainings of at most {hardware.timeout_s} s: {cost}, and max_run_cost is "
            f"{environment.max_run_cost:.2f}: lower training.hardware.timeout_s or SEEDS"
        )


def _dataset(session: Session) -> str:
    """The gs:// URI of the dataset that the last run has made with the config's features."""
    config, clients = session.loaded.config, session.clients
    for name in pipeline_jobs.named(clients.pipelines(), clients.place, label(config.name)):
        seen = pipeline_jobs.look(clients.pipelines(), name)
        uri, given = seen.uri("ingest", "dataset"), pipeline_jobs.parameter(clients.pipelines(), name, "data")
        if uri and given and from_json(Data, given) == config.data:
            return uri
    raise ServiceError(f"no run of {config.name} has made a dataset with these columns and windows yet: run it first")


def _train(session: Session, trial: _Trial, source: _Source, sleep: Callable[[float], None]) -> float:
    """The best AUC-PR on the validation split of a training without a group."""
    config, clients = session.loaded.config, session.clients
    kept = {name: c for name, c in config.data.features.items() if (c.group or name) != trial.without}
    data = dataclasses.replace(config.data, features=kept)
    training = dataclasses.replace(config.training, seed=config.training.seed + trial.seed, tuning=None)
    place = f"{source.place}/{trial.without or 'all'}-{trial.seed}"
    given = arguments(config.name, data, training, dataset=source.dataset, history=f"{place}/history")
    labels = {"problem": label(config.name), "run": label(f"ablation-{source.place.rpartition('/')[2]}")}
    run(
        clients.jobs(),
        clients.place,
        Job(f"{config.name}-ablate", source.image, COMMAND, given, ENVIRONMENT, place, labels),
        training.hardware,
        sleep=sleep,
    )
    with service_errors(f"reading {place}/history"), closing(clients.storage()) as storage:
        bucket, _, name = f"{place}/history".removeprefix("gs://").partition("/")
        text = storage.bucket(bucket).blob(name).download_as_bytes().decode()
    return max(from_json(History, text).epochs[METRIC])


@contextmanager
def _stopped_by_an_interrupt() -> Iterator[Callable[[float], None]]:
    """A sleep for the threads that wait for jobs: it ends with an error, so that they cancel them, on an interrupt."""
    stopped = threading.Event()

    def sleep(seconds: float) -> None:
        if stopped.wait(seconds):
            raise ServiceError("interrupted")

    try:
        yield sleep
    except BaseException:
        stopped.set()
        raise
