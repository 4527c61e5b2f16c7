"""Evaluation of the models of a run: loads them, scores them, has the chosen engine judge them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.adapters.savedmodel import load
from plumbline.adapters.tfma_config import eval_config
from plumbline.adapters.tfma_files import Judgement, write_result
from plumbline.adapters.tfma_reading import read
from plumbline.champion import Champion
from plumbline.dataflow import Options
from plumbline.dataset import file_rows, stored, stored_rows
from plumbline.evaluation import BASELINES, Judged, Score, expected_slices, scored_parts
from plumbline.features import from_table
from plumbline.gates import CANDIDATE, decide
from plumbline.mount import local_path, uri_of
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
    baselines: Path,
    candidate: Path,
    mount: Path,
    output: Path,
    options: Options,
) -> Judged:
    """Scores candidate, champion and baselines on the test split and lets the gates decide; the result is written.

    Beside `scoreboard.json`, `scores.parquet` and, where thresholds are asked for, `decisions.json`, the folder `tfma`
    has the result as TFMA's loaders and views read it.

    Args:
        data: The columns.
        evaluation: Metrics, slices, gates and engine.
        champion: The model that serves now; without a URI there is none.
        dataset: The dataset's directory.
        baselines: Parquet file with the scores of the baselines.
        candidate: The candidate's directory.
        mount: Where Cloud Storage is mounted.
        output: A folder for what is found.
        options: Of Beam, for `engine: tfma`.
    """
    models = {CANDIDATE: _scorer(candidate)}
    if champion.artifact_uri:
        models["champion"] = _scorer(local_path(champion.artifact_uri, mount))
    parts = scored_parts(stored_rows(dataset, "test"), file_rows(baselines), models, data, evaluation)
    output.mkdir(parents=True, exist_ok=True)
    scored, compared = stored(parts, output / _SCORES), list(dict.fromkeys((CANDIDATE, *BASELINES, *models)))
    if evaluation.engine == "vectorised":
        return _vectorised(scored, compared, evaluation, output)
    folder = output / "tfma"
    # Dataflow's workers see Cloud Storage, and not this machine's folders.
    place = uri_of(folder, mount) if options["runner"] == "DataflowRunner" else folder
    return _tfma(scored, compared, evaluation, output, place, options)


def _vectorised(parts: Iterable[pa.Table], compared: Sequence[str], evaluation: Evaluation, output: Path) -> Judged:
    found = evaluate_batches(parts, evaluation, compared)
    judged = _decided(found.board, evaluation, output)
    if found.decisions:
        (output / "decisions.json").write_text(to_json(found.decisions), encoding="utf-8")
    config, schema = eval_config(evaluation, compared), pq.read_schema(output / _SCORES)
    judgement = Judgement(judged.verdict, evaluation.gates)
    write_result(output / "tfma", config, read(config), measured=found.measured, schema=schema, judgement=judgement)
    return judged


def _tfma(  # noqa: PLR0913, PLR0917 - what to evaluate, where and how
    parts: Iterable[pa.Table],
    compared: Sequence[str],
    evaluation: Evaluation,
    output: Path,
    folder: str | Path,
    options: Options,
) -> Judged:
    from plumbline.adapters.tfma import evaluate_with_tfma  # noqa: PLC0415 - takes seconds, and only this engine needs it

    board = evaluate_with_tfma(pa.concat_tables(parts), evaluation, compared, folder, options=options)
    return _decided(board, evaluation, output)


def _decided(board: Scoreboard, evaluation: Evaluation, output: Path) -> Judged:
    (output / "scoreboard.json").write_text(to_json(board), encoding="utf-8")
    return Judged(board, decide(board, evaluation, expected_slices(file_rows(output / _SCORES), evaluation)))


def _scorer(model: Path) -> Score:
    scorer = load(model)
    return lambda part, first: scorer.score(from_table(part, scorer.signature.features), first=first)
