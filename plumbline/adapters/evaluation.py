"""Evaluation of the models of a run: loads them, scores them, has the chosen engine judge them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.adapters.savedmodel import load
from plumbline.adapters.tfma_config import eval_config
from plumbline.adapters.tfma_files import Judgement, write_result
from plumbline.adapters.tfma_reading import read
from plumbline.champion import Champion
from plumbline.dataflow import Options
from plumbline.dataset import SplitName, file_rows, split_path, stored, stored_rows
from plumbline.evaluation import (
    CHAMPION,
    Judged,
    Score,
    expected_slices,
    models_of,
    operating_points,
    scored_parts,
)
from plumbline.features import from_table
from plumbline.gates import CANDIDATE, decide
from plumbline.mount import local_path, uri_of
from plumbline.operating_point import OperatingPoints, write_points
from plumbline.problem import Data, Evaluation
from plumbline.scoreboard import Scoreboard
from plumbline.section import to_json
from plumbline.vectorised import evaluate_batches

_SCORES = "scores.parquet"


def judge(  # noqa: PLR0913 - the models to be compared, and what to compare them by
    data: Data,
    evaluation: Evaluation,
    champion: Champion,
    *,
    dataset: Path,
    known: Sequence[Path],
    candidate: Path,
    mount: Path,
    output: Path,
    options: Options,
) -> Judged:
    """Scores every model on the test split, each at its threshold, and lets the gates decide; the result is written.

    Beside `scoreboard.json`, `operating_points.json`, `scores.parquet` and, where thresholds are asked for,
    `decisions.json`, the folder `tfma` has the result as TFMA's loaders and views read it.

    Args:
        data: The columns.
        evaluation: Metrics, slices, gates and engine.
        champion: The model that serves now; without a URI there is none.
        dataset: The dataset's directory.
        known: Folders with the scores of baselines and prototypes, a Parquet file a split.
        candidate: The candidate's directory.
        mount: Where Cloud Storage is mounted.
        output: A folder for what is found.
        options: Of Beam, for `engine: tfma`.
    """
    models = {CANDIDATE: scorer(candidate)}
    if champion.artifact_uri:
        models[CHAMPION] = scorer(local_path(champion.artifact_uri, mount))

    def scored(split: SplitName) -> Iterator[pa.Table]:
        files = [file_rows(split_path(folder, split)) for folder in known]
        return scored_parts(stored_rows(dataset, split), files, models, data, evaluation)

    others = models_of([file_rows(split_path(folder, "test")) for folder in known], data)
    compared = list(dict.fromkeys((CANDIDATE, *others, *models)))
    points = operating_points(compared, evaluation, champion.threshold, scored("validation"))
    output.mkdir(parents=True, exist_ok=True)
    write_points(output, points)
    parts, work = stored(scored("test"), output / _SCORES), Work(evaluation, points, output)
    if evaluation.engine == "vectorised":
        return _vectorised(parts, work)
    folder = output / "tfma"
    # Dataflow's workers see Cloud Storage, and not this machine's folders.
    place = uri_of(folder, mount) if options["runner"] == "DataflowRunner" else folder
    return _tfma(parts, work, place, options)


@dataclass(frozen=True, slots=True)
class Work:
    """What the engine has to do, and where."""

    evaluation: Evaluation
    points: OperatingPoints
    output: Path

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Of each model, the candidate first."""
        return {point.model: point.threshold for point in self.points.points}


def _vectorised(parts: Iterable[pa.Table], work: Work) -> Judged:
    evaluation, output, at = work.evaluation, work.output, work.thresholds
    found = evaluate_batches(parts, evaluation, list(at), thresholds=at)
    judged = _decided(found.board, work)
    if found.decisions:
        (output / "decisions.json").write_text(to_json(found.decisions), encoding="utf-8")
    config, schema = eval_config(evaluation, list(at), thresholds=at), pq.read_schema(output / _SCORES)
    judgement = Judgement(judged.verdict, evaluation.gates)
    write_result(output / "tfma", config, read(config), measured=found.measured, schema=schema, judgement=judgement)
    return judged


def _tfma(parts: Iterable[pa.Table], work: Work, folder: str | Path, options: Options) -> Judged:
    from plumbline.adapters.tfma import evaluate_with_tfma  # noqa: PLC0415 - takes seconds, and only this engine needs it

    rows, at = pa.concat_tables(parts), work.thresholds
    return _decided(evaluate_with_tfma(rows, work.evaluation, list(at), folder, thresholds=at, options=options), work)


def _decided(board: Scoreboard, work: Work) -> Judged:
    (work.output / "scoreboard.json").write_text(to_json(board), encoding="utf-8")
    expected = expected_slices(file_rows(work.output / _SCORES), work.evaluation)
    return Judged(board, decide(board, work.evaluation, expected, work.points.points[0]))


def scorer(model: Path) -> Score:
    """How a trained model scores, from its directory."""
    loaded = load(model)
    return lambda part, first: loaded.score(from_table(part, loaded.signature.features), first=first)
