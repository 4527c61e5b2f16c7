"""The steps of `make load`."""

import pytest

from pipelines.load import Asked, steps_of
from plumbline.errors import PlumblineError
from plumbline.load import LoadProfile

USUAL = LoadProfile(usual_rate=5, peak_rate=20)


@pytest.mark.parametrize(
    ("asked", "usual", "expected"),
    [
        (Asked(), USUAL, [("step", 5), ("step", 20), ("step", 40), ("step", 80), ("spike", 160), ("after", 5)]),
        (Asked(), LoadProfile(usual_rate=5, peak_rate=5), [("step", 5), ("step", 10), ("step", 20), ("spike", 40)]),
        (Asked(), None, [("step", 5), ("step", 10), ("step", 20), ("step", 40), ("spike", 80), ("after", 5)]),
        (Asked(rates=(3, 1)), USUAL, [("step", 3), ("step", 1), ("spike", 6), ("after", 3)]),
        (Asked(rates=(3,), spike=50), USUAL, [("step", 3), ("spike", 50), ("after", 3)]),
        (Asked(rates=(3,), spike=0), USUAL, [("step", 3)]),
    ],
)
def test_the_steps_are_those_asked_for_or_around_the_usual_load(
    asked: Asked, usual: LoadProfile | None, expected: list[tuple[str, float]]
) -> None:
    """Rates in requests a second: usual, peak, two and four times the peak, then twice the largest as a spike."""
    assert [(step.name, step.rate) for step in steps_of(asked, usual)][: len(expected)] == expected


def test_too_large_a_load_is_refused_before_anything_is_sent() -> None:
    """By its time as by its requests."""
    with pytest.raises(PlumblineError, match="a load may last 600 s"):
        steps_of(Asked(rates=(1.0,), seconds=300.0), USUAL)
