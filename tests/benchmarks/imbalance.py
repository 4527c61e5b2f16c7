"""How methods against imbalance and architectures do on the example's test months: the tables of docs/imbalance.md.

It trains some minutes, so `make bench` does it only when it is asked for by name, on the dataset of the last run-local.
"""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from plumbline.adapters.savedmodel import load
from plumbline.choosing import Division, choose
from plumbline.config import load_problem
from plumbline.dataset import split_path
from plumbline.features import from_table
from plumbline.histogram import calibration_error, cells, gather, pr_area, segments
from plumbline.imbalance import Imbalance, Method
from plumbline.ingestion import is_positive
from plumbline.operating_point import Rule
from plumbline.problem import ProblemConfig, Training
from plumbline.signature import Signature
from trainer.fit import Folders
from trainer.task import Task, run

Floats = npt.NDArray[np.float64]
Architecture = Literal["deep", "wide_and_deep", "ensemble"]
_SEEDS = (7, 8)
_METHODS: tuple[Method, ...] = ("class_weight", "none", "oversample", "undersample", "smote")
_ARCHITECTURES: tuple[Architecture, ...] = ("wide_and_deep", "ensemble")
_CONFIG = Path(__file__).parents[2] / "configs" / "flights.yaml"
_DATASETS = Path(".plumbline") / "emulator" / "gcs"


def measure() -> Iterator[tuple[str, str, str]]:
    """What, wanted, and measured: for each method, without its correction too, and for each architecture."""
    problem, dataset = load_problem(_CONFIG).config, _last_dataset()
    for method in _METHODS:
        for seed in _SEEDS:
            yield _measured(problem, dataset, Imbalance(method=method), seed=seed)
        if method != "none":
            yield _measured(problem, dataset, Imbalance(method=method, correct=False), seed=_SEEDS[0])
    for architecture in _ARCHITECTURES:
        for seed in _SEEDS:
            yield _measured(problem, dataset, Imbalance(), seed=seed, architecture=architecture)


def _last_dataset() -> Path:
    found = sorted(_DATASETS.glob("*/runs/flights-*/ingest/dataset"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise SystemExit("there is no dataset of the example yet: `make run-local` makes one")
    return found[-1]


def _measured(
    problem: ProblemConfig, dataset: Path, imbalance: Imbalance, *, seed: int, architecture: Architecture = "deep"
) -> tuple[str, str, str]:
    network = replace(problem.training.network, architecture=architecture)
    training = replace(problem.training, seed=seed, imbalance=imbalance, network=network)
    start = time.perf_counter()
    scores, positive = _trained(problem, dataset, training)
    seconds = time.perf_counter() - start
    keys = cells(np.zeros(scores.size, np.int64), segments(scores), positive)
    histogram = gather(keys, np.ones((1, scores.size)), slices=1)
    division = Division()
    division.add(scores, positive, None)
    chosen = choose(division, Rule(precision=0.3))
    recall = float((scores[positive] > chosen.threshold).mean())
    corrected = "" if imbalance.correct else ", not corrected"
    return (
        f"{architecture}, {imbalance.method}{corrected}, seed {seed}",
        "error at most 0.02" if imbalance.correct else "",
        f"AUC-PR {pr_area(histogram).value[0]:.3f}, recall at precision 0.3 {recall:.3f}, "
        f"calibration error {calibration_error(histogram)[0]:.3f}, {seconds:.0f} s",
    )


def _trained(problem: ProblemConfig, dataset: Path, training: Training) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Scores and labels of the test rows."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        signature = Signature(name=problem.name, features=problem.data.features, label=problem.data.label)
        folders = Folders(checkpoints=folder / "checkpoints", logs=folder / "logs")
        run(Task(dataset, signature, training, folder / "model", folder / "history", folders), {})
        rows = pq.read_table(split_path(dataset, "test"))
        scores = load(folder / "model").score(from_table(rows, problem.data.features))
    return scores, is_positive(rows, problem.data.label).to_numpy()
