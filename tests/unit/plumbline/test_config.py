"""Config files: what is right loads, and everything that is wrong is told at once, with its line."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from plumbline.config import json_schema, load_environment, load_problem
from plumbline.environment import Environment, place
from plumbline.errors import ConfigError
from plumbline.problem import Data, ProblemConfig
from plumbline.section import from_json, to_json

ROOT = Path(__file__).parents[3]
FLIGHTS = ROOT / "configs" / "flights.yaml"
LOCAL = ROOT / "configs" / "env" / "local.yaml"


NEEDS_OBSERVATION = "the file: retraining is decided by the evaluation pipeline: it needs a section observation"


def changed(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    """The example's config with texts replaced, beside a query."""
    text = FLIGHTS.read_text(encoding="utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after, 1)
    (tmp_path / "queries").mkdir(exist_ok=True)
    (tmp_path / "queries" / "flights.sql").write_text("SELECT 1", encoding="utf-8")
    (tmp_path / "queries" / "flights_labels.sql").write_text("SELECT @start, @end", encoding="utf-8")
    path = tmp_path / "problem.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: Path) -> list[str]:
    """What is wrong with a config, each as line and message."""
    with pytest.raises(ConfigError) as caught:
        load_problem(path)
    return [f"{problem.line}: {problem.message}" for problem in caught.value.problems]


def line_of(path: Path, text: str) -> int:
    """The line of the first occurrence of a text."""
    return next(i for i, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if text in line)


def test_the_example_loads_with_its_query() -> None:
    """The example's config and query load."""
    loaded = load_problem(FLIGHTS)
    assert loaded.config.name == "flights"
    assert "FROM {flights}" in loaded.sql


def test_a_section_survives_its_journey_as_json() -> None:
    """A section that travels as JSON arrives as it was sent."""
    data = load_problem(FLIGHTS).config.data
    assert from_json(Data, to_json(data)) == data


def test_all_that_is_wrong_is_told_at_once_with_its_lines(tmp_path: Path) -> None:
    """Three mistakes give three messages, each with its own line."""
    path = changed(
        tmp_path, ("epochs: 12", "epoch: 12"), ("batch_size: 1024", "batch_size: -1"), ("name: flights\n", "name: 7\n")
    )
    found = problems(path)
    assert len(found) == 3
    assert found[0].startswith(f"{line_of(path, 'name: 7')}: name: ")
    assert found[1] == f"{line_of(path, 'epoch: 12')}: unknown key epoch: did you mean epochs? (in training.epoch)"
    assert found[2].endswith("training.batch_size: Input should be greater than or equal to 1, got -1")


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ("  threshold: {precision: 0.3}\n", "", None),  # it has a default
        ("  goal: ", "  gaol: ", "unknown key gaol: did you mean goal?"),
        ("distance: {type: numeric,", "distance: {type: nummeric,", "data.features.distance.type: Input should be"),
        ("test: {start: 2013-11-01", "test: {start: 2013-10-01", "must follow each other in time"),
        ("by: [carrier, hour]", "by: [carier, hour]", "unknown column carier: did you mean carrier?"),
        ("by: [origin], minimum", "by: [weekday], minimum", "needs the same columns among evaluation.slices"),
        ("minimum_replicas: 1", "minimum_replicas: 5", "maximum_replicas must be >= minimum_replicas, got 3 < 5"),
        ("metric: auc_pr, minimum: 0.2", "metric: auc_pr", "exactly one of minimum, maximum, margin and gap"),
        ("column: late", "column: carrier", "the label carrier is among the features"),
        ("query: queries/flights.sql", "query: queries/absent.sql", "there is no SQL file"),
        ("sampling_rate: 1.0", "sampling_rate: .nan", "monitoring.sampling_rate"),
        ("name: flights\n", "name: flights\nname: again\n", "name twice"),
        ("positive: true", "positive: [1]", "data.label.positive"),
        ("skew: {carrier: 0.1}", "skew: {carier: 0.1}", "unknown column carier"),
        ("query: queries/flights_labels.sql", "query: queries/absent.sql", "there is no SQL file"),
        ("join: [carrier,", "join: [weekday,", "weekday is no raw column of a feature"),
        ("cron: 0 13 * * *", "cron: 0 13 * *", "cron '0 13 * *': wanted five fields, got 4"),
        ("cron: 0 14 1 * *", "cron: 0 14 1 13 *", "cron '0 14 1 13 *': Bad"),
        ("  window_hours: 168\n", "", "observation.window_hours is missing"),
        ("  cooldown_hours: 72\n", "", None),
    ],
)
def test_each_mistake_is_named(tmp_path: Path, before: str, after: str, wanted: str | None) -> None:
    """A mistake is refused with a message that names it, and what is optional may be left out."""
    path = changed(tmp_path, (before, after))
    if wanted is None:
        load_problem(path)
    else:
        assert any(wanted in found for found in problems(path))


def test_a_missing_section_is_named(tmp_path: Path) -> None:
    """A section that is not there is said to be missing."""
    path = changed(tmp_path)
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    del content["serving"]
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert [found.partition(": ")[2] for found in problems(path)] == ["serving is missing"]


@pytest.mark.parametrize(
    ("left_out", "wanted"),
    [
        (("observation", "retraining"), ""),
        (("retraining",), ""),
        (
            ("observation",),
            "the file: retraining is decided by the evaluation pipeline: it needs a section observation",
        ),
    ],
)
def test_a_model_need_not_be_observed(tmp_path: Path, left_out: tuple[str, ...], wanted: str) -> None:
    """Nor retrained; what retrains is decided on what was observed."""
    path = changed(tmp_path)
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({k: v for k, v in content.items() if k not in left_out}), encoding="utf-8")
    if wanted:
        assert [found.partition(": ")[2] for found in problems(path)] == [wanted]
    else:
        loaded = load_problem(path)
        assert bool(loaded.labels) == ("observation" not in left_out)


def test_a_query_of_labels_minds_the_window(tmp_path: Path) -> None:
    """One that gives the rows of every window is refused; a comment is no use of a parameter."""
    path = changed(tmp_path)
    (tmp_path / "queries" / "flights_labels.sql").write_text("-- to @end\nSELECT @start", encoding="utf-8")
    line = line_of(path, "queries/flights_labels.sql")
    told = "queries/flights_labels.sql does not use @end: it would give rows of other windows"
    assert problems(path) == [f"{line}: {told}"]


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A config that does not exist is told by its path."""
    with pytest.raises(ConfigError, match="absent.yaml:1: there is no such config file"):
        load_problem(tmp_path / "absent.yaml")


@pytest.mark.parametrize("text", ["a: [", "- a\n- b\n", ""])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    """A file that is no YAML mapping is refused as such."""
    path = tmp_path / "problem.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="not YAML|wanted a mapping"):
        load_problem(path)


def test_the_local_environment_loads() -> None:
    """The environment of this machine names endpoints, and its place is what steps need of it."""
    environment = load_environment(LOCAL)
    assert environment.endpoints is not None
    assert place(environment).project == environment.project


def test_an_environment_with_a_wrong_bucket_is_refused(tmp_path: Path) -> None:
    """Names that Google Cloud would refuse are refused before anything starts."""
    path = tmp_path / "env.yaml"
    path.write_text(LOCAL.read_text(encoding="utf-8").replace("bucket: plumbline-local", "bucket: Plumbline"))
    with pytest.raises(ConfigError, match="bucket"):
        load_environment(path)


@pytest.mark.parametrize(("name", "kind"), [("problem", ProblemConfig), ("environment", Environment)])
def test_the_committed_schemas_are_those_of_the_models(name: str, kind: type[object]) -> None:
    """The JSON Schemas that editors use are up to date: `make generate` writes them."""
    committed = json.loads((ROOT / "configs" / "schema" / f"{name}.json").read_text(encoding="utf-8"))
    assert committed == json.loads(json.dumps(json_schema(kind)))


@pytest.mark.parametrize(("path", "name"), [(FLIGHTS, "problem"), (LOCAL, "environment")])
def test_the_example_fits_the_committed_schema(path: Path, name: str) -> None:
    """What an editor says of the example's configs is: nothing."""
    schema = json.loads((ROOT / "configs" / "schema" / f"{name}.json").read_text(encoding="utf-8"))
    content = json.loads(json.dumps(yaml.safe_load(path.read_text(encoding="utf-8")), default=str))
    jsonschema.validate(content, schema)
