"""The model card and the page of a run, from the same small run."""

import dataclasses
import datetime as dt
import json
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import pytest

from plumbline.canary import Stage
from plumbline.card import Facts, content, missing
from plumbline.config import load_problem
from plumbline.dataset import SplitSummary, Summary
from plumbline.explanation import Importance, ImportanceReport
from plumbline.gates import decide
from plumbline.load import MeasuredRate
from plumbline.operating_point import OperatingPoint, OperatingPoints
from plumbline.problem import Metric
from plumbline.prototype import PrototypeReport, PrototypeResult
from plumbline.report import Findings, render
from plumbline.runs import Output, Run, Step
from plumbline.scoreboard import Confusion, Curve, Estimate, Scoreboard, SliceKey, SliceResult
from plumbline.signal import SignalReport
from plumbline.training import History
from plumbline.tuning import Trial, TuningReport
from plumbline.validation import Check, ValidationReport
from plumbline.weighting import Weights

CONFIG = load_problem(Path(__file__).parents[3] / "configs" / "flights.yaml").config
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
SPLIT = SplitSummary(rows=1000, positives=100, start="2013-01-01T05:00:00", end="2013-08-31T23:00:00")
SUMMARY = Summary(
    table="p.d.t",
    training_table="p.d.t_train",
    bytes_processed=10,
    source_changed="2026-01-01T00:00:00",
    splits=dict.fromkeys(("train", "validation", "test"), SPLIT),
)
HISTORY = History(
    strategy="one_device",
    rows=1000,
    seconds=3.0,
    examples_per_second=1e5,
    weights=Weights(negative=0.5, positive=5.0),
    epochs={"loss": (0.6, 0.5), "val_loss": (0.5, 0.4), "auc_pr": (0.2, 0.3), "val_auc_pr": (0.2, 0.25)},
)


def result(model: str, key: SliceKey, value: float) -> SliceResult:
    """A model's result on a slice."""
    estimate = Estimate(value=value, low=value - 0.01, high=value + 0.01)
    metrics: dict[Metric, Estimate] = {
        "auc_pr": estimate,
        "auc": estimate,
        "recall": estimate,
        "precision": Estimate(value=None),
        "calibration_error": Estimate(value=0.01),
    }
    cells = Confusion(true_positives=7, false_positives=3, true_negatives=800, false_negatives=90)
    return SliceResult(
        model=model,
        slice=key,
        count=1000,
        positives=97,
        metrics=metrics,
        confusion=cells,
    )


SIGNAL = SignalReport(
    passed=True,
    summary="AUC-PR 0.300, chance 0.100",
    model="trees",
    rows=1000,
    positives=100,
    auc=0.7,
    auc_pr=0.3,
    prevalence=0.1,
    shuffled=(0.1, 0.09),
    seconds=1.0,
)
PROTOTYPE = PrototypeReport(
    results=(PrototypeResult(model="boosted_trees", engine="scikit-learn", reason="an emulator", seconds=2.0),)
)
TUNING = TuningReport(
    job="projects/p/locations/l/hyperparameterTuningJobs/1",
    best="2",
    trials=(
        Trial(number="1", parameters={"learning_rate": 0.1}, state="INFEASIBLE", auc_pr=None, epochs=0),
        Trial(number="2", parameters={"learning_rate": 0.01}, state="SUCCEEDED", auc_pr=0.3, epochs=4),
    ),
)
BOARD = Scoreboard(
    threshold=0.5,
    confidence=0.95,
    engine="vectorised",
    results=(
        result("candidate", (), 0.7),
        result("today", (), 0.1),
        result("logistic_regression", (), 0.3),
        result("boosted_trees", (), 0.4),
        *(result("candidate", (("origin", name),), 0.7) for name in ("EWR", "<b>JFK</b>")),
        *(result("candidate", (("carrier", name),), 0.7) for name in ("AA", "UA")),
    ),
    curves=(Curve(model="candidate", kind="roc", x=(0.0, 1.0), y=(0.0, 1.0)),),
)
EXPECTED = [result.slice for result in BOARD.results if result.model == "candidate"]
VERDICT = decide(BOARD, CONFIG.evaluation, EXPECTED)
POINTS = OperatingPoints(
    points=(
        OperatingPoint(model="candidate", threshold=0.5, source="rule", explanation="highest F-1: <i>found</i>"),
        OperatingPoint(model="today", threshold=0.2, source="rule", explanation="highest F-1: so and so"),
    )
)
IMPORTANCE = ImportanceReport(
    rows=100,
    base=-2.0,
    seconds=1.0,
    features=(
        Importance(
            feature="carrier", group="schedule", attribution=0.5, permutation=0.1, permutation_train=0.1, overfits=False
        ),
        Importance(feature="batch", group="", attribution=0.2, permutation=0.0, permutation_train=0.2, overfits=True),
    ),
)
FACTS = Facts(
    name="flights",
    version="flights-1",
    date="2026-01-01",
    path="gs://b/runs/flights-1/train/model",
    code="abc" * 20,
    statement=CONFIG.statement,
    data=CONFIG.data,
    evaluation=CONFIG.evaluation,
    summary=SUMMARY,
    history=HISTORY,
    board=BOARD,
    point=POINTS.points[0],
    verdict=VERDICT,
    importance=IMPORTANCE,
)


def leaves(value: object) -> list[object]:
    """All values of a nested structure."""
    if isinstance(value, Mapping):
        return [leaf for inner in value.values() for leaf in leaves(inner)]
    if isinstance(value, list | tuple):
        return [leaf for inner in value for leaf in leaves(inner)]
    return [value]


def test_a_full_card_lacks_nothing() -> None:
    """The example's card has every mandatory part, and every leaf of it is text."""
    card = content(FACTS)
    assert missing(card) == ()
    assert all(isinstance(leaf, str) for leaf in leaves(card))


def test_a_card_tells_what_a_reader_needs() -> None:
    """Threshold, windows, uses out of scope and intervals are in the card."""
    text = json.dumps(content(FACTS))
    for wanted in ("A score above 0.5", "2013-01-01T05:00:00", "Out of scope: ", '"lower_bound": "0.6900"', "p.d.t"):
        assert wanted in text
    for wanted in ("highest F-1", "Factor: The season", "It looks most at carrier, batch", "classes as they come"):
        assert wanted in text


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (dataclasses.replace(FACTS, date=" "), "version date"),
        (dataclasses.replace(FACTS, version=""), "version name"),
        (dataclasses.replace(FACTS, board=dataclasses.replace(BOARD, results=())), "a metric over all rows"),
        (
            dataclasses.replace(FACTS, board=dataclasses.replace(BOARD, results=BOARD.results[:1])),
            "a metric of a slice",
        ),
        (
            dataclasses.replace(FACTS, board=dataclasses.replace(BOARD, results=BOARD.results[2:])),
            "a metric over all rows",
        ),
    ],
)
def test_an_empty_mandatory_part_is_named(facts: Facts, wanted: str) -> None:
    """Whatever mandatory part is empty, the card is not complete."""
    assert wanted in missing(content(facts))


MANDATORY = {
    "users": ("considerations", "users"),
    "use cases": ("considerations", "use_cases"),
    "limitations": ("considerations", "limitations"),
    "ethical considerations": ("considerations", "ethical_considerations"),
    "name": ("model_details", "name"),
    "overview": ("model_details", "overview"),
    "owners": ("model_details", "owners"),
    "licence": ("model_details", "licenses"),
    "lineage": ("model_details", "documentation"),
    "place of the files": ("model_details", "path"),
    "architecture": ("model_parameters", "model_architecture"),
    "training and evaluation data": ("model_parameters", "data"),
    "input format": ("model_parameters", "input_format_map"),
    "output format": ("model_parameters", "output_format"),
    "curves": ("quantitative_analysis", "graphics", "collection"),
}
"""Source: Mitchell et al.; what model-card-toolkit has a place for."""


@pytest.mark.parametrize(("name", "path"), MANDATORY.items(), ids=MANDATORY)
def test_each_mandatory_part_is_missed(name: str, path: tuple[str, ...]) -> None:
    """A card without it is not complete, and the part is named."""
    card = json.loads(json.dumps(content(FACTS)))
    inner = card
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = [] if isinstance(inner[path[-1]], list) else " "
    assert name in missing(card)


def test_a_card_without_threshold_or_scope_is_not_complete() -> None:
    """The toolkit's schema has no place for either, so they are looked for where we put them."""
    card = json.loads(json.dumps(content(FACTS)))
    metrics = card["quantitative_analysis"]["performance_metrics"]
    card["quantitative_analysis"]["performance_metrics"] = [m for m in metrics if m["type"] != "decision threshold"]
    uses = card["considerations"]["use_cases"]
    card["considerations"]["use_cases"] = [use for use in uses if not use["description"].startswith("Out of scope")]
    assert missing(card) == ("a decision threshold", "uses out of scope")


class Page(HTMLParser):
    """What a page loads, and whether its tags close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes what would be fetched."""
        if tag in {"script", "link", "iframe"}:
            self.loads.append(tag)
        self.loads += [
            value for name, value in attrs if name in {"src", "href"} and value and not value.startswith("data:")
        ]

    def handle_data(self, data: str) -> None:
        """Keeps the text."""
        self.text += data


def run(**states: str) -> Run:
    """A run whose steps are in these states."""
    told: dict[str, dict[str, Output]] = {
        "validate": {"report": Output("", {"passed": True, "failed": []})},
        "evaluate": {"verdict": Output("", {"passed": VERDICT.passed, "summary": VERDICT.summary})},
        "card": {"card": Output("", {"complete": True, "missing": []})},
    }
    steps = {
        name: Step(
            name,
            state,
            START,
            START + dt.timedelta(seconds=2),
            "ValueError: <no> luck" if state == "FAILED" else "",
            told.get(name, {}),
        )
        for name, state in states.items()
    }
    return Run("projects/p/locations/l/pipelineJobs/flights-1", "RUNNING", "", START, steps)


def page(found: Run, findings: Findings) -> Page:
    """The page of a run."""
    return Page(render(found, findings, title="Late flights", links={"model": "gs://b/m", "endpoint": ""}))


def test_a_shipped_run_has_everything_on_its_page() -> None:
    """Scoreboard, gates, data, training and charts, and nothing is loaded from elsewhere."""
    states = dict.fromkeys(
        ("ingest", "validate", "train", "evaluate", "card", "register", "deploy", "monitor"), "SUCCEEDED"
    )
    report = ValidationReport(passed=True, checks=())
    found = page(
        run(**{**states, "report": "RUNNING"}),
        Findings(
            summary=SUMMARY,
            validation=report,
            signal=SIGNAL,
            prototype=PROTOTYPE,
            tuning=TUNING,
            history=HISTORY,
            board=BOARD,
            points=POINTS,
            verdict=VERDICT,
            importance=IMPORTANCE,
        ),
    )
    assert found.loads == []
    for wanted in ("AUC-PR 0.300, chance 0.100.", "an emulator", "2 (best)", "0.01", "<i>found</i>"):
        assert wanted in found.text
    assert "Seen to help on training rows only: batch." in " ".join(found.text.split())
    for wanted in ("SHIPPED", "0.7000\n(0.690 to 0.710)", "not defined", "100,000 examples", "this page", "gs://b/m"):
        assert wanted in found.text
    assert "<b>JFK</b>" in found.text, "a value of the data is text, not markup"


def test_a_failed_run_says_what_the_step_said() -> None:
    """A run that failed early has its page, with the error."""
    found = page(run(ingest="SUCCEEDED", train="FAILED"), Findings(summary=SUMMARY))
    assert "FAILED at train" in " ".join(found.text.split())
    assert "ValueError: <no> luck" in found.text


def test_a_blocked_run_lists_the_failed_checks() -> None:
    """Bad data is named on the page."""
    check = Check(name="nulls", split="test", column="distance", wanted="at most 0 %", found="7 %", passed=False)
    blocked = run(ingest="SUCCEEDED", validate="SUCCEEDED")
    step = dataclasses.replace(
        blocked.steps["validate"],
        outputs={"report": Output("", {"passed": False, "failed": ["nulls distance (test)"]})},
    )
    blocked = dataclasses.replace(blocked, steps={**blocked.steps, "validate": step})
    found = page(blocked, Findings(validation=ValidationReport(passed=False, checks=(check,))))
    assert "BLOCKED at validate" in " ".join(found.text.split())
    assert "7 %" in found.text


def test_the_page_says_what_a_replica_was_measured_to_hold() -> None:
    """With its spread; and nothing of it where nothing was measured."""
    found = page(run(deploy="SUCCEEDED"), Findings(rate=MeasuredRate(187.04, 154.0, 222.0)))
    assert "One replica held 187.0 requests a second (154.0 to 222.0" in " ".join(found.text.split())
    assert "One replica held" not in page(run(deploy="SUCCEEDED"), Findings()).text


def test_the_page_has_a_line_for_each_stage_of_the_traffic() -> None:
    """And nothing where no version had it before."""
    stage = Stage(5, answers=20, error_rate=0.0, latency_ms=4.2, champion_latency_ms=3.9, shift=0.125)
    text = " ".join(page(run(deploy="SUCCEEDED"), Findings(stages=(stage,))).text.split())
    assert "5 %200.0 %4.2 ms3.9 ms0.12" in text
    assert "Share of the traffic" not in page(run(deploy="SUCCEEDED"), Findings()).text


def test_a_run_without_any_step_has_a_page() -> None:
    """Nothing at all can be reported too."""
    assert "FAILED" in page(run(), Findings()).text
