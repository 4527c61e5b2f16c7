"""The shells of the data steps: what they read, write and record. Their logic has tests of its own."""

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kfp.dsl import Artifact, Dataset

from components.baseline import baseline
from components.validate import validate
from plumbline.baseline import Rates
from plumbline.dataset import SPLITS, split_path
from plumbline.problem import Baseline, Column, Data, Label, Split, Validation, Window
from plumbline.section import from_json, to_json
from plumbline.validation import ValidationReport

DAYS = [dt.date(2020, 1, day) for day in (1, 2, 3, 4)]
DATA = Data(
    query="q.sql",
    tables=("t",),
    key=("id",),
    time="sent_at",
    label=Label(column="late", positive=True),
    split=Split(**{s: Window(start=DAYS[i], end=DAYS[i + 1]) for i, s in enumerate(SPLITS)}),
    features={"line": Column(type="categorical")},
    attributes={"weight": Column(type="numeric")},
)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Four rows a split: line a is late once in two, line b never."""
    folder = tmp_path / "dataset"
    folder.mkdir()
    for i, split in enumerate(SPLITS):
        moment = dt.datetime.combine(DAYS[i], dt.time(12))
        rows = pa.table(
            {
                "id": [f"{split}{j}" for j in range(4)],
                "sent_at": pa.array([moment] * 4, pa.timestamp("us")),
                "late": [True, False, False, False],
                "line": ["a", "a", "b", "b"],
                "weight": [1.0, 2.0, 3.0, 4.0],
            }
        )
        pq.write_table(rows, split_path(folder, split))
    return Dataset(uri=str(folder))


@pytest.mark.parametrize(("rows", "passed"), [(4, True), (5, False)])
def test_validate_returns_its_verdict_and_writes_why(tmp_path: Path, dataset: Dataset, rows: int, passed: bool) -> None:
    """The report on disk, what the step returns and its metadata say the same."""
    limits = Validation(minimum_rows=dict.fromkeys(SPLITS, rows), minimum_positives=1)
    report = Artifact(uri=str(tmp_path / "report"))
    found = validate.python_func(data=to_json(DATA), validation=to_json(limits), dataset=dataset, report=report)
    written = from_json(ValidationReport, (tmp_path / "report").read_text(encoding="utf-8"))
    assert (found, written.passed, report.metadata["passed"]) == (passed, passed, passed)
    assert report.metadata["checks"] == len(written.checks)
    why = "rows (train, validation, test): wanted at least 5, found 4; load more rows, or move data.split"
    assert report.metadata["failed"] == ([] if passed else [why])


def test_baseline_scores_validation_and_test_rows(tmp_path: Path, dataset: Dataset) -> None:
    """The scores in the order of the split, and the rates that they were looked up in."""
    scores, rates = Dataset(uri=str(tmp_path / "scores")), Artifact(uri=str(tmp_path / "rates"))
    by = Baseline(by=("line",), smoothing=0)
    baseline.python_func(data=to_json(DATA), baseline=to_json(by), dataset=dataset, scores=scores, rates=rates)
    for split in ("validation", "test"):
        assert pq.read_table(split_path(tmp_path / "scores", split)).to_pydict() == {
            "id": [f"{split}{j}" for j in range(4)],
            "prevalence": [0.25] * 4,
            "today": [0.5, 0.5, 0.0, 0.0],
        }
    assert from_json(Rates, (tmp_path / "rates").read_text(encoding="utf-8")).prevalence == 0.25
    assert rates.metadata == {"prevalence": 0.25, "groups": 2, "by": ["line"]}
