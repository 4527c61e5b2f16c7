"""What a config is refused for before anything starts: each with its line and what to do."""

from pathlib import Path

import pytest

from plumbline.config import load_problem
from plumbline.errors import ConfigError

ROOT = Path(__file__).parents[3]
FLIGHTS = (ROOT / "configs" / "flights.yaml").read_text(encoding="utf-8")


def told(tmp_path: Path, *changes: tuple[str, str]) -> str:
    """What is said of the example's config after some changes; empty where nothing is."""
    text = FLIGHTS
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "flights.sql").write_text("SELECT 1", encoding="utf-8")
    (tmp_path / "queries" / "flights_labels.sql").write_text("SELECT @start, @end", encoding="utf-8")
    path = tmp_path / "flights.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        load_problem(path)
    except ConfigError as error:
        line = int(str(error).split(":")[1])
        return f"{text.splitlines()[line - 1].strip()} | {error}"
    return ""


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (
            "    temperature: {type",
            "    air_time: {type: numeric}\n    temperature: {type",
            "air_time is known only afterwards",
        ),
        (
            "    temperature: {type",
            "    t: {type: numeric, column: dep_delay}\n    temperature: {type",
            "dep_delay is known",
        ),
        (
            "month: {type: timestamp, column: scheduled_departure",
            "month: {type: timestamp, column: dep_time",
            "dep_time is",
        ),
        (
            "- {metric: auc, minimum: 0.65}",
            "- {metric: accuracy, minimum: 0.9}",
            "accuracy rewards a model that always",
        ),
        ("models: [logistic_regression, boosted_trees]", "models: [boosted_trees]", "logistic_regression is not tried"),
        ("load: {usual_rate: 5, peak_rate: 20}", "load: {usual_rate: 5, peak_rate: 400, replica_rate: 40}", "needs 20"),
        (
            "load: {usual_rate: 5, peak_rate: 20}",
            "load: {usual_rate: 9, peak_rate: 2}",
            "peak_rate must be >= usual_rate",
        ),
        ("threshold: {precision: 0.3}", "threshold: {precision: 0.3, recall: 0.5}", "a rule has exactly one of"),
        ("threshold: {precision: 0.3}", "threshold: {accuracy: 0.3}", "unknown key accuracy"),
        ("part: hour, minimum: 5, maximum: 23", "part: hour, minimum: 23, maximum: 5", "is above maximum"),
        (
            "maximum: 23, group: schedule}",
            "maximum: 23, deviation: [1, 2], group: schedule}",
            "deviation is two ascending",
        ),
        ("method: class_weight", "method: class_weights", "Input should be"),
    ],
)
def test_what_cannot_be_right_is_refused(tmp_path: Path, old: str, new: str, wanted: str) -> None:
    """At its line."""
    found = told(tmp_path, (old, new))
    assert wanted in found, found


@pytest.mark.parametrize(
    ("tuning", "wanted"),
    [
        ("{parameters: {dropout: {minimum: 0.0, maximum: 1.0}}}", "dropout cannot be 1"),
        ("{parameters: {batch_size: {minimum: 0, maximum: 64}}}", "batch_size cannot be 0"),
        ("{parameters: {layers: {values: [0, 1]}}}", "layers cannot be 0"),
        ("{parameters: {width: {values: [16, 24.5]}}}", "width is a whole number, and cannot be 24.5"),
        ("{parameters: {dropout: {values: [0, 0.5], scale: log}}}", "a logarithmic scale needs"),
        ("{parameters: {dropout: {minimum: .nan, maximum: 0.5}}}", "finite"),
        (
            "{parameters: {learning_rate: {minimum: 0.1, maximum: 0.2}}, algorithm: grid}",
            "a grid needs values of learning_rate",
        ),
        ("{parameters: {learning_rate: {minimum: 0.2, maximum: 0.1}}}", "must be below maximum"),
        ("{parameters: {learning_rate: {minimum: 0.0, maximum: 0.1, scale: log}}}", "a logarithmic scale needs"),
        ("{parameters: {learning_rate: {values: [0.2, 0.1]}}}", "values must ascend"),
        ("{parameters: {speed: {values: [0.2]}}}", "speed"),
        ("{parameters: {}}", "at least 1"),
    ],
)
def test_a_space_that_a_training_cannot_have_is_refused(tmp_path: Path, tuning: str, wanted: str) -> None:
    """Before a trial is paid for."""
    found = told(tmp_path, ("  hardware: cpu\n", f"  hardware: cpu\n  tuning: {tuning}\n"))
    assert wanted in found, found


def test_a_space_that_fits_is_taken(tmp_path: Path) -> None:
    """Ranges and lists, on both scales."""
    space = "{learning_rate: {minimum: 0.0001, maximum: 0.01, scale: log}, width: {values: [32, 64]}}"
    assert told(tmp_path, ("  hardware: cpu\n", f"  hardware: cpu\n  tuning: {{parameters: {space}}}\n")) == ""
