"""What the step leaves of an evaluation, and how it chooses the engine."""

import json
from pathlib import Path

import pyarrow as pa

from plumbline.adapters.evaluation import Work, _vectorised
from plumbline.dataset import stored
from plumbline.evaluation import Judged
from plumbline.measures import Measures
from plumbline.operating_point import OperatingPoint, OperatingPoints
from plumbline.problem import Evaluation, Gate

MODELS = ("candidate", "today", "prevalence")
TABLE = pa.table(
    {"label": [1, 0, 1, 0], "candidate": [0.9, 0.6, 0.4, 0.1], "today": [0.5] * 4, "prevalence": [0.5] * 4}
)


def evaluation(*thresholds: float) -> Evaluation:
    """One gate, which four rows meet."""
    gates = (Gate(metric="auc", minimum=0.7),)
    return Evaluation(
        slices=((),), gates=gates, minimum_count=1, minimum_positives=1, measures=Measures(thresholds=thresholds)
    )


def judged(evaluation: Evaluation, folder: Path) -> Judged:
    """What the rows, two at a time, leave in a folder."""
    parts = iter((TABLE.slice(0, 2), TABLE.slice(2)))
    points = [OperatingPoint(model=name, threshold=0.5, source="config", explanation="0.5") for name in MODELS]
    work = Work(evaluation, OperatingPoints(points=tuple(points)), folder)
    return _vectorised(stored(parts, folder / "scores.parquet"), work)


def test_the_vectorised_engine_leaves_scoreboard_and_tfma_s_files(tmp_path: Path) -> None:
    """Three of four pairs are in order, so the gate passes, and both say so."""
    assert judged(evaluation(), tmp_path).verdict.passed
    board = json.loads((tmp_path / "scoreboard.json").read_text(encoding="utf-8"))
    assert board["results"][0]["metrics"]["auc"]["value"] == 0.75
    assert sorted(path.name for path in (tmp_path / "tfma").iterdir()) == [
        "eval_config.json",
        "metrics-00000-of-00001.tfrecord",
        "validations.tfrecord",
    ]
    assert not (tmp_path / "decisions.json").exists()


def test_decisions_at_further_thresholds_are_left_too(tmp_path: Path) -> None:
    """At 0.05 everything is a positive decision: all negatives are false positives."""
    judged(evaluation(0.05), tmp_path)
    found = json.loads((tmp_path / "decisions.json").read_text(encoding="utf-8"))
    assert [(each["model"], each["threshold"]) for each in found] == [
        ("candidate", 0.05),
        ("today", 0.05),
        ("prevalence", 0.05),
    ]
    assert found[0]["indicators"]["false_positive_rate"]["value"] == 1.0
    assert found[0]["false_positives"] == 2.0


def test_each_model_is_counted_at_its_own_threshold(tmp_path: Path) -> None:
    """Above 0.3 the candidate says yes to three of four rows, above 0.6 today's way to none."""
    points = (
        OperatingPoint(model="candidate", threshold=0.3, source="rule", explanation="chosen"),
        OperatingPoint(model="today", threshold=0.6, source="rule", explanation="chosen"),
    )
    work = Work(evaluation(), OperatingPoints(points=points), tmp_path)
    rows = TABLE.drop_columns(["prevalence"])
    board = _vectorised(stored(iter((rows,)), tmp_path / "scores.parquet"), work).board
    assert board.threshold == 0.3
    cells = {result.model: result.confusion for result in board.results}
    assert (cells["candidate"].true_positives, cells["candidate"].false_positives) == (2, 1)
    assert (cells["today"].true_positives, cells["today"].false_positives) == (0, 0)


def test_a_rule_that_was_not_met_blocks_and_leaves_its_report(tmp_path: Path) -> None:
    """The verdict says no, the scoreboard and TFMA's files are there all the same."""
    points = [OperatingPoint(model=name, threshold=0.5, source="rule", explanation="0.5") for name in MODELS]
    points[0] = OperatingPoint(model=MODELS[0], threshold=0.5, source="rule", explanation="none", reached=False)
    work = Work(evaluation(), OperatingPoints(points=tuple(points)), tmp_path)
    found = _vectorised(stored(iter((TABLE,)), tmp_path / "scores.parquet"), work)
    assert not found.verdict.passed
    assert "not what evaluation.threshold asks for" in found.verdict.summary
    assert (tmp_path / "scoreboard.json").exists()
    assert (tmp_path / "tfma" / "validations.tfrecord").exists()
