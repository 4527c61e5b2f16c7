"""What became of a model in a year, period by period, as one page."""

import datetime as dt
from collections.abc import Mapping, Sequence

import jinja2

from plumbline.report import TEMPLATES
from plumbline.scoreboard import Estimate
from plumbline.section import section
from plumbline.timeline import Marks, shares_chart, values_chart

_FEATURES = 6
"""Features whose distances are drawn: those that went furthest."""


@section
class Judged:
    """A version in a period."""

    version: str
    status: str
    summary: str
    auc_pr: Estimate
    rows: int


@section
class Trained:
    """A training that was started."""

    run: str
    kind: str
    """shipped, blocked or failed."""
    reason: str
    """Of that."""
    why: str
    """Of the training."""
    version: str
    """That it made; empty where it registered none."""


@section
class Chapter:
    """A period of the year."""

    start: dt.datetime
    end: dt.datetime
    asked: int
    """Predictions that callers asked for."""
    answers: Mapping[str, int]
    """Of them, by the version that answered."""
    matched: int
    """Of them, those for which a label came."""
    judged: tuple[Judged, ...]
    alerts: tuple[str, ...]
    distances: Mapping[str, float]
    """The largest distance of each feature, or of the prediction, from what the model was trained on."""
    decision: str
    trained: Trained | None = None


@section
class Year:
    """All of it."""

    title: str
    first: Trained
    """The training at its beginning."""
    chapters: tuple[Chapter, ...]
    bound: float | None
    """That AUC-PR has to reach."""
    drift_bound: float | None
    seconds: float

    @property
    def trainings(self) -> Sequence[Trained]:
        """All, the first among them."""
        return (self.first, *(chapter.trained for chapter in self.chapters if chapter.trained))

    @property
    def alerts(self) -> int:
        """How many there were."""
        return sum(len(chapter.alerts) for chapter in self.chapters)


def render(year: Year) -> str:
    """The page."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template("simulation.html.j2").render(year=year, charts=_charts(year))


def _charts(year: Year) -> Sequence[str]:
    periods = [f"{chapter.start:%d %b}" for chapter in year.chapters]
    alarms = [i for i, chapter in enumerate(year.chapters) if chapter.alerts]
    changes = [i for i, c in enumerate(year.chapters) if c.trained and c.trained.kind == "shipped"]
    quality: dict[str, dict[int, Estimate]] = {}
    traffic: dict[str, dict[int, float]] = {}
    distances: dict[str, dict[int, Estimate]] = {}
    for i, chapter in enumerate(year.chapters):
        for judged in chapter.judged:
            quality.setdefault(f"version {judged.version}", {})[i] = judged.auc_pr
        for version, count in chapter.answers.items():
            traffic.setdefault(f"version {version}", {})[i] = count
        for feature, distance in chapter.distances.items():
            distances.setdefault(feature, {})[i] = Estimate(value=distance)
    furthest = sorted(distances, key=lambda name: -max(e.value or 0.0 for e in distances[name].values()))[:_FEATURES]
    return (
        values_chart("AUC-PR of what was served", periods, quality, Marks(alarms, changes, year.bound)),
        values_chart(
            "distance from the training data",
            periods,
            {name: distances[name] for name in furthest},
            Marks((), changes, year.drift_bound),
        ),
        shares_chart("share of the answers", periods, traffic),
    )
