"""What trials have reported, and the median stopping rule."""

from pathlib import Path

import pytest

from emulator.aiplatform.tuning_jobs.measurements import Measured, is_hopeless, read

OTHERS: list[Measured] = [[(1, 0.25), (2, 0.5), (3, 0.9)], [(1, 0.5), (2, 0.75)], [(1, 0.125), (2, 0.125)]]
"""Their averages up to step 2 are 0.375, 0.625 and 0.125, so the median is 0.375, to the last bit."""


def test_what_is_no_measurement_is_left_out(tmp_path: Path) -> None:
    """A line that is being written, another metric, what is no number, and what is not finite."""
    file = tmp_path / "metrics"
    assert list(read(file, "score")) == []
    lines = (
        '{"score": "0.5", "global_step": "1", "trial": "0"}',
        '{"loss": "0.1", "global_step": "1"}',
        "7",
        '{"score": "high", "global_step": "2"}',
        '{"score": "nan", "global_step": "2"}',
        '{"score": 0.25, "global_step": 3}',
        '{"score": "0.7", "glo',
    )
    file.write_text("\n".join(lines), encoding="utf-8")
    assert list(read(file, "score")) == [(1, 0.5), (3, 0.25)]


@pytest.mark.parametrize(
    ("own", "stops"),
    [
        ([(1, 0.37), (2, 0.1)], True),
        ([(1, 0.375), (2, 0.1)], False),
        ([(1, 0.1), (2, 0.38)], False),
        ([], False),
    ],
)
def test_a_trial_whose_best_is_below_the_median_is_hopeless(own: Measured, *, stops: bool) -> None:
    """Strictly below 0.375, the median of the others' averages up to its own last step."""
    assert is_hopeless(own, OTHERS, sign=1) is stops


def test_small_is_good_where_the_metric_is_to_be_small() -> None:
    """At step 2 the best is 0.37 against a median of 0.375, then 0.38."""
    assert not is_hopeless([(1, 0.9), (2, 0.37)], OTHERS, sign=-1)
    assert is_hopeless([(1, 0.9), (2, 0.38)], OTHERS, sign=-1)


def test_nothing_is_hopeless_before_another_has_ended() -> None:
    """Nor where the others have told nothing by that step."""
    assert not is_hopeless([(1, 0.0)], [], sign=1)
    assert not is_hopeless([(1, 0.0)], [[(2, 0.9)]], sign=1)
