"""A version that serves is judged by the gates that it shipped by; what is too little is not judged."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from plumbline.observation import Period
from plumbline.operating_point import Rule
from plumbline.problem import Column, Data, Evaluation, Gate, Label, Split, Window
from plumbline.quality import Judgements, Served, alerts, headline, judge_period, judge_version, points
from plumbline.section import from_json, to_json

DAY = dt.datetime(2026, 3, 9, tzinfo=dt.UTC)
PERIOD = Period(start=DAY, end=DAY + dt.timedelta(days=1))
DATA = Data(
    query="q.sql",
    tables=("t",),
    key=("number",),
    time="sent_at",
    label=Label(column="late", positive=True),
    split=Split(
        train=Window(start=dt.date(2020, 1, 1), end=dt.date(2020, 2, 1)),
        validation=Window(start=dt.date(2020, 2, 1), end=dt.date(2020, 2, 15)),
        test=Window(start=dt.date(2020, 2, 15), end=dt.date(2020, 3, 1)),
    ),
    features={"depot": Column(type="categorical")},
)
MINIMUM = Gate(metric="auc", minimum=0.8)
BY_DEPOT = Gate(metric="auc", by=("depot",), minimum=0.8)
EVALUATION = Evaluation(
    slices=((), ("depot",)),
    minimum_count=10,
    minimum_positives=4,
    gates=(MINIMUM, BY_DEPOT, Gate(metric="auc_pr", against="champion", margin=0.0)),
)
VERSION = Served("3", 0.5)


def rows(labels: Sequence[bool], scores: Sequence[float], depots: Sequence[str], deployed: str = "7") -> pa.Table:
    """Observed rows."""
    return pa.table(
        {
            "number": [f"{deployed}-{number}" for number in range(len(labels))],
            "sent_at": [dt.datetime(2026, 3, 9)] * len(labels),  # noqa: DTZ001 - the column's own clock
            "late": list(labels),
            "depot": list(depots),
            "deployed_model_id": pa.array([deployed] * len(labels), pa.string()),
            "score": pa.array(scores, pa.float64()),
        }
    )


def told(count: int, *, right: bool = True, depot: str = "north", deployed: str = "7") -> pa.Table:
    """Rows of which every other is late, and a version that is always right, or always wrong."""
    labels = [number % 2 == 0 for number in range(count)]
    return rows(labels, [0.9 if label == right else 0.1 for label in labels], [depot] * count, deployed)


def test_a_version_passes_or_fails_by_its_gates() -> None:
    """Always right has an AUC of 1, always wrong one of 0; the gate against another model is not asked."""
    good, bad = (judge_version(told(20, right=right), VERSION, DATA, EVALUATION) for right in (True, False))
    assert (good.status, bad.status) == ("passed", "failed")
    assert good.summary == "2 of 2 gate results passed, none failed"
    assert bad.summary == "auc on all rows: auc 0, wanted at least 0.8 (and 1 more)"
    assert (bad.version, bad.rows, bad.positives, bad.unjudged) == ("3", 20, 10, ())
    assert bad.board is not None
    assert {result.model for result in bad.board.results} == {"candidate"}


@pytest.mark.parametrize(
    ("observed", "wanted"),
    [
        (told(0), "0 labelled rows, 0 positive; wanted 10 and 4"),
        (told(9, right=False), "9 labelled rows, 5 positive; wanted 10 and 4"),
        (rows([True] * 3 + [False] * 17, [0.1] * 20, ["n"] * 20), "20 labelled rows, 3 positive; wanted 10 and 4"),
        (rows([True] * 20, [0.1] * 20, ["n"] * 20), "20 labelled rows, 20 positive; wanted 10 and 4"),
    ],
)
def test_too_few_rows_are_neither_passed_nor_failed(observed: pa.Table, wanted: str) -> None:
    """Whatever their scores; there is nothing of them in the time series, and no alert."""
    found = judge_version(observed, VERSION, DATA, EVALUATION)
    assert (found.status, found.summary) == ("not judged", wanted)
    judged = Judgements(period=PERIOD, versions=(found,))
    assert (list(points(judged)), alerts(judged), judged.failed) == ([], (), ())


def test_just_enough_rows_are_judged() -> None:
    """Ten rows, four of them positive."""
    observed = rows([True] * 4 + [False] * 6, [0.1] * 4 + [0.9] * 6, ["north"] * 10)
    assert judge_version(observed, VERSION, DATA, EVALUATION).status == "failed"


def test_a_gate_whose_slices_are_all_small_is_not_judged() -> None:
    """It is named; the gates with enough rows are judged all the same, and a candidate would have been blocked."""
    observed = pa.concat_tables([told(8, depot=depot, deployed=depot) for depot in ("north", "south")])
    found = judge_version(observed, VERSION, DATA, EVALUATION)
    assert (found.status, found.unjudged) == ("passed", ("auc by depot",))
    alone = judge_version(observed, VERSION, DATA, replace(EVALUATION, gates=(BY_DEPOT,)))
    assert (alone.status, alone.summary) == ("not judged", "too few rows for auc by depot")
    assert alone.board is not None


def test_a_gap_needs_two_slices() -> None:
    """One depot alone is no comparison."""
    gap = replace(EVALUATION, gates=(Gate(metric="recall", by=("depot",), gap=0.1),))
    one = pa.concat_tables([told(20), told(4, depot="south", right=False)])
    assert judge_version(one, VERSION, DATA, gap).status == "not judged"
    two = pa.concat_tables([told(20), told(20, depot="south", right=False)])
    assert judge_version(two, VERSION, DATA, gap).status == "failed"


@pytest.mark.parametrize(
    "gate", [Gate(metric="auc", against="today", margin=0.0), Gate(metric="auc", minimum=0.8, in_service=False)]
)
def test_gates_that_are_not_for_service_judge_nothing(gate: Gate) -> None:
    """Nobody else was asked, or the config says so; beside another gate they are left out."""
    alone = judge_version(told(20, right=False), VERSION, DATA, replace(EVALUATION, gates=(gate,)))
    assert (alone.status, alone.summary.startswith("no gate is for a model in service")) == ("not judged", True)
    recall = Gate(metric="recall", minimum=0.0)
    both = judge_version(told(20, right=False), VERSION, DATA, replace(EVALUATION, gates=(gate, recall)))
    assert both.summary == "1 of 1 gate results passed, none failed"


def test_each_version_is_judged_on_its_own_rows() -> None:
    """A version may have been deployed twice; its rows are put together."""
    observed = pa.concat_tables([told(6, deployed="7"), told(6, deployed="8"), told(20, right=False, deployed="9")])
    served = {"7": VERSION, "8": VERSION, "9": Served("4", 0.5)}
    judged = judge_period(observed, served, PERIOD, DATA, EVALUATION)
    assert [(each.version, each.status, each.rows) for each in judged.versions] == [
        ("3", "passed", 12),
        ("4", "failed", 20),
    ]
    assert judged.summary.startswith("version 3 passed (")
    (alert,) = alerts(judged)
    assert (alert.kind, alert.version, alert.window_start, alert.window_end) == ("quality", "4", DAY, PERIOD.end)
    assert from_json(Judgements, to_json(judged)) == judged


def test_a_window_without_predictions_says_so() -> None:
    """It has no version at all."""
    empty = judge_period(told(0), {}, PERIOD, DATA, EVALUATION)
    assert (empty.versions, empty.summary) == ((), "not judged: no labelled row has a prediction")
    assert headline(empty) == {}


def test_the_threshold_is_the_version_s_own() -> None:
    """With 0.95 nothing is warned of; a number of the config stands in where a version is gone, and a rule cannot."""
    recall = replace(EVALUATION, gates=(Gate(metric="recall", minimum=0.5),))
    assert judge_version(told(20), Served("3", 0.95), DATA, recall).status == "failed"
    assert judge_version(told(20), Served("gone", None), DATA, replace(recall, threshold=0.5)).status == "passed"
    rule = replace(recall, threshold=Rule(precision=0.3))
    assert "not known any more" in judge_version(told(20), Served("gone", None), DATA, rule).summary


def test_the_series_has_each_metric_of_each_slice() -> None:
    """AUC by counting pairs: of 10 x 10 pairs all are in order but those of the two that are swapped."""
    labels = [True] * 10 + [False] * 10
    scores = [0.9, 0.8, 0.7, 0.6, 0.5, 0.45, 0.44, 0.43, 0.42, 0.05, *np.linspace(0.1, 0.3, 10)]
    judged = judge_period(rows(labels, scores, ["north"] * 20), {"7": VERSION}, PERIOD, DATA, EVALUATION)
    found = {(point.slice, point.metric): point for point in points(judged)}
    assert {slice_ for slice_, _ in found} == {"all rows", "depot north"}
    auc = found["all rows", "auc"]
    # The last positive is below all ten negatives.
    assert auc.value == pytest.approx(0.9)
    assert auc.low is not None
    assert auc.high is not None
    assert auc.low < 0.9 < auc.high
    assert (auc.version, auc.rows) == ("3", 20)
    assert (auc.window_start, auc.window_end) == ("2026-03-09T00:00:00+00:00", "2026-03-10T00:00:00+00:00")
    # Of ten positives four are above 0.5.
    assert found["all rows", "recall"].value == pytest.approx(0.4)
    assert headline(judged)["version_3_auc"] == pytest.approx(0.9)
