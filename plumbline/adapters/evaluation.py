"""Evaluation of the models of a run: loads them, scores them, has the chosen engine judge them."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.adapters.savedmodel import load
from plumbline.champion import Champion
from plumbline.dataset import read_split
from plumbline.evaluation import Judged, expected_slices, models, scored_table, write_scores
from plumbline.features import from_table
from plumbline.gates import CANDIDATE, decide
from plumbline.mount import local_path
from plumbline.problem import Data, Evaluation
from plumbline.scoreboard import Scoreboard
from plumbline.section import to_json
from plumbline.vectorised import evaluate_vectorised


def judge(  # noqa: PLR0913 - the models to be compared, and what to compare them by
    data: Data,
    evaluation: Evaluation,
    champion: Champion,
    *,
    dataset: Path,
    baselines: Path,
    candidate: Path,
    mount: Path,
    output: Path,
) -> Judged:
    """Scores candidate, champion and baselines on the test split and lets the gates decide; the result is written.

    Args:
        data: The columns.
        evaluation: Metrics, slices, gates and engine.
        champion: The model that serves now; without a URI there is none.
        dataset: The dataset's directory.
        baselines: Parquet file with the scores of the baselines.
        candidate: The candidate's directory.
        mount: Where Cloud Storage is mounted.
        output: A folder for scores and scoreboard.
    """
    test = read_split(dataset, "test")
    scores = {CANDIDATE: _score(candidate, test)}
    if champion.artifact_uri:
        scores["champion"] = _score(local_path(champion.artifact_uri, mount), test)
    table = scored_table(test, pq.read_table(baselines), scores, data, evaluation)
    write_scores(table, output)
    board = _engine(table, evaluation, output)
    (output / "scoreboard.json").write_text(to_json(board), encoding="utf-8")
    return Judged(table, board, decide(board, evaluation, expected_slices(table, evaluation)))


def _engine(table: pa.Table, evaluation: Evaluation, output: Path) -> Scoreboard:
    if evaluation.engine == "vectorised":
        return evaluate_vectorised(table, evaluation, models(table))
    from plumbline.adapters.tfma import evaluate_with_tfma  # noqa: PLC0415 - takes seconds, and only this engine needs it

    # Its jackknife takes minutes for a few hundred rows.
    return evaluate_with_tfma(table, evaluation, models(table), output / "tfma", intervals=False)


def _score(model: Path, test: pa.Table) -> npt.NDArray[np.float64]:
    scorer = load(model)
    return scorer.score(from_table(test, scorer.signature.features))
