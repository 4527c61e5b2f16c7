"""Charts over time."""

import re
from xml.etree import ElementTree as ET

from plumbline.scoreboard import Estimate
from plumbline.timeline import Marks, shares_chart, values_chart

PERIODS = ["01 Jan", "15 Jan", "29 Jan"]


def shapes(chart: str, name: str) -> list[ET.Element]:
    """The elements of a kind; the chart is well-formed."""
    return ET.fromstring(chart).findall(f".//{{http://www.w3.org/2000/svg}}{name}")  # noqa: S314 - our own chart


def test_a_value_is_a_dot_with_its_interval() -> None:
    """And a gap of a period is a gap of the line."""
    values = {0: Estimate(value=0.3, low=0.2, high=0.4), 2: Estimate(value=0.5)}
    chart = values_chart("AUC-PR", PERIODS, {"version 1": values}, Marks())
    assert len(shapes(chart, "circle")) == 2
    assert len(shapes(chart, "line")) == 1, "an interval, and nothing over the gap"
    joined = values_chart("AUC-PR", PERIODS, {"version 1": {**values, 1: Estimate(value=0.4)}}, Marks())
    assert len(shapes(joined, "line")) == 3


def test_what_is_not_defined_is_not_drawn() -> None:
    """It ends the line."""
    values = {0: Estimate(value=0.3), 1: Estimate(value=None), 2: Estimate(value=0.5)}
    chart = values_chart("AUC-PR", PERIODS, {"version 1": values}, Marks())
    assert len(shapes(chart, "circle")) == 2
    assert not shapes(chart, "line")


def test_a_higher_value_is_higher() -> None:
    """And the bound lies on the same scale."""
    values = {0: Estimate(value=0.2), 1: Estimate(value=0.4)}
    chart = values_chart("AUC-PR", PERIODS, {"version 1": values}, Marks(bound=0.2))
    low, high = (float(dot.get("cy", "")) for dot in shapes(chart, "circle"))
    bound = float(shapes(chart, "line")[0].get("y1", ""))
    assert high < low
    assert low == bound


def test_marks_are_drawn_once_each() -> None:
    """Two alerts, a change."""
    chart = values_chart("x", PERIODS, {}, Marks(alarms=(0, 2), changes=(1,)))
    assert chart.count("<title>alert</title>") == 2
    assert len(shapes(chart, "line")) == 1


def test_shares_fill_the_column() -> None:
    """Whatever their sum is; nothing fills nothing."""
    chart = shares_chart("traffic", PERIODS, {"version 1": {0: 30.0, 1: 0.0}, "version 2": {0: 10.0}})
    heights = [float(bar.get("height", "")) for bar in shapes(chart, "rect")]
    full = heights[0] + heights[1]
    assert heights[0] == 3 * heights[1]
    assert full > 0
    assert heights[2:] == [0.0] * 4


def test_names_are_text() -> None:
    """And no markup; of many periods some are named."""
    chart = values_chart("<b>", [f"p{number}" for number in range(60)], {"a & b": {0: Estimate(value=1.0)}}, Marks())
    assert "&lt;b&gt;" in chart
    assert "a &amp; b" in chart
    assert 6 <= len(re.findall(r">p\d+<", chart)) <= 12


def test_nothing_at_all_can_be_drawn() -> None:
    """An empty chart is one."""
    assert shapes(values_chart("x", [], {}, Marks()), "path")
    assert shapes(shares_chart("x", [], {}), "path")
