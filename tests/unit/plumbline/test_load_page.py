"""The page of a load."""

import xml.etree.ElementTree as ET

from plumbline.charts import line_chart
from plumbline.load_page import charts, render
from plumbline.open_loop import Answered, Arrival, Count, Generated, Order, Step, result

STEPS = (Step(name="step", rate=2, seconds=2), Step(name="spike", rate=4, seconds=1))
SCHEDULE = (Arrival(0.5, 0), Arrival(1.5, 0), Arrival(2.1, 1), Arrival(2.2, 1))
ORDER = Order("projects/p/locations/l/endpoints/e", "2026-01-01T00:00:00Z", STEPS, SCHEDULE, 100.0)
ANSWERS = [Answered(a, 0.01 * (1 + a.step)) for a in SCHEDULE]


def test_the_page_shows_steps_errors_and_what_was_held() -> None:
    """And nothing is loaded from elsewhere; what an error says is escaped."""
    answers = [*ANSWERS[:3], Answered(SCHEDULE[3], 0.1, "503 <busy>")]
    page = render(result(ORDER, Generated(answers, [Count(0.1, 1)], 3.0, interrupted=False)), title="flights")
    assert "2 requests/s held" in page
    assert "1 &times; 503 &lt;busy&gt;" in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert page.count("<svg") == 4


def test_a_load_of_which_nothing_was_answered_has_a_page() -> None:
    """With charts of nothing."""
    page = render(result(ORDER, Generated([], [], 3.0, interrupted=True)), title="flights")
    assert "NO RATE HELD" in page
    assert "interrupted" in page


def test_the_charts_are_drawn_to_their_largest_value() -> None:
    """By rate, the spike's latency is at the upper right corner; each is well-formed."""
    found = charts(result(ORDER, Generated(ANSWERS, [Count(0.1, 1), Count(2.1, 3)], 3.0, interrupted=False)))
    drawn = {name: ET.fromstring(svg) for name, svg in found.items()}  # noqa: S314 - our own
    lines = [
        each.get("points", "").split() for each in drawn["Latency by rate"].iter("{http://www.w3.org/2000/svg}polyline")
    ]
    assert len(lines) == 3
    assert lines[2] == ["197.0,117.0", "348.0,14.0"]


def test_lines_are_drawn_from_zero_to_the_largest_value() -> None:
    """The first point lies half way; marks of an axis are short whatever the size of the numbers."""
    svg = line_chart({"p50": [(5.0, 300.0), (10.0, 600.0)]}, "requests/s", "ms")
    assert 'points="197.0,117.0 348.0,14.0"' in svg
    assert [mark in svg for mark in (">0<", ">300<", ">600<", "requests/s, 0 to 10")] == [True] * 4
    assert ">1.2k<" in line_chart({"p50": [(5.0, 2400.0)]}, "requests/s", "ms")
    assert ">12k<" in line_chart({"p50": [(5.0, 12_300.0)]}, "requests/s", "ms")


def test_a_chart_of_nothing_has_axes() -> None:
    """Where nothing was answered there is nothing to draw."""
    assert "polyline" not in line_chart({}, "seconds", "ms")
