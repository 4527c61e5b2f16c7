"""The model card and the page of a run, from the same small run."""

import dataclasses
import datetime as dt
import json
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import pytest

from plumbline.card import Facts, content, missing
from plumbline.config import load_problem
from plumbline.dataset import SplitSummary, Summary
from plumbline.gates import decide
from plumbline.problem import Metric
from plumbline.report import Findings, render
from plumbline.runs import Output, Run, Step
from plumbline.scoreboard import Confusion, Curve, Estimate, Scoreboard, SliceKey, SliceResult
from plumbline.training import History
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
    metrics: dict[Metric, Estimate] = {"auc_pr": estimate, "auc": estimate, "precision": Estimate(value=None)}
    cells = Confusion(true_positives=7, false_positives=3, true_negatives=800, false_negatives=90)
    return SliceResult(
        model=model,
        slice=key,
        count=1000,
        positives=97,
        metrics=metrics,
        confusion=cells,
    )


BOARD = Scoreboard(
    threshold=0.5,
    confidence=0.95,
    engine="vectorised",
    results=(
        result("candidate", (), 0.7),
        result("today", (), 0.1),
        *(result("candidate", (("origin", name),), 0.7) for name in ("EWR", "<b>JFK</b>")),
        *(result("candidate", (("carrier", name),), 0.7) for name in ("AA", "UA")),
    ),
    curves=(Curve(model="candidate", kind="roc", x=(0.0, 1.0), y=(0.0, 1.0)),),
)
EXPECTED = [result.slice for result in BOARD.results if result.model == "candidate"]
VERDICT = decide(BOARD, CONFIG.evaluation, EXPECTED)
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
    verdict=VERDICT,
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


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (dataclasses.replace(FACTS, date=" "), "version date"),
        (dataclasses.replace(FACTS, version=""), "version name"),
        (dataclasses.replace(FACTS, board=dataclasses.replace(BOARD, results=())), "performance metrics"),
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


@pytest.mark.parametrize("part", ["users", "use_cases", "limitations", "ethical_considerations"])
def test_empty_considerations_are_named(part: str) -> None:
    """A card without considerations is not complete."""
    card = json.loads(json.dumps(content(FACTS)))
    card["considerations"][part] = []
    assert missing(card) == (part.replace("_", " "),)


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
        Findings(summary=SUMMARY, validation=report, history=HISTORY, board=BOARD, verdict=VERDICT),
    )
    assert found.loads == []
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


def test_a_run_without_any_step_has_a_page() -> None:
    """Nothing at all can be reported too."""
    assert "FAILED" in page(run(), Findings()).text
