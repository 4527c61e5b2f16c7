"""The page of a load: one self-contained HTML file."""

from collections.abc import Mapping, Sequence

import jinja2

from plumbline.charts import line_chart
from plumbline.open_loop import PERCENTILES, LoadResult, described_replicas
from plumbline.report import TEMPLATES


def render(result: LoadResult, *, title: str) -> str:
    """The page.

    Args:
        result: What was measured.
        title: Of the problem.
    """
    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template("load.html.j2").render(
        result=result,
        title=title,
        percentiles=[*map(str, PERCENTILES), "max"],
        described_replicas=described_replicas,
        charts=charts(result),
    )


def charts(result: LoadResult) -> Mapping[str, str]:
    """SVG by caption."""
    steps = sorted((each for each in result.steps if each.milliseconds), key=lambda each: each.step.rate)
    by_rate = {
        f"p{name}": [(each.step.rate, each.milliseconds[str(name)]) for each in steps if each.step.name != "after"]
        for name in PERCENTILES
    }
    seconds = result.seconds
    rates = {
        "due": [(float(each.at), float(each.due)) for each in seconds],
        "answered": [(float(each.at), float(each.answered)) for each in seconds],
    }
    replicas = {"replicas": [(float(each.at), float(each.replicas)) for each in seconds if each.replicas is not None]}
    return {
        "Latency by rate": line_chart(by_rate, "requests/s", "milliseconds"),
        "Requests by the second in which they were due": line_chart(rates, "seconds", "requests/s"),
        "Latency by the second": line_chart(_latencies(result), "seconds", "milliseconds"),
        "Replicas": line_chart(replicas, "seconds", "replicas"),
    }


def _latencies(result: LoadResult) -> Mapping[str, Sequence[tuple[float, float]]]:
    return {
        f"p{name}": [(float(each.at), each.milliseconds[name]) for each in result.seconds if each.milliseconds]
        for name in ("50", "99")
    }
