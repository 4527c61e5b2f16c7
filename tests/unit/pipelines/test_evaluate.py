"""What `make evaluate` says of an evaluation."""

from collections.abc import Mapping

from pipelines.evaluate import told
from plumbline.runs import Metadata, Output, Run, Step

COUNTS = ("labels", "matched", "predictions", "late", "superseded", "unmatched", "unreadable", "overdue")


def run(made: Mapping[str, tuple[str, Metadata]], **errors: str) -> Run:
    """A run whose steps have made an output each, or have failed."""
    steps = {name: Step(name, "SUCCEEDED", outputs={of: Output("", says)}) for name, (of, says) in made.items()}
    steps |= {name: Step(name, "FAILED", error=error) for name, error in errors.items()}
    return Run("projects/p/locations/l/pipelineJobs/e", "SUCCEEDED", "", None, steps)


def test_an_evaluation_is_told_from_its_window_to_its_training() -> None:
    """Counts come back from a Struct as numbers with a point; alerts of gates and of drift stand in one line."""
    counts = {name: float(number) for number, name in enumerate(COUNTS)}
    found = run(
        {
            "observe": ("observed", {"start": "2026-03-01", "end": "2026-03-08", **counts}),
            "judge": ("judgements", {"summary": "version 3 failed (auc)", "failed": ["3"]}),
            "alert": ("raised", {"found": 1, "raised": ["auc is low"]}),
            "drift": ("distances", {"raised": ["hour has moved"]}),
            "decide": ("decision", {"train": True, "text": "train: 2 alert(s)"}),
            "launch": ("training", {"resourceName": "projects/p/pipelineJobs/t", "text": "train: 2 alert(s)"}),
        }
    )
    listed = ", ".join(f"{name} {number}" for number, name in enumerate(COUNTS))
    assert list(told(found)) == [
        f"  window       2026-03-01 to 2026-03-08: {listed}",
        "  judged       version 3 failed (auc)",
        "  alerts       auc is low; hour has moved",
        "  training     train: 2 alert(s)",
        "  started      projects/p/pipelineJobs/t",
    ]


def test_a_look_that_finds_nothing_says_so() -> None:
    """No new alert; and where another caller was quicker, what became of the training."""
    found = run(
        {
            "alert": ("raised", {"found": 1, "raised": []}),
            "launch": ("training", {"resourceName": "", "text": "do not train: another caller is starting a training"}),
        }
    )
    assert list(told(found)) == [
        "  alerts       no new one",
        "  not started  do not train: another caller is starting a training",
    ]


def test_a_step_that_failed_is_told() -> None:
    """Its first line; the rest is in the log."""
    assert list(told(run({}, judge="ModelError: a score is 2\nTraceback"))) == [
        "  judge        FAILED: ModelError: a score is 2"
    ]
